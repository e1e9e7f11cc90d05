//! Who listens where, and with which certificate.

use std::sync::Arc;

use crate::model::HostName;

use super::kubelet::balance;
use super::listens;
use super::node::Node;
use super::pki::Leaf;
use super::rancher;
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
    if let (true, Some(leaf)) = (local, rancher::past_the_listener(&world.nodes[there], port)) {
        return api(world, there).map(|_| (leaf, false));
    }
    if let Some(leaf) = rancher::behind(&world.nodes[there], port) {
        return Some((leaf, false));
    }
    match listens::behind(&world.nodes[there], port)? {
        "kube-apiserver" => api(world, there).map(|leaf| (leaf, false)),
        "etcd-client" => etcd(world, there, "server").map(|leaf| (leaf, true)),
        "etcd-peer" => etcd(world, there, "peer").map(|leaf| (leaf, true)),
        "kubelet" => kubelet(&world.nodes[there]).map(|leaf| (leaf, false)),
        own_made if local => own(world, there, own_made),
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
fn etcd(world: &World, there: usize, file: &str) -> Option<Arc<Leaf>> {
    let node = &world.nodes[there];
    let container = node.container("etcd")?;
    let up = world.now >= container.started + world.config.timings.etcd_up;
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
