//! The whole fleet as one value, moved forward in small steps.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{HostName, Role};

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
use super::{kubelet, rancher, static_pods, units};

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
            units_tick(node, &moment);
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

    /// Running etcd members open connections to each other: both certificates are read from disk and must be valid.
    fn connect_etcd(&mut self) {
        let alive: BTreeSet<String> = self
            .nodes
            .iter()
            .filter_map(|n| n.container("etcd"))
            .map(|c| c.id.clone())
            .collect();
        self.peers.retain(|(a, b)| alive.contains(a) && alive.contains(b));
        let acceptable: Vec<&str> = self.nodes.iter().filter_map(|n| self.acceptable_member(n)).collect();
        let mut fresh = Vec::new();
        for (i, a) in acceptable.iter().enumerate() {
            fresh.extend(acceptable[i + 1..].iter().map(|b| ((*a).to_owned(), (*b).to_owned())));
        }
        self.peers.extend(fresh);
    }

    fn acceptable_member<'a>(&self, node: &'a Node) -> Option<&'a str> {
        let container = node.container("etcd")?;
        let peer = node.files.leaf(&node.pki("etcd/peer.crt"))?;
        let up = self.now >= container.started + self.config.timings.etcd_up;
        let valid = peer.valid(self.clock.wall(self.now + node.offset));
        (up && valid).then_some(container.id.as_str())
    }

    /// The member runs and sees a majority, itself included.
    pub(super) fn member_healthy(&self, node: &Node) -> bool {
        let Some(container) = node.container("etcd") else {
            return false;
        };
        let id = &container.id;
        let seen = self.peers.iter().filter(|(a, b)| a == id || b == id).count() + 1;
        seen > self.members() / 2
    }

    /// Size of the etcd cluster.
    pub(super) fn members(&self) -> usize {
        self.nodes.iter().filter(|n| self.is_member(n)).count()
    }

    /// A member of etcd belongs on the host, whether it runs or not.
    pub(super) fn is_member(&self, node: &Node) -> bool {
        node.role
            == if self.config.etcd > 0 {
                Role::Etcd
            } else {
                Role::ControlPlane
            }
    }

    /// The etcd that this master's API server uses has its quorum.
    fn has_etcd(&self, master: &Node) -> bool {
        self.servers_of(master).any(|n| self.member_healthy(n))
    }

    /// The hosts whose etcd this master's API server may use: its own, or all that are elsewhere.
    fn servers_of<'a>(&'a self, master: &Node) -> impl Iterator<Item = &'a Node> {
        let (index, elsewhere) = (master.index, self.config.etcd > 0);
        self.nodes.iter().filter(move |n| {
            if elsewhere {
                n.role == Role::Etcd
            } else {
                n.index == index
            }
        })
    }

    /// Whether an etcd listens for this master's API server, and whether one shows it a certificate that is valid there.
    fn etcd_seen_from(&self, master: &Node) -> (bool, bool) {
        let wall = self.clock.wall(self.now + master.offset);
        let up = |n: &&Node| {
            n.container("etcd")
                .is_some_and(|c| self.now >= c.started + self.config.timings.etcd_up)
        };
        let valid = |n: &Node| {
            n.files
                .leaf(&n.pki("etcd/server.crt"))
                .is_some_and(|leaf| leaf.valid(wall))
        };
        let mut servers = self.servers_of(master).filter(up).peekable();
        (servers.peek().is_some(), servers.any(valid))
    }

    /// An API server without etcd tries to connect: etcd's server certificate and its own client certificate must do.
    fn connect_apis(&mut self) {
        let (now, clock) = (self.now, self.clock);
        let seen: Vec<(bool, bool)> = self.nodes.iter().map(|n| self.etcd_seen_from(n)).collect();
        for (node, (etcd_up, server_valid)) in self.nodes.iter_mut().zip(seen) {
            let wall = clock.wall(now + node.offset);
            let Some(api) = node.containers.iter_mut().find(|c| c.component == "kube-apiserver") else {
                continue;
            };
            let client_valid = api.client.as_ref().is_some_and(|leaf| leaf.valid(wall));
            if !etcd_up {
                api.since = None;
            } else if server_valid && client_valid {
                api.since = api.since.or(Some(now));
            }
        }
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

/// Units that were on their way arrive.
fn units_tick(node: &mut Node, moment: &Moment) {
    let names: Vec<&'static str> = node.units.keys().copied().collect();
    for name in names {
        let Some(unit) = node.units.get(name) else { continue };
        match unit.state {
            units::UnitState::Activating { due } if moment.now >= due => arrive(node, moment, name),
            units::UnitState::AutoRestart { due } if moment.now >= due => restart(node, moment, name),
            units::UnitState::Deactivating { due } if moment.now >= due => leave(node, moment, name),
            _ => {}
        }
    }
}

fn arrive(node: &mut Node, moment: &Moment, name: &'static str) {
    let pid = node.pid();
    let Some(unit) = node.units.get_mut(name) else { return };
    let description = unit.description;
    if unit.fail_next > 0 {
        unit.fail_next -= 1;
        unit.set(units::UnitState::Failed, moment.now);
        node.log_systemd(
            moment,
            name,
            &format!("{name}: Main process exited, code=exited, status=1/FAILURE"),
        );
        node.log_systemd(moment, name, &format!("Failed to start {description}."));
        return;
    }
    unit.set(units::UnitState::Active, moment.now);
    unit.pid = if unit.is_socket() { 0 } else { pid };
    node.log_systemd(moment, name, &format!("Started {description}."));
    if name == "kubelet.service" {
        node.kubelet = Some(kubelet::Kubelet::new(pid, moment));
    }
}

fn restart(node: &mut Node, moment: &Moment, name: &'static str) {
    if let Some(unit) = node.units.get_mut(name) {
        unit.restarts += 1;
        let counter = unit.restarts;
        node.log_systemd(
            moment,
            name,
            &format!("{name}: Scheduled restart job, restart counter is at {counter}."),
        );
    }
    arrive(node, moment, name);
}

fn leave(node: &mut Node, moment: &Moment, name: &'static str) {
    let Some(unit) = node.units.get_mut(name) else { return };
    let description = unit.description;
    unit.set(units::UnitState::Inactive, moment.now);
    node.log_systemd(moment, name, &format!("Stopped {description}."));
    match name {
        "kubelet.service" => node.kubelet = None,
        // dockerd takes its containers along; containerd's and CRI-O's live under their shims.
        "docker.service" if !node.live_restore => node.containers.clear(),
        _ => {}
    }
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
