//! Builds the fleet of a scenario, in the middle of its story.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::model::{HostName, Role, RuntimeKind};

use super::alarm::Watch;
use super::clock::{DAY, LabClock, Millis, shift};
use super::config::{LabConfig, Scenario};
use super::etcd_files::put_etcd_files;
use super::faults::FaultPlan;
use super::file_tree::{Content, FileTree};
use super::flaky::add_faults;
use super::journald::Journal;
use super::kubelet::Kubelet;
use super::node::{KUBELET_CLIENT, Locale, Moment, Node, Sudo};
use super::pki::{LabError, LeafSpec, Pki, Signer};
use super::rancher::{self, Rancher};
use super::rng::Rng;
use super::scenario_files::{put_kubelet_files, put_leaves, put_master_files};
use super::scenario_pods::add_pods;
use super::static_pods::HAPROXY;
use super::story::Story;
use super::units::{Unit, UnitState};
use super::workload::add_workload;
use super::world::World;

/// The story before the lab is handed out, milliseconds: there is a journal from the start.
const PROLOGUE: Millis = 30_000;
/// Uptime of the machines.
const UPTIME: Millis = 157 * DAY * 1000;

/// Builds the world and lets its prologue pass.
pub(super) fn build(config: LabConfig) -> Result<World, LabError> {
    let clock = LabClock::new(config.wall_clock);
    let wall = clock.wall(0);
    let story = Story::of(config.scenario, wall);
    let pki = Pki::new(story.created)?;
    let endpoint: Arc<str> = if config.masters > 1 {
        "192.168.140.100:6443".into()
    } else {
        "192.168.140.11:6443".into()
    };
    let mut world = World {
        rng: Rng::new(config.seed),
        clock,
        now: -PROLOGUE,
        nodes: Vec::new(),
        pods: Vec::new(),
        closed: BTreeMap::new(),
        pki,
        endpoint,
        peers: BTreeSet::new(),
        in_memory: BTreeMap::new(),
        watch: Watch::default(),
        alarms: Vec::new(),
        history: Vec::new(),
        faults: FaultPlan::default(),
        serving_secret: None,
        bystanders: BTreeMap::new(),
        typha: None,
        serving_requests: Vec::new(),
        csr_objects: Vec::new(),
        config,
    };
    for authority in [&world.pki.ca, &world.pki.etcd, &world.pki.front_proxy] {
        world.watch.learn_authority(authority);
    }
    add_nodes(&mut world, &story)?;
    start_everything(&mut world, &story)?;
    let bystander = |n: &Node| n.container(HAPROXY).map(|c| (n.name.clone(), c.id.clone()));
    world.bystanders = world.nodes.iter().filter_map(bystander).collect();
    add_pods(&mut world);
    add_typha(&mut world)?;
    add_workload(&mut world);
    add_faults(&mut world);
    world.advance_to(0);
    Ok(world)
}

fn add_nodes(world: &mut World, story: &Story) -> Result<(), LabError> {
    for (index, name) in world.config.host_names().into_iter().enumerate() {
        let role = match index.checked_sub(world.config.masters) {
            None => Role::ControlPlane,
            Some(other) if other < world.config.workers => Role::Worker,
            Some(_) => Role::Etcd,
        };
        let node = bare_node(world, index, &name, role);
        world.nodes.push(node);
        if world.nodes[index].rancher.is_some() {
            rancher::put_files(world, index, story.in_use)?;
            continue;
        }
        put_kubelet_files(world, index, story)?;
        match role {
            Role::ControlPlane => put_master_files(world, index, story)?,
            Role::Etcd => put_etcd_files(world, index, story)?,
            Role::Worker => {}
        }
    }
    Ok(())
}

/// What the operator's secrets hold: made with the cluster, for a year and a bit.
fn add_typha(world: &mut World) -> Result<(), LabError> {
    if !world.config.operator_calico {
        return Ok(());
    }
    let now = world.clock.wall(0);
    let until = shift(now, if world.config.typha_expired { -3600 } else { 200 * DAY });
    let spec = LeafSpec::server("typha-server", vec!["typha-server".to_owned()], Signer::Own);
    world.typha = Some(world.issue(spec, shift(now, -400 * DAY), until)?);
    Ok(())
}

fn bare_node(world: &mut World, index: usize, name: &str, role: Role) -> Node {
    let config = &world.config;
    let address = address(config, index, role);
    let french = config.scenario == Scenario::French;
    let offset = config
        .clock_offsets
        .iter()
        .find(|(host, _)| host == name)
        .map_or(0, |(_, ms)| *ms);
    let own = config.versions.iter().find(|(host, _)| host == name).map(|(_, v)| *v);
    let other = config.runtimes.iter().find(|(host, _)| host == name).map(|(_, r)| *r);
    let (kube, runtime) = (own.unwrap_or(config.kubernetes), other.unwrap_or(config.runtime));
    let live_restore = config.live_restore;
    let (cert_dir, without_client) = (config.cert_dir.clone(), config.without_client);
    let rancher = config.distribution.map(Rancher::new);
    let units = match &rancher {
        Some(own) => own.units(role),
        None => units_of(runtime),
    };
    let direct = config.direct.iter().find(|(host, _)| host == name);
    let direct = direct.and_then(|(_, master)| config.host_names().iter().position(|h| h == master));
    Node {
        name: HostName::new(name),
        index,
        role,
        address,
        kube,
        runtime,
        live_restore,
        cert_dir,
        without_client,
        rancher,
        direct,
        files: FileTree::default(),
        units: units.into_iter().map(|u| (u.name, u)).collect(),
        containers: Vec::new(),
        pending: BTreeMap::new(),
        crashes: BTreeMap::new(),
        kubelet: None,
        journal: Journal::new(world.rng.hex(32)),
        machine_id: world.rng.hex(32),
        boot_id: world.rng.hex(32),
        booted: -UPTIME,
        offset,
        sudo: if french {
            Sudo::Password("labpass")
        } else {
            Sudo::NoPassword
        },
        locale: if french { Locale::French } else { Locale::C },
        next_pid: 16_000 + u32::try_from(index).unwrap_or(0) * 200,
        last_status: -2 * 3_600_000,
        ready_since: -UPTIME,
        disk_free: 38_654_705_664,
        delay: 0,
        jobs: BTreeMap::new(),
        disk_full: false,
    }
}

/// etcd hosts have a network of their own.
pub(super) fn address(config: &LabConfig, index: usize, role: Role) -> String {
    let number = match role {
        Role::ControlPlane => 11 + index,
        Role::Worker => 21 + index - config.masters,
        Role::Etcd => return format!("192.168.130.{}", 11 + index - config.masters - config.workers),
    };
    format!("192.168.{}.{}", 140 + number / 250, number % 250)
}

fn units_of(runtime: RuntimeKind) -> Vec<Unit> {
    let kubelet = Unit::new("kubelet.service", "kubelet: The Kubernetes Node Agent");
    let containerd = Unit::new("containerd.service", "containerd container runtime");
    let mut units = vec![kubelet];
    match runtime {
        RuntimeKind::Docker => units.extend([
            containerd,
            Unit::new("docker.service", "Docker Application Container Engine"),
            Unit::new("docker.socket", "Docker Socket for the API"),
        ]),
        RuntimeKind::Containerd => units.push(containerd),
        RuntimeKind::CriO => units.push(Unit::new("crio.service", "Container Runtime Interface for OCI (CRI-O)")),
    }
    units.push(Unit::new("ssh.service", "OpenBSD Secure Shell server"));
    units
}

/// Processes start with what lies on disk; then come the newer files of the story.
fn start_everything(world: &mut World, story: &Story) -> Result<(), LabError> {
    let long_ago = -UPTIME + 60_000;
    for index in 0..world.nodes.len() {
        let moment = Moment {
            now: long_ago,
            ..world.moment()
        };
        let node = &mut world.nodes[index];
        for component in node.manifests() {
            super::static_pods::start(node, &moment, &component);
        }
        for container in node.containers.iter_mut().filter(|c| c.component == "kube-apiserver") {
            container.since = Some(long_ago);
            container.next_reload = world.now;
        }
        for unit in node.units.values_mut() {
            unit.set(UnitState::Active, long_ago);
            node.next_pid += 31;
            unit.pid = if unit.is_socket() { 0 } else { node.next_pid };
        }
        let kubeadms = world.nodes[index].rancher.is_none();
        if let (Some(disk), Role::ControlPlane | Role::Etcd, true) = (story.on_disk, world.nodes[index].role, kubeadms)
        {
            put_leaves(world, index, disk)?;
        }
        give_operator_a_kubeconfig(world, index);
        if world.nodes[index].rancher.is_some() {
            rancher::settle(world, index);
        }
    }
    if world.config.distribution.is_some() {
        link_etcd(world);
        return Ok(());
    }
    if world.config.scenario == Scenario::KubeletExpired {
        power_on(world);
        return Ok(());
    }
    link_etcd(world);
    start_kubelets(world);
    Ok(())
}

/// The machines were off: no container of before runs, and systemd starts a kubelet that ends at once.
fn power_on(world: &mut World) {
    let now = world.now;
    for node in &mut world.nodes {
        node.containers.clear();
        start_at_once(node, now);
    }
}

/// Its kubelet is down, and systemd is about to start it.
fn start_at_once(node: &mut Node, now: Millis) {
    if let Some(unit) = node.unit_mut("kubelet") {
        unit.set(UnitState::AutoRestart { due: now }, now);
    }
}

/// `~/.kube/config` as people make it: root follows admin.conf, the login user has a copy.
fn give_operator_a_kubeconfig(world: &mut World, index: usize) {
    let wall = world.clock.wall(0);
    let others = world.config.copies.clone();
    let files = &mut world.nodes[index].files;
    let Some(admin) = files.entry("/etc/kubernetes/admin.conf").cloned() else {
        return;
    };
    files.put(
        "/root/.kube/config",
        Content::Link("/etc/kubernetes/admin.conf".to_owned()),
        wall,
    );
    for path in others {
        files.insert(path, admin.clone());
    }
    files.insert("/home/ops/.kube/config", admin);
}

/// The members have been connected since long before anything expired.
fn link_etcd(world: &mut World) {
    let ids: Vec<String> = world
        .nodes
        .iter()
        .filter_map(|n| n.container("etcd"))
        .map(|c| c.id.clone())
        .collect();
    for (i, a) in ids.iter().enumerate() {
        world.peers.extend(ids[i + 1..].iter().map(|b| (a.clone(), b.clone())));
    }
}

/// In the seed the API server can be reached by nobody; otherwise each kubelet has had its connection for months.
fn start_kubelets(world: &mut World) {
    let moment = world.moment();
    let silent = !world.config.scenario.is_seed_like();
    for node in &mut world.nodes {
        if world.config.looping_kubelets.iter().any(|h| node.name.as_str() == h) {
            start_at_once(node, moment.now);
            continue;
        }
        let pid = node.unit("kubelet").map_or(0, |u| u.pid);
        let client = node.files.leaf(KUBELET_CLIENT);
        let turn = node.index;
        let api = super::kubelet::reachable(node, &moment, turn).map(|a| a.container.clone());
        let api = api.filter(|_| silent && node.role != Role::Etcd);
        node.kubelet = Some(Kubelet::settled(pid, client, api, moment.now));
        if silent {
            node.last_status = moment.now;
        }
    }
}
