//! k3s and RKE2: one binary, one unit, and a PKI below /var/lib/rancher that is made anew, where it is missing or about to end,
//! whenever the unit starts. What is shared with kubeadm's hosts (etcd's quorum, the API's readiness) is the world's own.

mod files;
mod places;
mod process;

use std::sync::Arc;

use crate::model::{HostName, Role};

use super::clock::Millis;
use super::fleet::Lab;
use super::node::Node;
use super::pki::Leaf;
use super::units::Unit;
use super::variety::Distribution;

pub(super) use files::put_files;
pub(super) use places::{admin_kubeconfig, renamed, rotated, trigger};
pub(super) use process::{settle, tick};

/// Such a host.
#[derive(Debug, Clone)]
pub(super) struct Rancher {
    pub(super) kind: Distribution,
    pub(super) process: Option<Process>,
}

/// The unit's process, with what it has loaded.
#[derive(Debug, Clone)]
pub(super) struct Process {
    /// What the port shows where agents register: 6443 of k3s, 9345 of RKE2. Servers only.
    pub(super) listener: Option<Arc<Leaf>>,
    /// What the API server itself shows. Servers only.
    pub(super) api: Option<Arc<Leaf>>,
    /// What 10250 shows; an agent has it once a server has answered.
    pub(super) kubelet: Option<Arc<Leaf>>,
    pub(super) client: Option<Arc<Leaf>>,
    /// The API accepts its kubelet now.
    pub(super) connected: bool,
    next_try: Millis,
}

impl Rancher {
    pub(super) fn new(kind: Distribution) -> Self {
        Self { kind, process: None }
    }

    /// The one unit.
    pub(super) fn unit(&self, role: Role) -> &'static str {
        match (self.kind, role) {
            (Distribution::K3s, Role::Worker) => "k3s-agent.service",
            (Distribution::K3s, _) => "k3s.service",
            (Distribution::Rke2, Role::Worker) => "rke2-agent.service",
            (Distribution::Rke2, _) => "rke2-server.service",
        }
    }

    /// Its units as systemd has them.
    pub(super) fn units(&self, role: Role) -> Vec<Unit> {
        let description = match self.kind {
            Distribution::K3s => "Lightweight Kubernetes",
            Distribution::Rke2 => "Rancher Kubernetes Engine v2",
        };
        vec![
            Unit::new(self.unit(role), description),
            Unit::new("ssh.service", "OpenBSD Secure Shell server"),
        ]
    }

    pub(super) fn connected(&self) -> bool {
        self.process.as_ref().is_some_and(|p| p.connected)
    }
}

/// Where the API server of k3s listens, on 127.0.0.1 alone: 6443 is the listener's, which hands on to it.
const BEHIND_THE_LISTENER: u16 = 6444;

impl Lab {
    /// Serial number of the certificate of the API server of a server of k3s or RKE2, as it lies there.
    pub fn api_server_serial(&self, host: &HostName) -> Option<u64> {
        self.with(|w| {
            let node = w.nodes.iter().find(|n| n.name == *host)?;
            let kind = node.rancher.as_ref()?.kind;
            Some(node.files.leaf(&places::api_server(kind))?.serial)
        })
    }
}

/// The API server of k3s, for who asks it past its listener; it must run.
pub(super) fn past_the_listener(node: &Node, port: u16) -> Option<Arc<Leaf>> {
    let rancher = node.rancher.as_ref()?;
    let there = rancher.kind == Distribution::K3s && port == BEHIND_THE_LISTENER;
    there.then(|| rancher.process.as_ref()?.api.clone())?
}

/// The certificate behind a port of such a host; the API's own is asked elsewhere.
pub(super) fn behind(node: &Node, port: u16) -> Option<Arc<Leaf>> {
    let rancher = node.rancher.as_ref()?;
    let process = rancher.process.as_ref()?;
    match (rancher.kind, port) {
        (_, 10250) => process.kubelet.clone(),
        (Distribution::Rke2, 9345) => process.listener.clone(),
        _ => None,
    }
}
