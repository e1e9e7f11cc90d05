//! What is seen at every event of a run, whoever writes it: etcd never loses more than the plan accepts.

use certfleet::lab::{LabStatus, NodeStatus};
use serde_json::Value;

use crate::case::{Book, Case};
use crate::shapes;

/// Fewer members have no quorum without one of them, and an outage may take them all.
const ALL: usize = 3;

/// One watch for a whole case: what was accepted and what went wrong outlive a controller.
#[derive(Debug)]
pub(crate) struct Watch {
    book: Book,
    /// Members that the trouble itself takes.
    taken: usize,
    outage_begun: bool,
    masters_proven: bool,
    /// Where hosts are worked on now: phase and host of the last event of each.
    begun: Vec<(String, String)>,
    /// What must never be, and was.
    pub(crate) wrong: Vec<String>,
}

impl Watch {
    pub(crate) fn new(case: Case) -> Self {
        Self {
            book: case.book,
            taken: usize::from(case.reboots()),
            outage_begun: false,
            masters_proven: false,
            begun: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// An event is on disk, and the fleet is like this.
    pub(crate) fn look(&mut self, status: &LabStatus, event: &Value) {
        let word = |key: &str| event[key].as_str().unwrap_or_default();
        let (kind, phase) = (word("event"), word("phase"));
        let outage = event["outage"].as_bool().unwrap_or(false);
        self.outage_begun |= kind == "phase-started" && outage;
        let limit = self.accepted() + self.taken;
        let lost = lost(status, limit);
        if lost > limit {
            let line = format!("etcd lost {lost} members at event {} ({kind} {phase})", event["seq"]);
            self.wrong.push(line);
        }
        if self.one_at_a_time() {
            self.alone(status, event);
        }
        self.masters_proven |= kind == "gate-passed" && matches!(phase, "start-masters" | "servers");
    }

    /// How many members the plan may take away now.
    fn accepted(&self) -> usize {
        match self.book {
            Book::Kubelets | Book::Etcd if !self.masters_proven => ALL,
            Book::Renew if self.outage_begun && !self.masters_proven => ALL,
            Book::Renew | Book::Kubelets | Book::Etcd | Book::Drain => 0,
            Book::Rolling => 1,
            Book::Shape(number) => shapes::accepted(number, self.outage_begun, self.masters_proven),
        }
    }

    fn one_at_a_time(&self) -> bool {
        match self.book {
            Book::Rolling => true,
            Book::Shape(number) => shapes::asks_for_quorum(number),
            _ => false,
        }
    }

    /// A member is begun with only while no other is away, also when a power cut took that one: its quorum is asked first. The
    /// first word of a host in a phase comes before anything is done to it.
    fn alone(&mut self, status: &LabStatus, event: &Value) {
        let word = |key: &str| event[key].as_str().unwrap_or_default();
        if word("event") == "run-resumed" {
            self.begun.clear();
        }
        let (phase, host) = (word("phase"), word("host"));
        let speaks = matches!(word("event"), "journal-noted" | "step-started");
        let here = (phase.to_owned(), host.to_owned());
        if !speaks || phase != "masters" || self.begun.contains(&here) {
            return;
        }
        self.begun.push(here);
        let others = status.nodes.iter().filter(|n| n.host.as_str() != host);
        for other in others.filter(|n| is_gone(n)) {
            let line = format!(
                "{host} was begun at event {} while the etcd of {} was away",
                event["seq"], other.host
            );
            self.wrong.push(line);
        }
    }
}

/// Without a quorum every member is blind: then those count that do not run.
fn lost(status: &LabStatus, limit: usize) -> usize {
    let blind = |n: &&NodeStatus| n.etcd_healthy == Some(false);
    let nodes = status.nodes.iter();
    if limit < 2 {
        nodes.filter(blind).count()
    } else {
        nodes.filter(|n| is_gone(n)).count()
    }
}

fn is_gone(node: &NodeStatus) -> bool {
    node.etcd_healthy.is_some() && !node.containers.iter().any(|(name, _)| name == "etcd")
}
