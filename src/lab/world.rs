//! The whole fleet as one value, moved forward in small steps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::HostName;

use super::alarm::{Alarm, Watch};
use super::calico::{Pod, PodState};
use super::clock::{LabClock, Millis};
use super::config::LabConfig;
use super::faults::FaultPlan;
use super::file_tree::Content;
use super::node::{Api, Moment, Node};
use super::pki::{LabError, Leaf, LeafSpec, Pki, Signer};
use super::rng::Rng;
use super::serving_requests::ServingRequest;
use super::workload::Closed;
use super::{kubelet, rancher, static_pods, transitions};

/// A state-changing command that was run on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryItem {
    /// Milliseconds of lab time at which it began.
    pub at_ms: i64,
    pub host: HostName,
    /// The words, joined by blanks: `systemctl stop kubelet`, `certfleet:backup …`.
    pub command: String,
}

/// Everything.
#[derive(Debug)]
pub(super) struct World {
    pub(super) config: LabConfig,
    pub(super) clock: LabClock,
    pub(super) now: Millis,
    pub(super) nodes: Vec<Node>,
    pub(super) pods: Vec<Pod>,
    /// Nodes that are cordoned, or carry our marks, by index.
    pub(super) closed: BTreeMap<usize, Closed>,
    pub(super) pki: Pki,
    pub(super) endpoint: Arc<str>,
    /// Pairs of etcd containers with an open peer connection.
    pub(super) peers: BTreeSet<(String, String)>,
    /// Self-signed certificates that controller-manager and scheduler make in memory, by container id.
    pub(super) in_memory: BTreeMap<String, Arc<Leaf>>,
    pub(super) rng: Rng,
    pub(super) watch: Watch,
    pub(super) alarms: Vec<Alarm>,
    pub(super) history: Vec<HistoryItem>,
    pub(super) faults: FaultPlan,
    /// The secret `k3s-serving` or `rke2-serving`: the listener's certificate, shared by all servers.
    pub(super) serving_secret: Option<Arc<Leaf>>,
    /// Containers that nobody has a reason to end, by host: those of [`static_pods::HAPROXY`].
    pub(super) bystanders: BTreeMap<HostName, String>,
    /// What calico-node and typha know each other by: `typha-certs` and `node-certs`.
    pub(super) typha: Option<Arc<Leaf>>,
    /// Requests of kubelets for serving certificates, as objects of the API.
    pub(super) csr_objects: Vec<ServingRequest>,
    /// Kubelets that wait for the approval of their serving certificate.
    pub(super) serving_requests: Vec<HostName>,
}

/// One step, milliseconds; long silences take bigger ones.
const STEP: Millis = 50;
const LONG_STEP: Millis = 500;
const LONG_GAP: Millis = 180_000;

impl World {
    /// Moves lab time forward.
    pub(super) fn advance_to(&mut self, target: Millis) {
        let step = if target - self.now > LONG_GAP { LONG_STEP } else { STEP };
        while self.now + step <= target {
            self.now += step;
            self.tick();
        }
    }

    /// What the hosts see of each other right now.
    pub(super) fn moment(&self) -> Moment {
        let apis: Vec<Api> = self.nodes.iter().filter_map(|n| self.api(n)).collect();
        let endpoint_up = !self.config.kube_vip || self.nodes.iter().any(|n| holds_vip(n, &apis));
        Moment {
            now: self.now,
            clock: self.clock,
            timings: self.config.timings,
            endpoint: Arc::clone(&self.endpoint),
            apis,
            endpoint_up,
        }
    }

    fn api(&self, node: &Node) -> Option<Api> {
        let timings = &self.config.timings;
        let container = node.container("kube-apiserver")?;
        let listens = self.now >= container.started + timings.api_listen;
        let contact = container
            .since
            .is_some_and(|since| self.now >= since + timings.api_ready);
        listens.then_some(())?;
        Some(Api {
            master: node.index,
            container: container.id.clone(),
            serving: Arc::clone(container.serving.as_ref()?),
            ready: contact && self.has_etcd(node),
            wall: self.clock.wall(self.now + node.offset),
        })
    }

    fn tick(&mut self) {
        let moment = self.moment();
        for node in &mut self.nodes {
            transitions::tick(node, &moment);
        }
        self.connect_etcd();
        self.connect_apis();
        let moment = self.moment();
        if self.config.distribution.is_some() {
            (0..self.nodes.len()).for_each(|index| rancher::tick(self, index, &moment));
            return;
        }
        for node in &mut self.nodes {
            reload_api(node, &moment);
            static_pods::crash(node, &moment);
            let name = node.name.to_string();
            for (_, component) in self.config.looping.iter().filter(|(h, _)| *h == name) {
                static_pods::relaunch(node, &moment, component);
            }
            let index = node.index;
            let cni_broken = self.pods.iter().any(|p| p.node == index && p.breaks_cni());
            kubelet::tick(node, &moment, cni_broken);
        }
        // Without it the port shows nothing, and whoever looks sees that.
        let _ = self.make_serving();
        self.tick_pods(&moment);
    }

    fn tick_pods(&mut self, moment: &Moment) {
        let now = self.now;
        let ready = moment.apis.iter().any(|a| a.ready);
        for index in 0..self.pods.len() {
            let pod = &self.pods[index];
            let kubelet_connected = self.nodes[pod.node]
                .kubelet
                .as_ref()
                .is_some_and(|k| k.connection.is_some());
            match pod.state {
                PodState::Starting { ready } if now >= ready && kubelet_connected => self.pod_ready(index),
                PodState::Terminating { gone: Some(gone), .. } if now >= gone && kubelet_connected && ready => {
                    self.replace_pod(index);
                }
                _ => {}
            }
        }
    }

    /// The pod is gone; its owner makes the next one.
    pub(super) fn replace_pod(&mut self, index: usize) {
        let suffix = self.rng.suffix(5);
        let (now, after) = (self.now, self.config.timings.pod_ready);
        self.pods[index].replace(&suffix, now, after);
    }

    fn pod_ready(&mut self, index: usize) {
        let pod = &mut self.pods[index];
        pod.state = PodState::Ready { since: self.now };
        if pod.agent && self.config.cni.writes_a_token() {
            let (node, expires) = (
                pod.node,
                super::clock::shift(self.clock.wall(self.now), super::clock::DAY),
            );
            self.write_cni_token(node, Some(expires));
        }
    }

    /// What calico-node leaves for its CNI plugin; a token of an old cluster has no end.
    pub(super) fn write_cni_token(&mut self, index: usize, expires: Option<Timestamp>) {
        let secret = self.rng.hex(64);
        let node = &mut self.nodes[index];
        let (token, text) = super::cni_token::kubeconfig(&secret, expires);
        let modified = self.clock.wall(self.now + node.offset);
        node.files
            .put_with_mode("/etc/cni/net.d/calico-kubeconfig", Content::Text(text), modified, 0o600);
        self.watch.learn_token(&token);
    }

    /// Signs a new leaf and remembers its key for the alarm.
    pub(super) fn issue(&mut self, spec: LeafSpec, from: Timestamp, until: Timestamp) -> Result<Arc<Leaf>, LabError> {
        let serial = self.rng.next() >> 1;
        let leaf = self.pki.issue(spec, serial, from, until)?;
        self.watch.learn(&leaf);
        Ok(leaf)
    }

    /// The certificate that controller-manager or scheduler made for itself when it started.
    pub(super) fn in_memory_leaf(&mut self, container: &str) -> Option<Arc<Leaf>> {
        if let Some(leaf) = self.in_memory.get(container) {
            return Some(Arc::clone(leaf));
        }
        let wall = self.clock.wall(self.now);
        let spec = LeafSpec::server(
            "localhost@1596982598",
            vec!["localhost".to_owned(), "127.0.0.1".to_owned()],
            Signer::Own,
        );
        let leaf = self
            .issue(spec, wall, super::clock::shift(wall, 365 * super::clock::DAY))
            .ok()?;
        self.in_memory.insert(container.to_owned(), Arc::clone(&leaf));
        Some(leaf)
    }

    /// The node has reported within the grace period.
    pub(super) fn node_ready(&self, node: &Node) -> bool {
        self.now - node.last_status < self.config.timings.node_grace
    }
}

/// kube-vip is elected through the API server beside it, with the certificate it read at its start.
fn holds_vip(node: &Node, apis: &[Api]) -> bool {
    let client = node.container(static_pods::KUBE_VIP).and_then(|c| c.client.as_ref());
    let api = apis.iter().find(|a| a.master == node.index && a.ready);
    client.zip(api).is_some_and(|(leaf, api)| leaf.valid(api.wall))
}

/// From 1.17 the API server looks for a new serving certificate about once a minute.
fn reload_api(node: &mut Node, moment: &Moment) {
    if node.kube.minor < 17 {
        return;
    }
    let leaf = node.files.leaf(&super::listens::api_certificate(node));
    let Some(api) = node.containers.iter_mut().find(|c| c.component == "kube-apiserver") else {
        return;
    };
    if moment.now >= api.next_reload {
        api.next_reload = moment.now + moment.timings.api_reload;
        api.serving = leaf;
    }
}
