//! Who listens where, and with which certificate.

use std::sync::Arc;

use crate::model::HostName;

use super::kubelet::balance;
use super::node::Node;
use super::pki::Leaf;
use super::world::World;

/// The certificate behind `address:port` as seen from a host, and whether a client certificate is demanded.
pub(super) fn served(world: &mut World, host: &HostName, address: &str, port: u16) -> Option<(Arc<Leaf>, bool)> {
    let here = world.nodes.iter().position(|n| n.name == *host)?;
    if world.endpoint.as_ref() == format!("{address}:{port}") {
        let moment = world.moment();
        return balance(&moment, here).map(|api| (Arc::clone(&api.serving), false));
    }
    let local = matches!(address, "127.0.0.1" | "localhost" | "::1");
    let there = if local {
        here
    } else {
        world.nodes.iter().position(|n| reaches(n, address))?
    };
    match port {
        6443 => api(world, there).map(|leaf| (leaf, false)),
        2379 | 2380 => etcd(world, there, port).map(|leaf| (leaf, true)),
        10250 => kubelet(&world.nodes[there]).map(|leaf| (leaf, false)),
        10257 if local => own(world, there, "kube-controller-manager"),
        10259 if local => own(world, there, "kube-scheduler"),
        _ => None,
    }
}

fn reaches(node: &Node, address: &str) -> bool {
    node.address == address || node.name.as_str() == address
}

fn api(world: &World, there: usize) -> Option<Arc<Leaf>> {
    let moment = world.moment();
    moment
        .apis
        .iter()
        .find(|a| a.master == there)
        .map(|a| Arc::clone(&a.serving))
}

/// etcd reads its certificates anew for each handshake.
fn etcd(world: &World, there: usize, port: u16) -> Option<Arc<Leaf>> {
    let node = &world.nodes[there];
    let container = node.container("etcd")?;
    let up = world.now >= container.started + world.config.timings.etcd_up;
    let file = if port == 2380 { "peer" } else { "server" };
    let leaf = node.files.leaf(&node.pki(&format!("etcd/{file}.crt")));
    leaf.filter(|_| up)
}

fn kubelet(node: &Node) -> Option<Arc<Leaf>> {
    let booted = node.kubelet.as_ref().is_some_and(|k| k.booted);
    node.files.leaf("/var/lib/kubelet/pki/kubelet.crt").filter(|_| booted)
}

fn own(world: &mut World, there: usize, component: &str) -> Option<(Arc<Leaf>, bool)> {
    let id = world.nodes[there].container(component)?.id.clone();
    world.in_memory_leaf(&id).map(|leaf| (leaf, false))
}
