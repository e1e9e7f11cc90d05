//! Rules about kubelets that could not be started again.

use jiff::Timestamp;

use crate::model::host_words::unit_name;
use crate::model::playbook::{Operation, ServiceState};
use crate::model::{CertificateFact, Host, KeyMatch, Role};
use crate::operations::reissue_kubelet_client::{Decision, decide};

use super::super::planner::PlanInput;
use super::super::types::{Note, Plan};

/// A kubelet that starts with an expired client certificate exits at once, for ever (kubernetes/website#42944). The
/// playbook's own step cures it, unless nobody can sign, or nobody knows for whom.
pub(super) fn kubelet_client_expired(input: &PlanInput<'_>, plan: &Plan) -> Vec<Note> {
    let started = input.reachable().filter(|h| starts_kubelet(input, h));
    started.filter_map(|host| note(input, plan, host)).collect()
}

fn note(input: &PlanInput<'_>, plan: &Plan, host: &Host) -> Option<Note> {
    let decision = decide(host, input.facts_of(host), input.context(0, 0, host));
    let (why, missing, remedy) = match decision {
        Decision::Nothing(_) => return None,
        Decision::Impossible { why, obstacle, remedy } => (why, obstacle, remedy),
        Decision::Repoint { .. } | Decision::Reissue { .. } if is_cured(plan, host) => return None,
        // A valid certificate inside kubelet.conf starts its kubelet: worth a step, not a refusal.
        Decision::Repoint { why, .. } | Decision::Reissue { why, .. } if starts_anyway(input, host) => {
            return Some(Note::info("kubelet-client-embedded", Some(&host.name), why));
        }
        Decision::Repoint { why, .. } | Decision::Reissue { why, .. } => (
            why,
            "the playbook does not replace it".to_owned(),
            "Add `- reissue-kubelet-client` before the step that starts the kubelet, or use `certfleet renew`."
                .to_owned(),
        ),
    };
    let message = format!(
        "the kubelet's own client certificate: {why}. Once stopped, this kubelet cannot start again, and {missing}"
    );
    let name = Some(&host.name);
    Some(match host.role {
        Role::Worker => Note::warning("kubelet-client-expired", name, message, remedy),
        _ => Note::error("kubelet-client-expired", name, message, remedy),
    })
}

/// A kubelet that believes another authority than the masters' keeps the connection it has, and gets no other one.
pub(super) fn kubelet_believes_another(input: &PlanInput<'_>, plan: &Plan) -> Vec<Note> {
    let masters = || {
        let masters = input.inventory.masters();
        masters.map(|m| &input.facts_of(m).shape)
    };
    let lost = input.reachable().filter(|h| h.role != Role::Etcd);
    let lost = lost.filter(|h| input.facts_of(h).shape.disbelieves(masters()));
    lost.map(|host| {
        let message = "kubelet.conf holds another CA than the masters' ca.crt: this kubelet cannot open a new connection to the API";
        let remedy = "Put a master's ca.crt into certificate-authority-data of /etc/kubernetes/kubelet.conf there (`base64 -w0`), after a \
                      look why it differs; then restart that kubelet.";
        let restarted = plan.work().any(|s| s.host == host.name && s.operation == "service");
        let note = if host.role == Role::ControlPlane && restarted { Note::error } else { Note::warning };
        note("kubelet-foreign-ca", Some(&host.name), message.to_owned(), remedy.to_owned())
    })
    .collect()
}

fn starts_kubelet(input: &PlanInput<'_>, host: &Host) -> bool {
    let phases = input.playbook.phases.iter().filter(|p| p.hosts.matches(host));
    phases.flat_map(|p| &p.steps).any(|op| {
        matches!(op, Operation::Service { unit, state: ServiceState::Started } if unit_name(unit) == "kubelet.service")
    })
}

fn is_cured(plan: &Plan, host: &Host) -> bool {
    let name = Operation::ReissueKubeletClient.name();
    plan.work().any(|s| s.host == host.name && s.operation == name)
}

/// Every certificate that the kubelet would look at is valid, wherever it lies.
fn starts_anyway(input: &PlanInput<'_>, host: &Host) -> bool {
    let facts = input.facts_of(host);
    let rows = ["kubelet-client", "kubelet.conf"].map(|name| facts.certificate(name));
    let mut there = rows.into_iter().flatten().peekable();
    there.peek().is_some() && there.all(|row| is_valid(row, input.now))
}

fn is_valid(row: &CertificateFact, now: Timestamp) -> bool {
    let fits = matches!(row.key, KeyMatch::Match | KeyMatch::Unknown);
    fits && row.x509().is_some_and(|x| !x.expired(now))
}
