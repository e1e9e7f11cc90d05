//! Objects as `kubectl get -o json` shows them: the fields that programs read.

use serde_json::{Value, json};

use crate::lab::calico::{Owner, Pod, PodState};
use crate::lab::clock::Millis;
use crate::lab::fleet::is_master;
use crate::lab::node::Node;
use crate::lab::world::World;
use crate::model::Role;

use super::kubectl::Filter;

const LEASE_EVERY: Millis = 10_000;

fn list(items: &[Value]) -> String {
    format!(
        "{:#}\n",
        json!({"apiVersion": "v1", "kind": "List", "items": items, "metadata": {"resourceVersion": ""}})
    )
}

fn time(world: &World, at: Millis) -> String {
    world.clock.wall(at).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// `kubectl get nodes`.
pub(super) fn nodes(world: &World, filter: &Filter) -> String {
    let items: Vec<Value> = wanted_nodes(world, filter).map(|n| node(world, n)).collect();
    list(&items)
}

/// `kubectl get leases`: each node's, as its kubelet renewed it every ten seconds while the API accepted it.
pub(super) fn leases(world: &World, filter: &Filter) -> String {
    let lease = |node: &Node| {
        let renewed = world
            .clock
            .wall(node.last_status / LEASE_EVERY * LEASE_EVERY + node.offset);
        json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": node.name.as_str(), "namespace": "kube-node-lease"},
            "spec": {
                "holderIdentity": node.name.as_str(), "leaseDurationSeconds": 40,
                "renewTime": renewed.strftime("%Y-%m-%dT%H:%M:%S.000000Z").to_string(),
            },
        })
    };
    let items: Vec<Value> = wanted_nodes(world, filter).map(lease).collect();
    list(&items)
}

/// `kubectl get certificatesigningrequests`: those for serving certificates.
pub(super) fn serving_requests(world: &World) -> String {
    let items: Vec<Value> = world
        .serving_requests
        .iter()
        .map(|host| {
            json!({
                "metadata": {"name": format!("csr-{host}"), "creationTimestamp": time(world, world.now)},
                "spec": {
                    "signerName": "kubernetes.io/kubelet-serving", "username": format!("system:node:{host}"),
                    "usages": ["digital signature", "key encipherment", "server auth"],
                },
                "status": {},
            })
        })
        .collect();
    list(&items)
}

fn wanted_nodes<'a>(world: &'a World, filter: &'a Filter) -> impl Iterator<Item = &'a Node> {
    let registered = world.nodes.iter().filter(|n| n.role != Role::Etcd);
    registered.filter(|n| filter.wants_node(n.name.as_str()))
}

fn node(world: &World, node: &Node) -> Value {
    let ready = world.node_ready(node);
    let since = if ready {
        node.ready_since
    } else {
        node.last_status + world.config.timings.node_grace
    };
    let (status, reason, message) = if ready {
        ("True", "KubeletReady", "kubelet is posting ready status")
    } else {
        ("Unknown", "NodeStatusUnknown", "Kubelet stopped posting node status.")
    };
    let role = if is_master(node) {
        json!({"node-role.kubernetes.io/master": ""})
    } else {
        json!({})
    };
    let (spec, annotations) = closed(world, node);
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": node.name.as_str(), "labels": role, "annotations": annotations,
            "creationTimestamp": time(world, -365 * 86_400_000),
        },
        "spec": spec,
        "status": {
            "addresses": [{"address": node.address, "type": "InternalIP"}, {"address": node.name.as_str(), "type": "Hostname"}],
            "conditions": [{
                "type": "Ready", "status": status, "reason": reason, "message": message,
                "lastHeartbeatTime": time(world, node.last_status), "lastTransitionTime": time(world, since),
            }],
            "nodeInfo": {"kubeletVersion": node.kube.to_string(), "machineID": node.machine_id, "bootID": node.boot_id},
        },
    })
}

/// Whether pods may come, and who forbade it.
fn closed(world: &World, node: &Node) -> (Value, Value) {
    let Some(closed) = world.closed.get(&node.index) else {
        return (json!({}), json!({}));
    };
    let mut annotations = json!({});
    for (key, run) in [("cordoned-by", &closed.by), ("drained-by", &closed.drained)] {
        if let Some(run) = run {
            annotations[format!("certfleet.io/{key}")] = json!(run);
        }
    }
    let spec = if closed.cordoned {
        json!({"unschedulable": true})
    } else {
        json!({})
    };
    (spec, annotations)
}

/// `kubectl get pods`.
pub(super) fn pods(world: &World, filter: &Filter) -> String {
    let wanted = |p: &&Pod| filter.wants(p.namespace, (p.label.0, &p.label.1), &p.name);
    let items: Vec<Value> = world.pods.iter().filter(wanted).map(|p| pod(world, p)).collect();
    list(&items)
}

fn pod(world: &World, pod: &Pod) -> Value {
    let kind = match pod.owner {
        Owner::DaemonSet => "DaemonSet",
        Owner::Deployment => "ReplicaSet",
        Owner::Node => "Node",
    };
    let mut metadata = json!({
        "name": pod.name, "namespace": pod.namespace, "labels": {pod.label.0: pod.label.1},
        "creationTimestamp": time(world, pod.created),
        "ownerReferences": [{"kind": kind, "name": pod.app, "controller": true}],
    });
    if let PodState::Terminating { since, .. } = pod.state {
        // The API shows the end of the grace period here, not the moment of the request.
        metadata["deletionTimestamp"] = json!(time(world, since + 30_000));
        metadata["deletionGracePeriodSeconds"] = json!(30);
    }
    let ready = pod.ready();
    let since = changed(pod);
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": metadata,
        "spec": {"nodeName": world.nodes[pod.node].name.as_str(), "terminationGracePeriodSeconds": 30},
        "status": {
            "phase": if matches!(pod.state, PodState::Starting { .. } | PodState::ImagePull) { "Pending" } else { "Running" },
            "startTime": time(world, pod.created),
            "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }, "lastTransitionTime": time(world, since)}],
            "containerStatuses": [{
                "name": pod.app, "ready": ready, "started": ready, "restartCount": pod.restarts,
                "state": container_state(world, pod),
            }],
        },
    })
}

fn changed(pod: &Pod) -> Millis {
    match pod.state {
        PodState::Ready { since } | PodState::Unready { since } | PodState::Terminating { since, .. } => since,
        PodState::Starting { .. } | PodState::ImagePull => pod.created,
        PodState::CrashLoop => -2 * 3_600_000,
    }
}

fn container_state(world: &World, pod: &Pod) -> Value {
    let waiting = |reason: &str, message: &str| json!({"waiting": {"reason": reason, "message": message}});
    match pod.state {
        PodState::Ready { since } | PodState::Unready { since } | PodState::Terminating { since, .. } => {
            json!({"running": {"startedAt": time(world, since)}})
        }
        PodState::Starting { .. } => waiting("PodInitializing", ""),
        PodState::CrashLoop => waiting("CrashLoopBackOff", "back-off 5m0s restarting failed container"),
        PodState::ImagePull => waiting("ImagePullBackOff", "Back-off pulling image \"calico/node:v3.17.1\""),
    }
}

/// `kubectl get daemonsets`.
pub(super) fn daemon_sets(world: &World, filter: &Filter) -> String {
    let items: Vec<Value> = sets(world, filter).iter().map(|set| daemon_set(world, set)).collect();
    list(&items)
}

/// A `DaemonSet` and its counts.
pub(super) struct DaemonSet<'a> {
    pub(super) name: &'a str,
    pub(super) namespace: &'static str,
    /// Its label.
    key: &'static str,
    label: &'a str,
    pub(super) desired: usize,
    pub(super) ready: usize,
}

/// The `DaemonSet`s that are asked for.
pub(super) fn sets<'a>(world: &'a World, filter: &Filter) -> Vec<DaemonSet<'a>> {
    let mut found: Vec<DaemonSet<'a>> = Vec::new();
    let wanted = |p: &&Pod| p.owner == Owner::DaemonSet && filter.wants(p.namespace, (p.label.0, &p.label.1), &p.app);
    for pod in world.pods.iter().filter(wanted) {
        let known = found.iter().position(|s| s.name == pod.app);
        let at = known.unwrap_or_else(|| {
            found.push(DaemonSet {
                name: &pod.app,
                namespace: pod.namespace,
                key: pod.label.0,
                label: &pod.label.1,
                desired: 0,
                ready: 0,
            });
            found.len() - 1
        });
        found[at].desired += 1;
        found[at].ready += usize::from(pod.ready());
    }
    found
}

fn daemon_set(world: &World, set: &DaemonSet<'_>) -> Value {
    let DaemonSet {
        name,
        namespace,
        desired,
        ready,
        ..
    } = *set;
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {
            "name": name, "namespace": namespace, "generation": 1, "labels": {set.key: set.label},
            "creationTimestamp": time(world, -365 * 86_400_000),
        },
        "status": {
            "currentNumberScheduled": desired, "desiredNumberScheduled": desired, "updatedNumberScheduled": desired,
            "numberReady": ready, "numberAvailable": ready, "numberUnavailable": desired - ready,
            "numberMisscheduled": 0, "observedGeneration": 1,
        },
    })
}
