//! The files of such a host: as the scenario leaves them, and as a start makes them.

use std::sync::Arc;

use jiff::Timestamp;

use crate::lab::clock::{DAY, shift};
use crate::lab::file_tree::Content;
use crate::lab::fleet::is_master;
use crate::lab::pki::{LabError, Leaf, LeafSpec};
use crate::lab::variety::Distribution;
use crate::lab::world::World;

use super::places::{self, Place};

/// Certificates with less than this left are made anew at a start.
const RENEW: i64 = 90 * DAY;
const YEAR: i64 = 365 * DAY;

/// Everything as it was made at one time.
pub(in crate::lab) fn put_files(
    world: &mut World,
    index: usize,
    (from, until): (Timestamp, Timestamp),
) -> Result<(), LabError> {
    let Some(kind) = kind(world, index) else { return Ok(()) };
    for place in all(world, index, kind) {
        let leaf = world.issue(place.spec, from, until)?;
        put(world, index, &place.path, leaf, from);
    }
    if is_master(&world.nodes[index]) {
        let leaf = shared_listener(world, index, kind, (from, until))?;
        put_listener(world, index, kind, leaf, from);
        put_kubeconfig(world, index, kind, from);
        let ca = Content::CaCertificate(Arc::clone(&world.pki.ca));
        let files = &mut world.nodes[index].files;
        files.put(format!("{}/server/tls/server-ca.crt", places::data(kind)), ca, from);
    }
    let token = Content::Text("the cluster's token\n".to_owned());
    let folder = format!("{}/agent", places::data(kind));
    world.nodes[index]
        .files
        .put_with_mode(format!("{folder}/etc/token"), token, from, 0o600);
    Ok(())
}

/// Servers have it from each other, by a secret of the cluster.
fn shared_listener(
    world: &mut World,
    index: usize,
    kind: Distribution,
    (from, until): (Timestamp, Timestamp),
) -> Result<Arc<Leaf>, LabError> {
    if let Some(known) = &world.serving_secret {
        return Ok(Arc::clone(known));
    }
    let (name, address) = who(world, index);
    let leaf = world.issue(places::listener_spec(kind, &name, &address), from, until)?;
    world.serving_secret = Some(Arc::clone(&leaf));
    Ok(leaf)
}

/// A server's start: what is missing or about to end is made, and everything is written that follows from it. Its own agent asks
/// for new certificates each time, as every agent does.
pub(super) fn renew_at_start(world: &mut World, index: usize) -> Result<(), LabError> {
    let Some(kind) = kind(world, index) else { return Ok(()) };
    let now = wall(world, index);
    let (name, address) = who(world, index);
    for place in places::server(kind, &name, &address) {
        let leaf = world.nodes[index].files.leaf(&place.path);
        if !lasts(leaf.as_ref(), now) {
            fresh(world, index, place)?;
        }
    }
    fetch(world, index)?;
    renew_listener(world, index, kind, now)?;
    put_kubeconfig(world, index, kind, now);
    Ok(())
}

/// An agent's certificates come from a server, new ones each time.
pub(super) fn fetch(world: &mut World, index: usize) -> Result<(), LabError> {
    let Some(kind) = kind(world, index) else { return Ok(()) };
    let name = world.nodes[index].name.to_string();
    for place in places::agent(kind, &name) {
        fresh(world, index, place)?;
    }
    Ok(())
}

fn renew_listener(world: &mut World, index: usize, kind: Distribution, now: Timestamp) -> Result<(), LabError> {
    let told = world.nodes[index].files.remove(&places::trigger(kind)).is_some();
    let leaf = world.nodes[index].files.leaf(&places::listener(kind));
    // Some versions load the secret over whatever they have made, however old it is.
    if world.config.stale_listener
        && let Some(kept) = world.serving_secret.clone()
    {
        put_listener(world, index, kind, kept, now);
        return Ok(());
    }
    if told || !lasts(leaf.as_ref(), now) {
        let (name, address) = who(world, index);
        let spec = places::listener_spec(kind, &name, &address);
        let leaf = world.issue(spec, shift(now, -300), shift(now, YEAR))?;
        put_listener(world, index, kind, leaf, now);
    }
    Ok(())
}

fn all(world: &World, index: usize, kind: Distribution) -> Vec<Place> {
    let (name, address) = who(world, index);
    places::places(kind, world.nodes[index].role, &name, &address)
}

fn fresh(world: &mut World, index: usize, place: Place) -> Result<(), LabError> {
    let now = wall(world, index);
    let leaf = issue_for_a_year(world, place.spec, now)?;
    put(world, index, &place.path, leaf, now);
    Ok(())
}

fn issue_for_a_year(world: &mut World, spec: LeafSpec, now: Timestamp) -> Result<Arc<Leaf>, LabError> {
    world.issue(spec, shift(now, -300), shift(now, YEAR))
}

fn lasts(leaf: Option<&Arc<Leaf>>, now: Timestamp) -> bool {
    leaf.is_some_and(|leaf| leaf.valid(shift(now, RENEW)))
}

fn put(world: &mut World, index: usize, path: &str, leaf: Arc<Leaf>, at: Timestamp) {
    let files = &mut world.nodes[index].files;
    files.put(path.replace(".crt", ".key"), Content::Key(Arc::clone(&leaf)), at);
    files.put(path, Content::Certificate(leaf), at);
}

fn put_listener(world: &mut World, index: usize, kind: Distribution, leaf: Arc<Leaf>, at: Timestamp) {
    let files = &mut world.nodes[index].files;
    files.put(places::listener(kind), Content::Bundle(leaf), at);
}

fn put_kubeconfig(world: &mut World, index: usize, kind: Distribution, at: Timestamp) {
    let ca = Arc::clone(&world.pki.ca);
    let files = &mut world.nodes[index].files;
    let Some(leaf) = files.leaf(&format!("{}/server/tls/client-admin.crt", places::data(kind))) else {
        return;
    };
    let server = "https://127.0.0.1:6443".to_owned();
    files.put(
        places::admin_kubeconfig(kind),
        Content::Kubeconfig { server, ca, leaf },
        at,
    );
}

fn kind(world: &World, index: usize) -> Option<Distribution> {
    world.nodes[index].rancher.as_ref().map(|r| r.kind)
}

fn who(world: &World, index: usize) -> (String, String) {
    let node = &world.nodes[index];
    (node.name.to_string(), node.address.clone())
}

fn wall(world: &World, index: usize) -> Timestamp {
    world.clock.wall(world.now + world.nodes[index].offset)
}
