//! The unit's process: from its start to the moment when it is ready, and its end.

use crate::lab::clock::Millis;
use crate::lab::fleet::is_master;
use crate::lab::node::{Moment, Node};
use crate::lab::static_pods::{self, COMPONENTS};
use crate::lab::units::UnitState;
use crate::lab::variety::Distribution;
use crate::lab::world::World;

use super::{Process, files, places};

/// Between two attempts of an agent to reach a server.
const RETRY: Millis = 1000;

/// One that has run for months with what is on its disk.
pub(in crate::lab) fn settle(world: &mut World, index: usize) {
    let started = world.nodes[index].booted + 60_000;
    let moment = Moment {
        now: started,
        ..world.moment()
    };
    run(world, index, &moment);
}

/// Moves one such host forward.
pub(in crate::lab) fn tick(world: &mut World, index: usize, moment: &Moment) {
    let Some((unit, kind, runs)) = state(&world.nodes[index]) else {
        return;
    };
    match (unit, runs) {
        (UnitState::Active | UnitState::Activating { .. }, false) => begin(world, index, moment),
        (UnitState::Active | UnitState::Activating { .. }, true) => live(world, index, moment),
        (_, true) => end(&mut world.nodes[index], kind),
        (_, false) => {}
    }
}

fn state(node: &Node) -> Option<(UnitState, Distribution, bool)> {
    let rancher = node.rancher.as_ref()?;
    let unit = node.units.get(rancher.unit(node.role))?;
    Some((unit.state, rancher.kind, rancher.process.is_some()))
}

/// The control plane of k3s ends with it; RKE2's are static pods, which stay until the next start.
fn end(node: &mut Node, kind: Distribution) {
    if let Some(rancher) = &mut node.rancher {
        rancher.process = None;
    }
    if kind == Distribution::K3s {
        node.containers.clear();
    }
}

/// Without room on its disk it cannot write what it makes, and tries again.
fn begin(world: &mut World, index: usize, moment: &Moment) {
    let server = is_master(&world.nodes[index]);
    if world.nodes[index].disk_full || (server && files::renew_at_start(world, index).is_err()) {
        return;
    }
    world.nodes[index].containers.clear();
    run(world, index, moment);
    if !server {
        // `Type=exec`: systemd does not wait for an agent.
        activate(&mut world.nodes[index], moment);
    }
}

fn run(world: &mut World, index: usize, moment: &Moment) {
    let node = &mut world.nodes[index];
    let Some(kind) = node.rancher.as_ref().map(|r| r.kind) else {
        return;
    };
    let mut process = Process {
        listener: None,
        api: None,
        kubelet: None,
        client: None,
        connected: false,
        next_try: moment.now,
    };
    if is_master(node) {
        for component in COMPONENTS {
            static_pods::start(node, moment, component);
        }
        process.listener = node.files.leaf(&places::listener(kind));
        process.api = node.files.leaf(&places::api_server(kind));
        if world.serving_secret.is_none() {
            world.serving_secret.clone_from(&process.listener);
        }
    }
    let node = &mut world.nodes[index];
    if is_master(node) || moment.now < 0 {
        load(node, kind, &mut process);
    }
    if let Some(rancher) = &mut node.rancher {
        rancher.process = Some(process);
    }
}

/// The kubelet's certificates.
fn load(node: &Node, kind: Distribution, process: &mut Process) {
    let leaf = |file: &str| node.files.leaf(&format!("{}/agent/{file}.crt", places::data(kind)));
    process.kubelet = leaf("serving-kubelet");
    process.client = leaf("client-kubelet");
}

fn live(world: &mut World, index: usize, moment: &Moment) {
    let node = &mut world.nodes[index];
    let ready = moment.apis.iter().any(|a| a.master == index && a.ready);
    if is_master(node) && ready {
        activate(node, moment);
    }
    if !is_master(node) {
        join(world, index, moment);
    }
    report(&mut world.nodes[index], moment);
}

/// `notify`: the server says so once its API is ready; by then the unit is on its way.
fn activate(node: &mut Node, moment: &Moment) {
    let pid = node.pid();
    let Some(name) = node.rancher.as_ref().map(|r| r.unit(node.role)) else {
        return;
    };
    let Some(unit) = node.units.get_mut(name) else { return };
    if matches!(unit.state, UnitState::Activating { .. }) {
        unit.set(UnitState::Active, moment.now);
        unit.pid = pid;
        let line = format!("Started {}.", unit.description);
        node.log_systemd(moment, name, &line);
    }
}

/// An agent asks a server for its certificates, and ends nothing while it waits.
fn join(world: &mut World, index: usize, moment: &Moment) {
    let wall = world.nodes[index].wall(moment);
    let answers = servers(world, moment, wall);
    let Some(process) = process(&mut world.nodes[index]) else {
        return;
    };
    if process.client.is_some() || moment.now < process.next_try {
        return;
    }
    process.next_try = moment.now + RETRY;
    if !answers || world.nodes[index].disk_full || files::fetch(world, index).is_err() {
        return;
    }
    let node = &world.nodes[index];
    let Some(mut process) = node.rancher.as_ref().and_then(|r| r.process.clone()) else {
        return;
    };
    let Some(kind) = node.rancher.as_ref().map(|r| r.kind) else {
        return;
    };
    load(node, kind, &mut process);
    if let Some(rancher) = &mut world.nodes[index].rancher {
        rancher.process = Some(process);
    }
}

/// Some server is ready and shows a certificate that is valid where agents register.
fn servers(world: &World, moment: &Moment, wall: jiff::Timestamp) -> bool {
    moment.apis.iter().filter(|a| a.ready).any(|api| {
        let rancher = world.nodes[api.master].rancher.as_ref();
        let listener = rancher
            .and_then(|r| r.process.as_ref())
            .and_then(|p| p.listener.as_ref());
        listener.is_some_and(|leaf| leaf.valid(wall))
    })
}

fn process(node: &mut Node) -> Option<&mut Process> {
    node.rancher.as_mut()?.process.as_mut()
}

/// The kubelet's status, if the API takes it.
fn report(node: &mut Node, moment: &Moment) {
    let (wall, index, master) = (node.wall(moment), node.index, is_master(node));
    let Some(process) = process(node) else { return };
    let client = process.client.clone();
    let accepted = moment.apis.iter().any(|api| {
        let own = !master || api.master == index;
        own && api.ready && api.serving.valid(wall) && client.as_ref().is_some_and(|c| c.valid(api.wall))
    });
    process.connected = accepted;
    if accepted {
        if moment.now - node.last_status >= moment.timings.node_grace {
            node.ready_since = moment.now;
        }
        node.last_status = moment.now;
    }
}
