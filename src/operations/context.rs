//! What an operation needs to know beside its host.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::{Host, HostFacts, HostName};

/// What an operation needs to know beside its host.
#[derive(Debug, Clone, Copy)]
pub struct RunContext<'a> {
    /// The planner's clock; operations never read one.
    pub now: Timestamp,
    /// Another step of the same playbook stops this host's container runtime before this one.
    pub runtime_will_stop: bool,
    /// The phase accepts an outage: what it takes away, it takes away on all its hosts together.
    pub outage_accepted: bool,
    /// This host does what is done once per cluster (`delete-pods`).
    pub speaks_for_cluster: bool,
    /// Every host, for what takes two of them.
    pub fleet: Fleet<'a>,
}

/// All hosts of the inventory, and what was found on those that were asked.
#[derive(Debug, Clone, Copy)]
pub struct Fleet<'a> {
    pub hosts: &'a [Host],
    pub facts: &'a BTreeMap<HostName, HostFacts>,
}

impl<'a> Fleet<'a> {
    /// Hosts that answered, in the order of the inventory.
    pub fn reachable(self) -> impl Iterator<Item = (&'a Host, &'a HostFacts)> {
        let known = move |h: &'a Host| self.facts.get(&h.name).map(|f| (h, f));
        self.hosts
            .iter()
            .filter_map(known)
            .filter(|(_, f)| f.unreachable.is_none())
    }
}

#[cfg(test)]
impl Fleet<'static> {
    /// No host at all.
    pub(crate) const NONE: Self = Self {
        hosts: &[],
        facts: &BTreeMap::new(),
    };
}
