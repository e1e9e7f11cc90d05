//! Rules about the sort of cluster: a run that was cut short, Kubernetes that kubeadm did not make.

use crate::model::playbook::{Operation, Phase};
use crate::model::{Host, HostName, Role};

use super::super::planner::PlanInput;
use super::super::types::{Note, Plan};

pub(super) fn has_step(input: &PlanInput<'_>, host: &Host, wanted: fn(&Operation) -> bool) -> bool {
    let phases = input.playbook.phases.iter().filter(|p| p.hosts.matches(host));
    phases.flat_map(|p| &p.steps).any(wanted)
}

/// What a port showed before is known of the ports of k3s and RKE2 alone: of any other, what is there now always looks like the new.
pub(super) fn port_not_asked(input: &PlanInput<'_>, _plan: &Plan) -> Vec<Note> {
    let phases = input.playbook.phases.iter();
    let asked = phases.flat_map(|p| p.steps.iter().filter_map(move |op| Some((p, told_by(op)?))));
    let hosts = |(phase, port): (&Phase, u16)| {
        let blind = move |h: &&Host| phase.hosts.matches(h) && !input.facts_of(h).shape.ports(h.role).contains(&port);
        input.reachable().find(blind).map(|host| (host, port))
    };
    asked
        .filter_map(hosts)
        .map(|(host, port)| not_asked(host, port))
        .collect()
}

/// The port by which a step of one's own is told to be done.
fn told_by(operation: &Operation) -> Option<u16> {
    match operation {
        Operation::Run {
            done_when_served,
            unless_served,
            ..
        } => done_when_served.or(*unless_served),
        _ => None,
    }
}

fn not_asked(host: &Host, port: u16) -> Note {
    Note::error(
        "port-not-asked",
        Some(&host.name),
        format!(
            "a step is done when port {port} serves another certificate, but what it served before is not known here"
        ),
        "Use `unless:` with a command of your own. `done-when-served` and `unless-served` are for hosts of k3s and RKE2.",
    )
}

/// A run that was cut short while it held the manifests back: they are put back before anything else.
pub(super) fn parked_manifests(input: &PlanInput<'_>, _plan: &Plan) -> Vec<Note> {
    let hosts = input.reachable().filter(|h| !input.facts_of(h).shape.parked.is_empty());
    hosts.map(|host| parked(input, host)).collect()
}

fn parked(input: &PlanInput<'_>, host: &Host) -> Note {
    let facts = input.facts_of(host);
    let message = format!(
        "an earlier run that was cut short left {} out of the kubelet's directory: these pods do not start",
        facts.shape.parked.join(", ")
    );
    let returns = has_step(input, host, |op| matches!(op, Operation::RecycleStaticPods));
    let remedy = if returns {
        "The step `recycle-static-pods` of this playbook puts them back first."
    } else {
        "Move them back to /etc/kubernetes/manifests once no process of theirs runs, or run `certfleet restart`, which does it."
    };
    Note::warning("parked-manifests", Some(&host.name), message, remedy)
}

/// kubeadm's playbooks on k3s or RKE2 would find no certificate, no kubelet unit, and stop in the middle.
pub(super) fn made_by_another(input: &PlanInput<'_>, _plan: &Plan) -> Vec<Note> {
    let kubeadms = |op: &Operation| matches!(op, Operation::RenewCertificates { .. } | Operation::RecycleStaticPods);
    let of = |host: &Host| -> Option<(HostName, String)> {
        let facts = input.facts_of(host);
        let name = facts.shape.distribution.clone()?;
        let without_kubeadm = facts.static_pods.is_empty() || facts.kubeadm_version.is_none();
        (without_kubeadm && has_step(input, host, kubeadms)).then(|| (host.name.clone(), name))
    };
    let note = |(host, name): (HostName, String)| {
        Note::error(
            "not-kubeadm",
            Some(&host),
            format!("this host runs {name}, whose certificates kubeadm does not renew"),
            format!("`certfleet run {name}` is the playbook for it."),
        )
    };
    input.reachable().filter_map(of).map(note).collect()
}

/// Servers of k3s or RKE2 that are etcd alone, or everything but etcd: in another order than that of these playbooks, and proven elsewhere.
pub(super) fn split_roles(input: &PlanInput<'_>, _plan: &Plan) -> Vec<Note> {
    if !input.playbook.phases.iter().any(|p| p.one_by_one) {
        return Vec::new();
    }
    let servers = input.reachable().filter(|h| h.role != Role::Worker);
    servers.filter_map(|host| split(input, host)).collect()
}

fn split(input: &PlanInput<'_>, host: &Host) -> Option<Note> {
    let shape = &input.facts_of(host).shape;
    let name = shape.distribution.as_deref()?;
    let told = shape.left_to_others.join(", ");
    (!told.is_empty()).then(|| {
        Note::error(
            "split-roles",
            Some(&host.name),
            format!("this {name} server does a part of the work alone ({told}): the playbook takes servers that each run etcd and the API"),
            format!("Rotate by hand: `{name} certificate rotate` on the servers with etcd first, all of them stopped if anything has expired; then on those with the API; then restart the agents."),
        )
    })
}
