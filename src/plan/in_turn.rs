//! Servers of k3s and RKE2 one at a time where they are well: `one-by-one: when-healthy`. Together where one of them could wait
//! for a quorum that the others, expired or away, cannot give.

use crate::model::playbook::Share;
use crate::model::{Host, HostFacts, Phase, Role, UnitFacts};

use super::planner::PlanInput;
use super::types::Note;

/// Fewer servers have no quorum without one of them.
const QUORUM_OF: usize = 3;
/// A server of k3s without an agent has no kubelet, and its quorum needs none.
const KUBELET: u16 = 10250;

/// How many at a time, and whether that is an outage that the phase accepts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub(super) most: Option<Share>,
    pub(super) outage: bool,
}

/// The pace of a phase.
pub(super) fn pace(input: &PlanInput<'_>, phase: &Phase) -> Pace {
    if phase.one_by_one && against(input).is_empty() {
        return Pace {
            most: Some(Share::Count(1)),
            outage: false,
        };
    }
    Pace {
        most: phase.max_parallel,
        outage: phase.outage_accepted,
    }
}

/// Which order a phase was given, and why.
pub(super) fn notes(input: &PlanInput<'_>) -> Vec<Note> {
    let asking = input.playbook.phases.iter().filter(|p| p.one_by_one);
    asking.map(|phase| note(input, phase)).collect()
}

fn note(input: &PlanInput<'_>, phase: &Phase) -> Note {
    let against = against(input);
    let message = if against.is_empty() {
        format!(
            "phase `{}` takes one server at a time: all are active and serve certificates that are valid now",
            phase.name
        )
    } else {
        format!(
            "phase `{}` takes all servers together: {}",
            phase.name,
            against.join("; ")
        )
    };
    Note::info("servers-order", None, message)
}

/// What forbids to take them one by one, sentence by sentence.
fn against(input: &PlanInput<'_>) -> Vec<String> {
    let servers = input.inventory.with_role(Role::ControlPlane).count();
    let plural = if servers == 1 { "" } else { "s" };
    let few = (servers < QUORUM_OF)
        .then(|| format!("{servers} server{plural}: without one of them there is no quorum ({QUORUM_OF} are needed)"));
    let hosts = input.inventory.with_role(Role::ControlPlane);
    few.into_iter().chain(hosts.filter_map(|h| trouble(input, h))).collect()
}

fn trouble(input: &PlanInput<'_>, host: &Host) -> Option<String> {
    let name = &host.name;
    let Some(facts) = input.facts.get(name) else {
        return Some(format!("{name} was not asked"));
    };
    if facts.unreachable.is_some() {
        return Some(format!("{name} cannot be reached"));
    }
    stopped(host, facts).or_else(|| {
        let mut ports = facts.shape.ports(host.role).iter();
        ports.find_map(|port| unserved(input, host, facts, *port))
    })
}

fn stopped(host: &Host, facts: &HostFacts) -> Option<String> {
    let name = &host.name;
    let Some(unit) = facts.shape.unit(host.role) else {
        return Some(format!("{name} is neither k3s nor RKE2"));
    };
    let active = facts.unit(unit).is_some_and(UnitFacts::is_active);
    (!active).then(|| format!("{name}: {unit} is not active"))
}

fn unserved(input: &PlanInput<'_>, host: &Host, facts: &HostFacts, port: u16) -> Option<String> {
    let name = &host.name;
    match facts.shape.served_on(port) {
        None if port == KUBELET => None,
        None => Some(format!("{name}: port {port} shows no certificate")),
        Some(served) if served.not_after < input.now => Some(format!(
            "{name}: port {port} serves a certificate that expired at {}",
            served.not_after
        )),
        Some(_) => None,
    }
}
