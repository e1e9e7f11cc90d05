//! The fleet, resolved: ranges expanded, settings merged.

use serde::{Deserialize, Serialize};

use super::host::{Host, Role};
use super::ids::HostName;

/// One cluster and its hosts, in the order of the file: masters, etcd, workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// Cluster name: what a person types to confirm an outage.
    pub cluster: String,
    pub hosts: Vec<Host>,
}

impl Inventory {
    /// The host of that name.
    pub fn host(&self, name: &HostName) -> Option<&Host> {
        self.hosts.iter().find(|h| h.name == *name)
    }

    /// All hosts of a role, in file order.
    pub fn with_role(&self, role: Role) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(move |h| h.role == role)
    }

    /// The masters, in file order.
    pub fn masters(&self) -> impl Iterator<Item = &Host> {
        self.with_role(Role::ControlPlane)
    }
}
