//! The kubelet process: starts or dies, keeps static pods running, talks to the API, writes its journal.

use std::sync::Arc;

use super::clock::Millis;
use super::klog::{Klog, Wording, x509_error};
use super::node::{Api, Moment, Node};
use super::pki::Leaf;
use super::speech::{Failure, Speech};
use super::units::UnitState;
use crate::model::facts::KubeVersion;
use crate::model::{Role, RuntimeKind};

/// A running kubelet.
#[derive(Debug, Clone)]
pub(super) struct Kubelet {
    pub(super) pid: u32,
    /// When it first touches runtime and API.
    boots: Millis,
    pub(super) booted: bool,
    /// Its serving certificate was looked for, and made where there was none.
    pub(super) serves: bool,
    client: Option<Arc<Leaf>>,
    /// The container id of the API server at the other end of an open connection.
    pub(super) connection: Option<String>,
    registered: bool,
    next_try: Millis,
    next_cni: Millis,
    attempts: u32,
}

impl Kubelet {
    pub(super) fn new(pid: u32, moment: &Moment) -> Self {
        Self {
            pid,
            boots: moment.now + moment.timings.kubelet_boot,
            booted: false,
            serves: false,
            client: None,
            connection: None,
            registered: false,
            next_try: moment.now,
            next_cni: moment.now,
            attempts: 0,
        }
    }

    /// One that has run for months: registered, with an open connection if there is an API server to have it with.
    pub(super) fn settled(pid: u32, client: Option<Arc<Leaf>>, connection: Option<String>, now: Millis) -> Self {
        Self {
            pid,
            boots: now,
            booted: true,
            serves: true,
            client,
            connection,
            registered: true,
            next_try: now,
            next_cni: now,
            attempts: 0,
        }
    }
}

/// How a request ended.
enum Contact {
    /// Accepted by the API server with this container id.
    Accepted(String),
    Failed(Failure),
}

/// Lets one kubelet live through one moment. `cni_broken`: the host's CNI plugin is refused by the API.
pub(super) fn tick(node: &mut Node, moment: &Moment, cni_broken: bool) {
    if !node.active("kubelet") {
        node.kubelet = None;
        node.pending.clear();
        return;
    }
    let Some(mut kubelet) = node.kubelet.take() else { return };
    if !kubelet.booted && moment.now >= kubelet.boots && !waits_for_docker(node, moment) {
        if !boot(node, &mut kubelet, moment) {
            return;
        }
        kubelet.booted = true;
    }
    if kubelet.booted {
        watch_runtime(node, &kubelet, moment);
        if node.role != Role::Etcd {
            talk(node, &mut kubelet, moment);
        }
        complain_of_cni(node, &mut kubelet, moment, cni_broken);
    }
    node.kubelet = Some(kubelet);
}

fn speech<'a>(node: &'a str, version: KubeVersion, server: &'a str) -> Speech<'a> {
    Speech {
        wording: Wording::of(version),
        version,
        node,
        server,
    }
}

fn say(node: &mut Node, moment: &Moment, pid: u32, lines: &[Klog]) {
    for line in lines {
        node.log_kubelet(moment, pid, line);
    }
}

/// A listening docker.socket takes the connection and holds it until dockerd is there; it starts dockerd if need be.
fn waits_for_docker(node: &mut Node, moment: &Moment) -> bool {
    wake_docker(node, moment);
    node.active("docker.socket")
        && node
            .unit("docker")
            .is_some_and(|u| matches!(u.state, UnitState::Activating { .. }))
}

/// False when the process died.
fn boot(node: &mut Node, kubelet: &mut Kubelet, moment: &Moment) -> bool {
    let name = node.name.clone();
    let words = speech(name.as_str(), node.kube, &moment.endpoint);
    say(node, moment, kubelet.pid, &words.starting());
    let now = node.wall(moment);
    kubelet.client = super::kubelet_files::client(&node.files, now);
    let fatal = match &kubelet.client {
        Some(leaf) if leaf.expired(now) => words.bootstrap_failed(leaf),
        None if node.role != Role::Etcd => vec![words.fatal("unable to load bootstrap kubeconfig: stat /etc/kubernetes/bootstrap-kubelet.conf: no such file or directory")],
        _ if !node.runtime_up() => vec![words.fatal(runtime_missing(node))],
        _ => Vec::new(),
    };
    if fatal.is_empty() {
        say(node, moment, kubelet.pid, &words.running());
        return true;
    }
    say(node, moment, kubelet.pid, &fatal);
    die(node, moment);
    false
}

fn runtime_missing(node: &Node) -> &'static str {
    match node.runtime {
        RuntimeKind::Docker => {
            "failed to get docker version: Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
        }
        _ => {
            "failed to create kubelet: get remote runtime typed version failed: rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing dial unix: connect: no such file or directory\""
        }
    }
}

fn die(node: &mut Node, moment: &Moment) {
    let status = if Wording::of(node.kube) <= Wording::V19 {
        "255/n/a"
    } else {
        "1/FAILURE"
    };
    node.log_systemd(
        moment,
        "kubelet.service",
        &format!("kubelet.service: Main process exited, code=exited, status={status}"),
    );
    node.log_systemd(
        moment,
        "kubelet.service",
        "kubelet.service: Failed with result 'exit-code'.",
    );
    let due = moment.now + moment.timings.kubelet_restart;
    if let Some(unit) = node.unit_mut("kubelet") {
        unit.set(UnitState::AutoRestart { due }, moment.now);
    }
    node.kubelet = None;
}

/// Any call to docker's socket starts docker again while the socket unit listens.
pub(super) fn wake_docker(node: &mut Node, moment: &Moment) {
    let down = node
        .unit("docker")
        .is_some_and(|u| matches!(u.state, UnitState::Inactive | UnitState::Failed));
    if down && node.active("docker.socket") {
        node.start_unit(moment, "docker.service");
    }
}

fn watch_runtime(node: &mut Node, kubelet: &Kubelet, moment: &Moment) {
    if node.runtime_up() {
        super::static_pods::sync(node, moment);
        return;
    }
    node.pending.clear();
    if moment.now % 1000 < 50 {
        wake_docker(node, moment);
    }
    if moment.now % 5000 < 50 {
        let name = node.name.clone();
        let line = speech(name.as_str(), node.kube, &moment.endpoint).runtime_down();
        say(node, moment, kubelet.pid, &[line]);
    }
}

fn talk(node: &mut Node, kubelet: &mut Kubelet, moment: &Moment) {
    let open = kubelet
        .connection
        .as_ref()
        .and_then(|id| moment.apis.iter().find(|a| a.container == *id));
    let open = open.cloned();
    if open.is_none() {
        kubelet.connection = None;
    }
    if moment.now < kubelet.next_try {
        return;
    }
    kubelet.next_try = moment.now + moment.timings.kubelet_retry;
    match contact(node, kubelet, moment, open.as_ref()) {
        Contact::Accepted(id) => accepted(node, kubelet, moment, id),
        Contact::Failed(failure) => complain(node, kubelet, moment, &failure),
    }
}

/// Server first (unless the connection is open already), then the API's readiness, then our own certificate.
fn contact(node: &Node, kubelet: &Kubelet, moment: &Moment, open: Option<&Api>) -> Contact {
    let turn = node.index + kubelet.attempts as usize;
    let Some(api) = open.or_else(|| reachable(node, moment, turn)) else {
        let why = format!("dial tcp {}: connect: connection refused", moment.endpoint);
        return Contact::Failed(Failure::Transport(why));
    };
    let expired = x509_error(Wording::of(node.kube), &api.serving, node.wall(moment));
    if let (None, Some(why)) = (open, expired) {
        return Contact::Failed(Failure::Transport(why));
    }
    if !api.ready {
        let why = if open.is_some() {
            "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        } else {
            "net/http: TLS handshake timeout"
        };
        return Contact::Failed(Failure::Transport(why.to_owned()));
    }
    match &kubelet.client {
        Some(leaf) if leaf.valid(api.wall) => Contact::Accepted(api.container.clone()),
        _ => Contact::Failed(Failure::Answer("Unauthorized".to_owned())),
    }
}

/// What its kubelet.conf names: the endpoint of all masters, or one of them.
pub(super) fn reachable<'a>(node: &Node, moment: &'a Moment, turn: usize) -> Option<&'a Api> {
    match node.direct {
        Some(master) => moment.apis.iter().find(|a| a.master == master),
        None => balance(moment, turn),
    }
}

/// The load balancer or virtual address: any ready API server, else any that listens.
pub(super) fn balance(moment: &Moment, turn: usize) -> Option<&Api> {
    if !moment.endpoint_up {
        return None;
    }
    let ready: Vec<&Api> = moment.apis.iter().filter(|a| a.ready).collect();
    let from = if ready.is_empty() {
        moment.apis.iter().collect()
    } else {
        ready
    };
    (!from.is_empty()).then(|| from[turn % from.len()])
}

fn accepted(node: &mut Node, kubelet: &mut Kubelet, moment: &Moment, id: String) {
    kubelet.connection = Some(id);
    if moment.now - node.last_status >= moment.timings.node_grace {
        node.ready_since = moment.now;
    }
    node.last_status = moment.now;
    if kubelet.registered {
        return;
    }
    kubelet.registered = true;
    let name = node.name.clone();
    let lines = speech(name.as_str(), node.kube, &moment.endpoint).registered();
    say(node, moment, kubelet.pid, &lines);
}

fn complain(node: &mut Node, kubelet: &mut Kubelet, moment: &Moment, failure: &Failure) {
    let name = node.name.clone();
    let words = speech(name.as_str(), node.kube, &moment.endpoint);
    kubelet.attempts += 1;
    let mut lines = words.list_failed(kubelet.attempts, failure);
    if kubelet.registered {
        lines.push(words.status_failed(failure));
    } else {
        lines.push(words.node_not_found());
    }
    match kubelet.attempts % 4 {
        1 => lines.push(words.lease_failed(failure)),
        2 if !kubelet.registered => lines.push(words.register_failed(failure)),
        _ => {}
    }
    say(node, moment, kubelet.pid, &lines);
}

fn complain_of_cni(node: &mut Node, kubelet: &mut Kubelet, moment: &Moment, broken: bool) {
    let audible = broken && kubelet.connection.is_some() && moment.now >= kubelet.next_cni;
    if !audible {
        return;
    }
    kubelet.next_cni = moment.now + 3000;
    let name = node.name.clone();
    let line = speech(name.as_str(), node.kube, &moment.endpoint).cni_refused();
    say(node, moment, kubelet.pid, &[line]);
}
