//! One deed, one file: arguments, host and facts to commands plus what is true afterwards. Pure; nothing runs here.

pub mod types;
pub mod context;
pub mod exchange;
pub mod node_name;
pub mod backup;
pub mod etcd_ca;
mod fresh;
pub mod renew_certificates;
pub mod service;
pub mod recycle_static_pods;
pub mod reissue_kubelet_client;
pub mod reissue_etcd_certificates;
pub mod approve_kubelet_serving;
pub mod refresh_kubeconfig_copies;
pub mod restore;
pub mod prune_backups;
pub mod delete_pods;
pub mod drain;
pub mod run;
pub mod external_ca;

#[cfg(test)]
pub(crate) mod fixtures;

use crate::model::{Host, HostFacts, Operation, Role};

pub use exchange::{Cordon, NodeState, Relay, ServingApproval};
pub use types::{
    Expect, OperationError, Planned, PodDeletion, PodQuery, Postcondition, RunContext, SkippedPart, fill_run_id,
};

/// Whether the operation means anything on such a host: a step that does not is no part of a plan.
pub fn concerns(operation: &Operation, host: &Host, facts: &HostFacts) -> bool {
    match operation {
        Operation::ReissueEtcdCertificates { .. } => host.role != Role::Worker && etcd_ca::is_elsewhere(host, facts),
        Operation::RefreshKubeconfigCopies => host.role != Role::Etcd,
        _ => true,
    }
}

/// Plans one operation on one host.
///
/// # Errors
/// What makes the operation impossible here, before anything is touched.
pub fn plan(
    operation: &Operation,
    host: &Host,
    facts: &HostFacts,
    context: RunContext<'_>,
) -> Result<Planned, OperationError> {
    match operation {
        Operation::Backup => Ok(backup::plan(host)),
        Operation::RenewCertificates { names, force } => {
            let fresh_before = (!force).then_some(context.now);
            renew_certificates::plan(names, host, facts, fresh_before)
        }
        Operation::ReissueEtcdCertificates { force } => {
            Ok(reissue_etcd_certificates::plan(host, facts, context, *force))
        }
        Operation::Service { unit, state } => service::plan(unit, *state, host, facts),
        Operation::RecycleStaticPods => recycle_static_pods::plan(host, facts, context),
        Operation::ReissueKubeletClient => Ok(reissue_kubelet_client::plan(host, facts, context)),
        Operation::ApproveKubeletServing => Ok(approve_kubelet_serving::plan(host, context)),
        Operation::RefreshKubeconfigCopies => Ok(refresh_kubeconfig_copies::plan(host)),
        Operation::PruneBackups { keep } => Ok(prune_backups::plan(*keep)),
        Operation::DeletePods { grace } => Ok(delete_pods::plan(*grace, host, context)),
        Operation::Run {
            command,
            unless,
            done_when_served,
            unless_served,
            timeout,
            as_login_user,
        } => {
            let planned = run::plan(command, unless.as_deref(), *timeout, *as_login_user);
            Ok(match (done_when_served, unless_served) {
                (Some(port), _) => run::until_served(planned, *port, facts),
                (None, Some(port)) => run::unless_served(planned, *port, facts),
                (None, None) => planned,
            })
        }
    }
}
