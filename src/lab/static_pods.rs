//! Containers of the control plane: who starts them, what they load, when they die.

use super::clock::Millis;
use super::node::{Container, MANIFESTS, Moment, Node, Pending};
use super::pki::Leaf;
use std::sync::Arc;

/// The kubelet's loop: starts what has a manifest and does not run, stops what runs without one.
pub(super) fn sync(node: &mut Node, moment: &Moment) {
    let wanted = node.manifests();
    node.containers.retain(|c| wanted.contains(&c.component));
    node.pending.retain(|component, _| wanted.contains(component));
    for component in wanted {
        if node.container(&component).is_some() {
            continue;
        }
        let due = moment.now + moment.timings.static_pod;
        let due = node.pending.entry(component.clone()).or_insert(Pending { due }).due;
        if moment.now >= due {
            node.pending.remove(&component);
            start(node, moment, &component);
        }
    }
}

/// Runs a new container, which loads its certificates now.
pub(super) fn start(node: &mut Node, moment: &Moment, component: &str) {
    let salt = node.pid();
    let container = Container {
        component: component.to_owned(),
        id: identity(node, component, salt),
        pod_id: identity(node, "sandbox", salt),
        started: moment.now,
        serving: serving(node, component),
        client: client(node, component),
        since: None,
        next_reload: moment.now + moment.timings.api_reload,
    };
    node.containers.push(container);
}

/// A container id: 64 hex digits that no other start shares.
fn identity(node: &Node, component: &str, salt: u32) -> String {
    let mut seed = u64::from(salt);
    for byte in node.name.as_str().bytes().chain(component.bytes()) {
        seed = seed.wrapping_mul(1_099_511_628_211) ^ u64::from(byte);
    }
    super::rng::Rng::new(seed).hex(64)
}

/// The certificate that a component shows to callers, as it lies on disk.
pub(super) fn serving(node: &Node, component: &str) -> Option<Arc<Leaf>> {
    match component {
        "kube-apiserver" => node.files.leaf(&super::listens::api_certificate(node)),
        "etcd" => node.files.leaf(&node.pki("etcd/server.crt")),
        _ => None,
    }
}

/// The one with which it calls others.
pub(super) fn client(node: &Node, component: &str) -> Option<Arc<Leaf>> {
    match component {
        "kube-apiserver" => node.files.leaf(&super::listens::etcd_client(node)),
        "kube-controller-manager" => node.files.leaf("/etc/kubernetes/controller-manager.conf"),
        "kube-scheduler" => node.files.leaf("/etc/kubernetes/scheduler.conf"),
        KUBE_VIP => node.files.leaf("/etc/kubernetes/admin.conf"),
        _ => None,
    }
}

/// How long controller-manager and scheduler live without their lease.
const LEASE: Millis = 15_000;
/// Longest pause of a crash loop.
const LONGEST_BACKOFF: Millis = 300_000;

/// controller-manager and scheduler end when they cannot renew their lease; the kubelet starts them again, later each time.
pub(super) fn crash(node: &mut Node, moment: &Moment) {
    let now = node.wall(moment);
    let reachable = moment.apis.iter().any(|a| a.ready && a.serving.valid(now));
    let mut dead = Vec::new();
    for container in &mut node.containers {
        if !matches!(
            container.component.as_str(),
            "kube-controller-manager" | "kube-scheduler"
        ) {
            continue;
        }
        let fine = reachable && container.client.as_ref().is_some_and(|leaf| leaf.valid(now));
        container.since = if fine {
            None
        } else {
            container.since.or(Some(moment.now))
        };
        if container.since.is_some_and(|since| moment.now - since >= LEASE) {
            dead.push(container.component.clone());
        }
    }
    for component in dead {
        let count = node.crashes.entry(component.clone()).or_insert(0);
        *count += 1;
        let pause = (10_000 << (*count - 1).min(5)).min(LONGEST_BACKOFF);
        node.containers.retain(|c| c.component != component);
        node.pending.insert(
            component,
            Pending {
                due: moment.now + pause,
            },
        );
    }
}

/// How long a component lives that ends at every start.
const SHORT_LIFE: Millis = 4000;

/// A crash loop at its quickest: there is always a container, and always a new one.
pub(super) fn relaunch(node: &mut Node, moment: &Moment, component: &str) {
    let old = node
        .container(component)
        .is_some_and(|c| moment.now - c.started >= SHORT_LIFE);
    if old {
        node.containers.retain(|c| c.component != component);
        start(node, moment, component);
    }
}

/// The manifests of a kubeadm master.
pub(super) const COMPONENTS: [&str; 4] = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];

/// A static pod beside them, where the endpoint is a virtual address.
pub(super) const KUBE_VIP: &str = "kube-vip";
/// A static pod that is none of kubeadm's, and holds no certificate.
pub(super) const HAPROXY: &str = "haproxy";
/// Where a run parks manifests.
pub(super) const PARKED: &str = "/etc/kubernetes/certfleet-parked";

/// Ends the control plane's containers, and kube-vip where its kubeconfig is newer than it is.
pub(super) fn stop(node: &mut Node, moment: &Moment) -> Vec<Container> {
    let admin = node.files.entry("/etc/kubernetes/admin.conf").map(|f| f.modified);
    let offset = node.offset;
    let stale = |c: &Container| admin.is_some_and(|written| moment.clock.wall(c.started + offset) < written);
    let goes = |c: &Container| COMPONENTS.contains(&c.component.as_str()) || (c.component == KUBE_VIP && stale(c));
    let (gone, kept) = std::mem::take(&mut node.containers).into_iter().partition(goes);
    node.containers = kept;
    gone
}

/// Moves the control plane's manifests out of the kubelet's sight.
pub(super) fn park(node: &mut Node, run: &str) {
    for component in COMPONENTS {
        if let Some(file) = node.files.remove(&manifest(component)) {
            node.files.insert(format!("{PARKED}/{run}/{component}.yaml"), file);
        }
    }
}

/// Parked manifests, as paths.
pub(super) fn parked(node: &Node) -> Vec<String> {
    node.files.below(PARKED).map(|(path, _)| path.clone()).collect()
}

/// Moves them back; their names.
pub(super) fn put_back(node: &mut Node) -> Vec<String> {
    let mut names = Vec::new();
    for path in parked(node) {
        let name = path.rsplit('/').next().unwrap_or_default().to_owned();
        if let Some(file) = node.files.remove(&path) {
            node.files.insert(format!("{MANIFESTS}/{name}"), file);
        }
        names.push(name);
    }
    names
}

/// Path of a component's manifest.
pub(super) fn manifest(component: &str) -> String {
    format!("{MANIFESTS}/{component}.yaml")
}
