//! What every operation answers with: commands, how to read them, and what is true once they are done.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::model::certificate::CertificateBefore;
use crate::model::gate::UnitState;
use crate::model::{Command, HostName, RunId, RuntimeKind, SkipReason, duration};

use crate::model::shape::ServedFacts;

use super::exchange::{Cordon, NodeState, Relay, ServingApproval};

pub use super::context::{Fleet, RunContext};

/// Stands for the run's id in a plan: a plan is made, shown and hashed before its run begins.
pub const RUN_ID_PLACEHOLDER: &str = "{run-id}";
/// Stands for a pod's namespace in the commands of [`PodDeletion`].
pub const NAMESPACE_PLACEHOLDER: &str = "{namespace}";
/// Stands for a pod's name in the commands of [`PodDeletion`].
pub const POD_PLACEHOLDER: &str = "{pod}";

/// One operation on one host, as a plan shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Planned {
    /// For a person: `renew 10 certificates`.
    pub title: String,
    /// In this order; the first failure ends the step.
    pub commands: Vec<Command>,
    /// Nothing will be done here, and why; `commands` is then empty.
    pub skip: Option<SkipReason>,
    /// What the facts say will be found; never a reason not to look again.
    pub forecast: Option<String>,
    /// Parts that are left out (certificate names), each with the reason.
    pub left_out: Vec<SkippedPart>,
    pub postcondition: Postcondition,
    pub expect: Expect,
}

/// A part of an operation that is not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct SkippedPart {
    pub what: String,
    pub why: String,
}

/// What is true once an operation is done. The same statement answers "nothing to do", a resumed run and a lost connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Postcondition {
    /// Each has another serial than before and ends no earlier (`certfleet:read-certificates`).
    CertificatesRenewed { before: Vec<CertificateBefore> },
    /// The unit is in the state (`systemctl show`).
    UnitState { unit: String, state: UnitState },
    /// None of the units is active or on its way to be.
    UnitsStopped { units: Vec<String> },
    /// No control-plane container runs that ran before (`certfleet:containers`). Empty `ids`: none runs at all.
    ContainersGone { runtime: RuntimeKind, ids: Vec<String> },
    /// The directory is there whole: the script renames it last and verifies its sums when it is run again, so running
    /// the step's own command again is the check.
    BackupExists { path: String },
    /// The kubelet can start with its client certificate: it fits its key, the CA signed it for this `node`, it has not
    /// expired, and kubelet.conf holds no other. `serving`: its own serving certificate is not an expired one.
    KubeletCertificates { node: Option<String>, serving: bool },
    /// No pod of the CNI is stuck in a way that deletion cures.
    PodsNotStuck,
    /// No request waits that may be approved; doing it again is the check.
    ServingApproved,
    /// No copy of admin.conf holds an earlier certificate; doing it again is the check.
    CopiesRefreshed,
    /// The Node is in this state, as `look` (`certfleet:drain look`) says on the `speaker`.
    Node {
        speaker: HostName,
        look: Command,
        aim: NodeState,
    },
    /// This read-only command exits with 0.
    CommandSucceeds { command: Command },
    /// The port serves a valid certificate, and another one than `before`; nothing can be told where that is not known.
    ServedAnew { port: u16, before: Option<ServedFacts> },
    /// The same, and where `before` is not known, a valid certificate will do: what the gate's `served` asks.
    Served { port: u16, before: Option<ServedFacts> },
    /// Nothing can be read back: a lost connection leaves the outcome unknown.
    None,
}

/// How the commands' output is read, beyond the exit status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expect {
    /// Exit status 0 is success.
    ExitStatus,
    /// `kubeadm certs renew NAME`: its exit status means nothing; read the sentence (`probes::kubeadm_renew`).
    KubeadmRenew,
    /// `systemctl start`: try again after a pause when it fails (a first start can fail, seen on docker).
    ServiceStart,
    /// `certfleet:backup`: one `backup` line.
    BackupLine,
    /// `certfleet:stop-static-pods`: exit status 4 = still running, 5 = the kubelet runs.
    StoppedPods,
    /// Which pods are deleted is known only at run time.
    DeletePods(Box<PodDeletion>),
    /// The first three commands are those of the relay: on the node, on the signer, on the node; others follow there.
    Relay(Box<Relay>),
    /// Which requests are approved is known only at run time.
    ApproveServing(Box<ServingApproval>),
    /// `certfleet:drain`, on another host than the step's.
    Cordon(Box<Cordon>),
    /// `certfleet:refresh-copies`: one line for each copy; without `refreshed` nothing was changed.
    RefreshedCopies,
}

/// How stuck pods are found and deleted: everything but the pods' names is fixed by the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PodDeletion {
    /// In the order in which pods are deleted: label by label, node by node.
    pub queries: Vec<PodQuery>,
    /// Lists the nodes, for their readiness.
    pub nodes: Command,
    /// With [`NAMESPACE_PLACEHOLDER`] and [`POD_PLACEHOLDER`].
    pub delete: Command,
    /// The same for a pod that stays Terminating on a Ready node.
    pub force: Command,
    /// How long a pod may be not ready after its node became Ready.
    #[serde(with = "duration")]
    pub grace: Duration,
}

/// One label, in all namespaces; only pods of the inventory's CNI namespaces are looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PodQuery {
    pub label: String,
    pub pods: Command,
}

/// Why an operation cannot be planned on a host: an error of the plan, before anything is touched.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OperationError {
    #[error("{host}: the version of kubeadm is not known, so its command line is not known either")]
    UnknownKubeadmVersion { host: HostName },
    #[error("{host}: kubeadm {version} cannot renew single certificates and kubeconfigs (needs v1.15)")]
    UnsupportedKubeadm { host: HostName, version: String },
    #[error("{host}: {ca} has no private key here (external CA); kubeadm cannot renew {}", names.join(", "))]
    ExternalCa {
        host: HostName,
        ca: String,
        names: Vec<String>,
    },
    #[error("{host}: `{name}` is not a certificate that kubeadm renews")]
    UnknownName { host: HostName, name: String },
    #[error("{host}: the certificates could not be read")]
    CertificatesUnknown { host: HostName },
    #[error("{host}: {name} ({path}) is unreadable: {why}")]
    UnreadableCertificate {
        host: HostName,
        name: String,
        path: String,
        why: String,
    },
    #[error("{host}: the container runtime is not known")]
    UnknownRuntime { host: HostName },
}

impl OperationError {
    /// What the person should do.
    pub fn remedy(&self) -> String {
        match self {
            Self::UnknownKubeadmVersion { .. } => {
                "Set `kubernetes: { kubeadm: /path/to/kubeadm }` for the host, or install kubeadm there.".to_owned()
            }
            Self::UnsupportedKubeadm { .. } => {
                "Renew by hand with openssl and the CA key, or put a kubeadm 1.15 binary on the host and name it in `kubernetes: { kubeadm: … }`.".to_owned()
            }
            Self::ExternalCa { names, .. } => format!(
                "Have {} signed where the CA key is (docs/guide/external-ca.md), then `certfleet restart`; or leave them out of `names:`.",
                names.join(", ")
            ),
            Self::UnknownName { .. } => {
                format!("Names are {}.", crate::model::certificate::RENEWABLE.join(", "))
            }
            Self::CertificatesUnknown { host } => {
                format!("See why with `certfleet check --limit {host}`; `kubernetes: {{ cert-dir: … }}` names another directory.")
            }
            Self::UnreadableCertificate { .. } => {
                "Restore the file from a backup of this very host, or remove it from `names:`.".to_owned()
            }
            Self::UnknownRuntime { .. } => {
                "Set `kubernetes: { runtime: docker | containerd | cri-o }` for the host.".to_owned()
            }
        }
    }
}

impl Planned {
    /// Work to do; the caller fills what differs from "success is exit status 0".
    pub fn work(
        title: impl Into<String>,
        commands: Vec<Command>,
        postcondition: Postcondition,
        expect: Expect,
    ) -> Self {
        Self {
            title: title.into(),
            commands,
            skip: None,
            forecast: None,
            left_out: Vec::new(),
            postcondition,
            expect,
        }
    }

    /// Nothing to do, and why.
    pub fn skipped(title: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            skip: Some(SkipReason(why.into())),
            ..Self::work(title, Vec::new(), Postcondition::None, Expect::ExitStatus)
        }
    }

    /// The same with a forecast.
    #[must_use]
    pub fn with_forecast(mut self, forecast: Option<String>) -> Self {
        self.forecast = forecast;
        self
    }
}

impl PodDeletion {
    /// The command that deletes one pod.
    pub fn delete_command(&self, namespace: &str, pod: &str) -> Command {
        fill_pod(&self.delete, namespace, pod)
    }

    /// The command that deletes one pod without waiting for its node.
    pub fn force_command(&self, namespace: &str, pod: &str) -> Command {
        fill_pod(&self.force, namespace, pod)
    }
}

impl Postcondition {
    /// The same statement for a run that has begun.
    #[must_use]
    pub fn for_run(&self, run: &RunId) -> Self {
        match self {
            Self::BackupExists { path } => Self::BackupExists {
                path: path.replace(RUN_ID_PLACEHOLDER, run.as_str()),
            },
            Self::Node { speaker, look, aim } => Self::Node {
                speaker: speaker.clone(),
                look: fill_run_id(look, run),
                aim: *aim,
            },
            other => other.clone(),
        }
    }
}

/// Puts the run's id where the plan has [`RUN_ID_PLACEHOLDER`].
pub fn fill_run_id(command: &Command, run: &RunId) -> Command {
    fill(command, |word| word.replace(RUN_ID_PLACEHOLDER, run.as_str()))
}

fn fill_pod(command: &Command, namespace: &str, pod: &str) -> Command {
    fill(command, |word| {
        word.replace(NAMESPACE_PLACEHOLDER, namespace)
            .replace(POD_PLACEHOLDER, pod)
    })
}

/// Only arguments are filled: the text of a script and an operator's own command line stay as they are.
pub(super) fn fill(command: &Command, replace: impl Fn(&str) -> String) -> Command {
    let is_text = |i: usize| i == 2 && command.words.first().is_some_and(|w| w == "sh");
    let words = command.words.iter().enumerate();
    let filled = words.map(|(i, word)| if is_text(i) { word.clone() } else { replace(word) });
    Command {
        words: filled.collect(),
        run_as: command.run_as,
        timeout: command.timeout,
    }
}
