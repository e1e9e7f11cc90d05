//! Tables as `kubectl get` shows them.

use crate::lab::calico::Pod;
use crate::lab::clock::Millis;
use crate::lab::fleet::is_master;
use crate::lab::node::Node;
use crate::lab::world::World;
use crate::model::Role;

use super::kubectl::Filter;
use super::kubectl_json::sets;

/// A table with its heading, or nothing at all.
fn table(headers: bool, head: &[&str], rows: Vec<Vec<String>>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let head: Vec<String> = head.iter().map(|h| (*h).to_owned()).collect();
    let all: Vec<Vec<String>> = headers.then_some(head).into_iter().chain(rows).collect();
    super::table(&all)
}

fn age(world: &World, created: Millis) -> String {
    let seconds = (world.now - created) / 1000;
    match seconds {
        ..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// `kubectl get nodes [-o wide]`.
pub(super) fn nodes(world: &World, wide: bool, headers: bool) -> String {
    let row = |n: &Node| {
        let status = if world.node_ready(n) { "Ready" } else { "NotReady" };
        let closed = world.closed.get(&n.index).is_some_and(|c| c.cordoned);
        let status = format!("{status}{}", if closed { ",SchedulingDisabled" } else { "" });
        let roles = match (is_master(n), n.kube.minor) {
            (true, 24..) => "control-plane",
            (true, _) => "master",
            (false, _) => "<none>",
        };
        let mut cells = vec![
            n.name.to_string(),
            status,
            roles.to_owned(),
            age(world, -365 * 86_400_000),
            n.kube.to_string(),
        ];
        if wide {
            let runtime = format!("{}://19.3.12", n.runtime);
            cells.extend([
                n.address.clone(),
                "<none>".to_owned(),
                "Ubuntu 18.04.5 LTS".to_owned(),
                "4.15.0-112-generic".to_owned(),
                runtime,
            ]);
        }
        cells
    };
    let mut head = vec!["NAME", "STATUS", "ROLES", "AGE", "VERSION"];
    if wide {
        head.extend([
            "INTERNAL-IP",
            "EXTERNAL-IP",
            "OS-IMAGE",
            "KERNEL-VERSION",
            "CONTAINER-RUNTIME",
        ]);
    }
    let registered = world.nodes.iter().filter(|n| n.role != Role::Etcd);
    table(headers, &head, registered.map(row).collect())
}

/// `kubectl get pods [-A] [-o wide]`.
pub(super) fn pods(world: &World, filter: &Filter, wide: bool, headers: bool) -> String {
    let wanted = |p: &&Pod| filter.wants(p.namespace, (p.label.0, &p.label.1), &p.name);
    let row = |p: &Pod| {
        let node = &world.nodes[p.node];
        let ready = if p.ready() { "1/1" } else { "0/1" };
        let mut cells = if filter.everywhere() {
            vec![p.namespace.to_owned()]
        } else {
            Vec::new()
        };
        cells.extend([
            p.name.clone(),
            ready.to_owned(),
            p.status().to_owned(),
            p.restarts.to_string(),
            age(world, p.created),
        ]);
        if wide {
            cells.extend([
                node.address.clone(),
                node.name.to_string(),
                "<none>".to_owned(),
                "<none>".to_owned(),
            ]);
        }
        cells
    };
    let mut head = if filter.everywhere() {
        vec!["NAMESPACE"]
    } else {
        Vec::new()
    };
    head.extend(["NAME", "READY", "STATUS", "RESTARTS", "AGE"]);
    if wide {
        head.extend(["IP", "NODE", "NOMINATED NODE", "READINESS GATES"]);
    }
    let mut pods: Vec<&Pod> = world.pods.iter().filter(wanted).collect();
    pods.sort_by_key(|p| (p.namespace, p.name.clone()));
    table(headers, &head, pods.into_iter().map(row).collect())
}

/// `kubectl get daemonsets`.
pub(super) fn daemon_sets(world: &World, filter: &Filter, headers: bool) -> String {
    let sets = sets(world, filter);
    let rows = sets.iter().map(|s| {
        let mut cells = if filter.everywhere() {
            vec![s.namespace.to_owned()]
        } else {
            Vec::new()
        };
        let (desired, ready) = (s.desired.to_string(), s.ready.to_string());
        cells.extend([
            s.name.to_owned(),
            desired.clone(),
            desired.clone(),
            ready.clone(),
            desired,
            ready,
        ]);
        cells.extend(["kubernetes.io/os=linux".to_owned(), "365d".to_owned()]);
        cells
    });
    let mut head = if filter.everywhere() {
        vec!["NAMESPACE"]
    } else {
        Vec::new()
    };
    head.extend([
        "NAME",
        "DESIRED",
        "CURRENT",
        "READY",
        "UP-TO-DATE",
        "AVAILABLE",
        "NODE SELECTOR",
        "AGE",
    ]);
    table(headers, &head, rows.collect())
}
