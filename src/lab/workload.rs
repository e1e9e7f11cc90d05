//! Pods that people run, and nodes that are closed to them.

use crate::model::{HostName, Role};

use super::calico::{Owner, Pod, PodState};
use super::clock::{DAY, Millis};
use super::fleet::Lab;
use super::world::World;

/// Why a pod of the namespace `shop` may not be evicted, if there is a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// None: its controller makes it anew elsewhere.
    Movable,
    /// A disruption budget allows no disruption.
    Budget,
    /// It has an emptyDir.
    EmptyDir,
}

/// What the API keeps of a closed node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Closed {
    pub(super) cordoned: bool,
    /// Our two marks.
    pub(super) by: Option<String>,
    pub(super) drained: Option<String>,
}

/// A pod for which no node is open.
pub(super) const PENDING: PodState = PodState::Starting { ready: Millis::MAX };

/// The pods of a configuration.
pub(super) fn add_workload(world: &mut World) {
    for (number, (host, kind)) in world.config.workload.clone().into_iter().enumerate() {
        let Some(node) = world.nodes.iter().position(|n| n.name.as_str() == host) else {
            continue;
        };
        let created = -10 * DAY * 1000;
        let name = format!("web-{number}-{}", world.rng.suffix(5));
        world.pods.push(Pod {
            name,
            namespace: "shop",
            label: ("app", format!("web-{number}")),
            app: format!("web-{number}"),
            agent: false,
            owner: Owner::Deployment,
            node,
            created,
            state: PodState::Ready { since: created + 3000 },
            restarts: 0,
            trouble: None,
            workload: Some(kind),
        });
    }
}

impl World {
    /// Where evicted pods can go: Ready and open workers other than this one.
    fn other_node(&self, than: usize) -> Option<usize> {
        let open = |i: &usize| !self.closed.get(i).is_some_and(|c| c.cordoned);
        let workers = self.nodes.iter().filter(|n| n.role == Role::Worker);
        let ready = workers.filter(|n| n.index != than && self.node_ready(n));
        ready.map(|n| n.index).find(open)
    }

    /// Pods of a node that draining has to do with: those of no node and no `DaemonSet`.
    pub(super) fn evictable(&self, node: usize) -> Vec<usize> {
        let here = |i: &usize| self.pods[*i].node == node && self.pods[*i].owner == Owner::Deployment;
        (0..self.pods.len())
            .filter(here)
            .filter(|i| self.pods[*i].state != PENDING)
            .collect()
    }

    /// The pod goes; its successor starts elsewhere, or waits for a node.
    pub(super) fn evict(&mut self, pod: usize) {
        let from = self.pods[pod].node;
        self.replace_pod(pod);
        match self.other_node(from) {
            Some(node) => self.pods[pod].node = node,
            None => self.pods[pod].state = PENDING,
        }
    }

    /// The node takes pods again: those that waited come.
    pub(super) fn open_node(&mut self, node: usize) {
        if let Some(closed) = self.closed.get_mut(&node) {
            closed.cordoned = false;
        }
        let ready = self.now + self.config.timings.pod_ready;
        for pod in self.pods.iter_mut().filter(|p| p.state == PENDING) {
            (pod.node, pod.state) = (node, PodState::Starting { ready });
        }
    }
}

impl Lab {
    /// A person closes a node, or opens it; marks of runs stay.
    pub fn cordon(&self, host: &HostName, cordoned: bool) {
        self.with(|w| {
            let Some(node) = w.nodes.iter().position(|n| n.name == *host) else {
                return;
            };
            if cordoned {
                w.closed.entry(node).or_default().cordoned = true;
            } else {
                w.open_node(node);
            }
        });
    }

    /// A person removes annotations, written `certfleet.io/cordoned-by-`; those of others are none of a lab's.
    pub(super) fn unmark(&self, host: &HostName, annotations: &[&str]) {
        self.with(|w| {
            let node = w.nodes.iter().position(|n| n.name == *host);
            let Some(closed) = node.and_then(|n| w.closed.get_mut(&n)) else {
                return;
            };
            if annotations.contains(&"certfleet.io/cordoned-by-") {
                closed.by = None;
            }
            if annotations.contains(&"certfleet.io/drained-by-") {
                closed.drained = None;
            }
        });
    }

    /// Another run has taken the node over.
    pub fn mark(&self, host: &HostName, run: &str) {
        self.with(|w| {
            if let Some(node) = w.nodes.iter().position(|n| n.name == *host) {
                w.closed.entry(node).or_default().by = Some(run.to_owned());
            }
        });
    }

    /// Whether the node takes no pods, and the run whose mark is on it.
    pub fn cordoned(&self, host: &HostName) -> (bool, Option<String>) {
        self.with(|w| {
            let node = w.nodes.iter().position(|n| n.name == *host);
            let closed = node.and_then(|n| w.closed.get(&n));
            closed.map_or((false, None), |c| (c.cordoned, c.by.clone()))
        })
    }

    /// Every disruption budget allows disruptions from now on.
    pub fn lift_budgets(&self) {
        self.with(|w| {
            for pod in w.pods.iter_mut().filter(|p| p.workload == Some(Workload::Budget)) {
                pod.workload = Some(Workload::Movable);
            }
        });
    }

    /// `/healthz` of a control-plane component says that it is ill, or well again; its container runs in both cases.
    pub fn sicken(&self, host: &HostName, component: &str, ill: bool) {
        let key = (host.to_string(), component.to_owned());
        self.with(|w| {
            w.config.sick.retain(|k| *k != key);
            if ill {
                w.config.sick.push(key);
            }
        });
    }
}
