//! Rules about the way that was chosen.

use crate::model::certificate::RENEWABLE;
use crate::model::{Host, Role};

use super::super::leftovers::is_idle;
use super::super::planner::PlanInput;
use super::super::strategy::{Choice, Strategy};
use super::super::types::{Note, Plan};

/// A person asked for `rolling` where the facts forbid it.
pub(in crate::plan) fn rolling_cannot_work(choice: &Choice) -> Option<Note> {
    let asked = choice.asked && choice.strategy == Strategy::Rolling && !choice.against_rolling.is_empty();
    asked.then(|| {
        Note::error(
            "rolling-cannot-work",
            None,
            format!(
                "one master at a time cannot work here. {}",
                choice.against_rolling.join("; ")
            ),
            "Leave `--strategy` away: `auto` takes the gentlest order that can work.",
        )
    })
}

/// `--limit` leaves masters behind on a cluster whose masters have expired: one renewed etcd member has no quorum. So do etcd
/// hosts of their own, if they have expired.
pub(super) fn masters_left_out(input: &PlanInput<'_>, plan: &Plan) -> Vec<Note> {
    let counts = |h: &&Host| h.role == Role::ControlPlane || (h.role == Role::Etcd && has_expired(input, h));
    let left: Vec<&str> = input
        .inventory
        .hosts
        .iter()
        .filter(|h| counts(h) && !input.limit.matches(h))
        .map(|h| h.name.as_str())
        .collect();
    let busy = |h: &&Host| plan.work().any(|s| s.host == h.name && !is_idle(s));
    let core = |h: &&Host| h.role != Role::Worker;
    if !input.members().any(|h| core(&h)) {
        return workers_alone(input, input.members().find(busy));
    }
    let mut of_the_call = input.reachable().filter(|h| core(h) && busy(h));
    let Some(host) = of_the_call.find(|h| has_expired(input, h)).filter(|_| !left.is_empty()) else {
        return Vec::new();
    };
    let message = format!(
        "certificates of {} have expired, and `--limit` leaves out {}, which will then be as expired: a renewed etcd \
         member finds no quorum among them, and the gate waits in vain",
        host.name,
        left.join(", ")
    );
    vec![left_out(message)]
}

/// Workers come back to an API server that answers, or not at all.
fn workers_alone(input: &PlanInput<'_>, worker: Option<&Host>) -> Vec<Note> {
    let mut masters = input.inventory.hosts.iter().filter(|h| h.role != Role::Worker);
    let expired = worker.and_then(|w| Some((w, masters.find(|h| has_expired(input, h))?)));
    let note = |(worker, host): (&Host, &Host)| {
        left_out(format!(
            "certificates of {} have expired, and `--limit` takes no master: {} finds no API server to come back to, and the gate waits in vain",
            host.name, worker.name
        ))
    };
    expired.map(note).into_iter().collect()
}

fn left_out(message: String) -> Note {
    let remedy = "Leave `--limit` away: all masters are renewed and started together.";
    Note::warning("masters-left-out", None, message, remedy)
}

fn has_expired(input: &PlanInput<'_>, host: &Host) -> bool {
    let facts = input.facts_of(host);
    let on_disk = facts
        .certificates
        .iter()
        .filter(|c| RENEWABLE.contains(&c.name.as_str()));
    let in_use = facts.live.iter().flat_map(|l| &l.in_use);
    on_disk.filter_map(|c| c.x509()).any(|x| x.expired(input.now))
        || in_use.filter_map(|c| c.served_until).any(|end| end < input.now)
}
