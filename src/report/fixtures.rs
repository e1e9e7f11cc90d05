//! The seed's fleet for the tests of this layer: a plan, the stories of five runs, and certificates. Nothing here reads a clock.

mod certificates;
mod plans;
mod stories;

pub(super) use certificates::{NOW, findings, inventory};
pub(super) use plans::{bad_notes, plan};
pub(super) use stories::{gate_failed, step_failed, stuck, succeeded, waiting_at_a_gate, worker_excluded};

use crate::model::HostName;

pub(super) fn names(names: &[&str]) -> Vec<HostName> {
    names.iter().map(|n| HostName::from(*n)).collect()
}

pub(super) fn masters() -> Vec<HostName> {
    names(&["m1", "m2", "m3"])
}

pub(super) fn workers() -> Vec<HostName> {
    names(&["worker01", "worker02", "worker03", "worker04", "worker05"])
}

pub(super) fn everybody() -> Vec<HostName> {
    [masters(), workers()].concat()
}
