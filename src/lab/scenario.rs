//! Builds the fleet of a scenario, in the middle of its story.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use crate::model::{HostName, Role, RuntimeKind};

use super::alarm::Watch;
use super::calico::{Owner, Pod, PodState};
use super::clock::{DAY, LabClock, Millis, shift};
use super::config::{CalicoTrouble, LabConfig, Scenario};
use super::faults::{Fault, FaultPlan, FaultRule};
use super::file_tree::{Content, FileTree};
use super::journald::Journal;
use super::kubelet::Kubelet;
use super::node::{KUBELET_CLIENT, Locale, Moment, Node, Sudo};
use super::pki::{LabError, Leaf, LeafSpec, Pki, Signer};
use super::rng::Rng;
use super::static_pods::{COMPONENTS, PKI, manifest};
use super::units::{Unit, UnitState};
use super::world::World;

/// The story before the lab is handed out, milliseconds: there is a journal from the start.
const PROLOGUE: Millis = 30_000;
/// Uptime of the machines.
const UPTIME: Millis = 157 * DAY * 1000;

/// Validity of the kubeadm leaves: those in use, and those on disk if they differ.
struct Story {
    created: Timestamp,
    in_use: (Timestamp, Timestamp),
    on_disk: Option<(Timestamp, Timestamp)>,
}

impl Story {
    fn of(scenario: Scenario, now: Timestamp) -> Self {
        let year = |from: Timestamp| (from, shift(from, 365 * DAY));
        match scenario {
            Scenario::Healthy | Scenario::CalicoToken => {
                let from = shift(now, -165 * DAY);
                Self {
                    created: from,
                    in_use: year(from),
                    on_disk: None,
                }
            }
            Scenario::Expired => {
                let from = shift(now, -365 * DAY - 3600);
                Self {
                    created: from,
                    in_use: year(from),
                    on_disk: None,
                }
            }
            Scenario::Seed | Scenario::Flaky | Scenario::French => {
                let from = shift(now, -365 * DAY - 7200);
                Self {
                    created: from,
                    in_use: year(from),
                    on_disk: Some(year(shift(now, -146 * DAY))),
                }
            }
        }
    }
}

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
        pki,
        endpoint,
        peers: BTreeSet::new(),
        in_memory: BTreeMap::new(),
        watch: Watch::default(),
        alarms: Vec::new(),
        history: Vec::new(),
        faults: FaultPlan::default(),
        config,
    };
    for authority in [&world.pki.ca, &world.pki.etcd, &world.pki.front_proxy] {
        world.watch.learn_authority(authority);
    }
    add_nodes(&mut world, &story)?;
    start_everything(&mut world, &story)?;
    add_pods(&mut world);
    add_faults(&mut world);
    world.advance_to(0);
    Ok(world)
}

fn add_nodes(world: &mut World, story: &Story) -> Result<(), LabError> {
    for (index, name) in world.config.host_names().into_iter().enumerate() {
        let role = if index < world.config.masters {
            Role::ControlPlane
        } else {
            Role::Worker
        };
        let node = bare_node(world, index, &name, role);
        world.nodes.push(node);
        put_kubelet_files(world, index, story)?;
        if role == Role::ControlPlane {
            put_master_files(world, index, story)?;
        }
    }
    Ok(())
}

fn bare_node(world: &mut World, index: usize, name: &str, role: Role) -> Node {
    let config = &world.config;
    let number = if role == Role::Worker {
        21 + index - config.masters
    } else {
        11 + index
    };
    let french = config.scenario == Scenario::French;
    let offset = config
        .clock_offsets
        .iter()
        .find(|(host, _)| host == name)
        .map_or(0, |(_, ms)| *ms);
    let (kube, runtime, live_restore) = (config.kubernetes, config.runtime, config.live_restore);
    Node {
        name: HostName::new(name),
        index,
        role,
        address: format!("192.168.{}.{}", 140 + number / 250, number % 250),
        kube,
        runtime,
        live_restore,
        files: FileTree::default(),
        units: units_of(runtime),
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
        disk_free: 38_654_705_664,
        delay: 0,
    }
}

fn units_of(runtime: RuntimeKind) -> BTreeMap<&'static str, Unit> {
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
    units.into_iter().map(|u| (u.name, u)).collect()
}

fn put_kubelet_files(world: &mut World, index: usize, story: &Story) -> Result<(), LabError> {
    let (name, now) = (world.nodes[index].name.to_string(), world.clock.wall(0));
    let expired = world.config.expired_kubelets.contains(&name);
    let until = if expired {
        shift(now, -3600)
    } else {
        shift(now, 219 * DAY)
    };
    let from = shift(until, -365 * DAY);
    let spec = LeafSpec::client(format!("system:node:{name}"), Some("system:nodes"), Signer::Ca);
    let client = world.issue(spec, from, until)?;
    let serving = LeafSpec::server(format!("{name}@{}", story.created.as_second()), vec![name], Signer::Own);
    let serving = world.issue(serving, story.created, shift(story.created, 3650 * DAY))?;
    let dated = format!("kubelet-client-{}.pem", from.strftime("%Y-%m-%d-%H-%M-%S"));
    let kubeconfig = kubelet_conf(&world.endpoint);
    let files = &mut world.nodes[index].files;
    files.put(format!("/var/lib/kubelet/pki/{dated}"), Content::Bundle(client), from);
    files.put(
        KUBELET_CLIENT,
        Content::Link(format!("/var/lib/kubelet/pki/{dated}")),
        from,
    );
    files.put(
        "/var/lib/kubelet/pki/kubelet.crt",
        Content::Certificate(Arc::clone(&serving)),
        story.created,
    );
    files.put("/var/lib/kubelet/pki/kubelet.key", Content::Key(serving), story.created);
    files.put("/etc/kubernetes/kubelet.conf", Content::Text(kubeconfig), story.created);
    let config = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nrotateCertificates: true\nstaticPodPath: /etc/kubernetes/manifests\n";
    files.put(
        "/var/lib/kubelet/config.yaml",
        Content::Text(config.to_owned()),
        story.created,
    );
    files.put(
        "/etc/os-release",
        Content::Text("PRETTY_NAME=\"Ubuntu 18.04.5 LTS\"\nID=ubuntu\n".to_owned()),
        story.created,
    );
    files.put(
        "/etc/kubernetes/pki/ca.crt",
        Content::CaCertificate(Arc::clone(&world.pki.ca)),
        story.created,
    );
    if world.config.live_restore {
        files.put(
            "/etc/docker/daemon.json",
            Content::Text("{\"live-restore\": true}\n".to_owned()),
            story.created,
        );
    }
    Ok(())
}

fn kubelet_conf(endpoint: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    server: https://{endpoint}\n  name: kubernetes\nusers:\n\
         - name: default-auth\n  user:\n    client-certificate: {KUBELET_CLIENT}\n    client-key: {KUBELET_CLIENT}\n"
    )
}

/// A file that holds a leaf on a master: where, and what for.
struct Place {
    path: String,
    spec: LeafSpec,
    kubeconfig: bool,
}

fn places(world: &World, index: usize) -> Vec<Place> {
    let node = &world.nodes[index];
    let (name, address) = (node.name.to_string(), node.address.clone());
    let vip = world.endpoint.split(':').next().unwrap_or_default().to_owned();
    let file = |path: &str, spec| Place {
        path: format!("{PKI}/{path}.crt"),
        spec,
        kubeconfig: false,
    };
    let conf = |path: &str, user: &str, group| Place {
        path: format!("/etc/kubernetes/{path}"),
        spec: LeafSpec::client(user, group, Signer::Ca),
        kubeconfig: true,
    };
    let own = |items: &[&str]| items.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let service = own(&[
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "10.96.0.1",
    ]);
    let api = [vec![name.clone()], service, vec![address.clone(), vip]].concat();
    let etcd = [own(&["localhost", "127.0.0.1", "::1"]), vec![name.clone(), address]].concat();
    let both = |sans| LeafSpec {
        client: true,
        ..LeafSpec::server(name.clone(), sans, Signer::EtcdCa)
    };
    let admins = if world.config.kubernetes.minor >= 29 {
        "kubeadm:cluster-admins"
    } else {
        "system:masters"
    };
    let mut places = vec![
        file("apiserver", LeafSpec::server("kube-apiserver", api, Signer::Ca)),
        file(
            "apiserver-kubelet-client",
            LeafSpec::client("kube-apiserver-kubelet-client", Some("system:masters"), Signer::Ca),
        ),
        file(
            "front-proxy-client",
            LeafSpec::client("front-proxy-client", None, Signer::FrontProxyCa),
        ),
        file(
            "apiserver-etcd-client",
            LeafSpec::client("kube-apiserver-etcd-client", Some("system:masters"), Signer::EtcdCa),
        ),
        file("etcd/server", both(etcd.clone())),
        file("etcd/peer", both(etcd)),
        file(
            "etcd/healthcheck-client",
            LeafSpec::client("kube-etcd-healthcheck-client", Some("system:masters"), Signer::EtcdCa),
        ),
        conf("admin.conf", "kubernetes-admin", Some(admins)),
        conf("controller-manager.conf", "system:kube-controller-manager", None),
        conf("scheduler.conf", "system:kube-scheduler", None),
    ];
    if world.config.kubernetes.minor >= 29 && index == 0 {
        places.push(conf(
            "super-admin.conf",
            "kubernetes-super-admin",
            Some("system:masters"),
        ));
    }
    places
}

/// Writes the leaves of one validity; the processes that started with them are started in between.
fn put_leaves(world: &mut World, index: usize, (from, until): (Timestamp, Timestamp)) -> Result<(), LabError> {
    for place in places(world, index) {
        let leaf = world.issue(place.spec, shift(from, -300), until)?;
        put_leaf(world, index, &place.path, place.kubeconfig, leaf, from);
    }
    Ok(())
}

fn put_leaf(world: &mut World, index: usize, path: &str, kubeconfig: bool, leaf: Arc<Leaf>, modified: Timestamp) {
    let server = format!("https://{}", world.endpoint);
    let ca = Arc::clone(&world.pki.ca);
    let files = &mut world.nodes[index].files;
    if kubeconfig {
        files.put(path, Content::Kubeconfig { server, ca, leaf }, modified);
        return;
    }
    files.put(path.replace(".crt", ".key"), Content::Key(Arc::clone(&leaf)), modified);
    files.put(path, Content::Certificate(leaf), modified);
}

fn put_master_files(world: &mut World, index: usize, story: &Story) -> Result<(), LabError> {
    put_leaves(world, index, story.in_use)?;
    let external = world.config.external_ca;
    let address = world.nodes[index].address.clone();
    let pki = [
        ("ca", &world.pki.ca),
        ("etcd/ca", &world.pki.etcd),
        ("front-proxy-ca", &world.pki.front_proxy),
    ];
    for (name, authority) in pki {
        let files = &mut world.nodes[index].files;
        files.put(
            format!("{PKI}/{name}.crt"),
            Content::CaCertificate(Arc::clone(authority)),
            story.created,
        );
        if !external {
            files.put(
                format!("{PKI}/{name}.key"),
                Content::CaKey(Arc::clone(authority)),
                story.created,
            );
        }
    }
    let files = &mut world.nodes[index].files;
    for component in COMPONENTS {
        files.put(
            manifest(component),
            Content::Text(manifest_text(component, &address)),
            story.created,
        );
    }
    Ok(())
}

fn manifest_text(component: &str, address: &str) -> String {
    let flag = if component == "kube-apiserver" {
        format!("    - --advertise-address={address}\n")
    } else {
        String::new()
    };
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n    component: {component}\n    tier: control-plane\n  name: {component}\n  \
         namespace: kube-system\nspec:\n  containers:\n  - command:\n    - {component}\n{flag}    name: {component}\n  hostNetwork: true\n"
    )
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
        if let (Some(disk), Role::ControlPlane) = (story.on_disk, world.nodes[index].role) {
            put_leaves(world, index, disk)?;
        }
        give_operator_a_kubeconfig(world, index);
    }
    link_etcd(world);
    start_kubelets(world);
    Ok(())
}

/// `~/.kube/config` as people make it: root follows admin.conf, the login user has a copy.
fn give_operator_a_kubeconfig(world: &mut World, index: usize) {
    let wall = world.clock.wall(0);
    let files = &mut world.nodes[index].files;
    let Some(admin) = files.entry("/etc/kubernetes/admin.conf").cloned() else {
        return;
    };
    files.put(
        "/root/.kube/config",
        Content::Link("/etc/kubernetes/admin.conf".to_owned()),
        wall,
    );
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
        let pid = node.unit("kubelet").map_or(0, |u| u.pid);
        let client = node.files.leaf(KUBELET_CLIENT);
        let turn = node.index;
        let api = super::kubelet::balance(&moment, turn).map(|a| a.container.clone());
        node.kubelet = Some(Kubelet::settled(pid, client, api.filter(|_| silent), moment.now));
        if silent {
            node.last_status = moment.now;
        }
    }
}

fn add_pods(world: &mut World) {
    let namespace = if world.config.operator_calico {
        "calico-system"
    } else {
        "kube-system"
    };
    for index in 0..world.nodes.len() {
        let trouble = trouble_of(world, index);
        let mut pod = daemon_pod(world, index, namespace, "calico-node");
        pod.trouble = trouble;
        pod.state = troubled_state(trouble, pod.created);
        pod.restarts = if trouble == Some(CalicoTrouble::CrashLoop) {
            31
        } else {
            0
        };
        let pod_proxy = daemon_pod(world, index, "kube-system", "kube-proxy");
        world.pods.extend([pod, pod_proxy]);
        write_first_token(world, index, trouble);
        add_mirror_pods(world, index);
    }
    let workers = world.config.masters..world.nodes.len();
    let last = workers.last().unwrap_or(0);
    let mut controllers = daemon_pod(world, last, namespace, "calico-kube-controllers");
    controllers.owner = Owner::Deployment;
    controllers.name = format!("calico-kube-controllers-65b8787765-{}", world.rng.suffix(5));
    world.pods.push(controllers);
    if world.config.operator_calico {
        let mut typha = daemon_pod(world, last, namespace, "calico-typha");
        typha.owner = Owner::Deployment;
        typha.name = format!("calico-typha-688c9957f5-{}", world.rng.suffix(5));
        world.pods.push(typha);
    }
}

fn trouble_of(world: &World, index: usize) -> Option<CalicoTrouble> {
    let name = world.nodes[index].name.as_str();
    world
        .config
        .calico
        .iter()
        .find(|(host, _)| host == name)
        .map(|(_, trouble)| *trouble)
}

fn troubled_state(trouble: Option<CalicoTrouble>, created: Millis) -> PodState {
    match trouble {
        Some(CalicoTrouble::CrashLoop) => PodState::CrashLoop,
        Some(CalicoTrouble::ImagePull) => PodState::ImagePull,
        Some(CalicoTrouble::Terminating) => PodState::Terminating {
            since: -2 * 3_600_000,
            gone: None,
        },
        Some(CalicoTrouble::Token) | None => PodState::Ready { since: created + 3000 },
    }
}

fn daemon_pod(world: &mut World, node: usize, namespace: &'static str, app: &str) -> Pod {
    let created = -40 * DAY * 1000;
    Pod {
        name: format!("{app}-{}", world.rng.suffix(5)),
        namespace,
        label: ("k8s-app", app.to_owned()),
        app: app.to_owned(),
        owner: Owner::DaemonSet,
        node,
        created,
        state: PodState::Ready { since: created + 3000 },
        restarts: 0,
        trouble: None,
    }
}

fn add_mirror_pods(world: &mut World, index: usize) {
    for component in world.nodes[index].manifests() {
        let name = format!("{component}-{}", world.nodes[index].name);
        let pod = Pod {
            name,
            label: ("component", component.clone()),
            owner: Owner::Node,
            ..daemon_pod(world, index, "kube-system", &component)
        };
        world.pods.push(pod);
    }
}

fn write_first_token(world: &mut World, index: usize, trouble: Option<CalicoTrouble>) {
    let now = world.clock.wall(0);
    let expires = match trouble {
        Some(CalicoTrouble::Token) => Some(shift(now, -6 * 3600)),
        _ if world.config.kubernetes.minor < 21 => None,
        _ => Some(shift(now, 20 * 3600)),
    };
    world.write_cni_token(index, expires);
}

/// The bad network of `flaky`, by the seed alone.
fn add_faults(world: &mut World) {
    if world.config.scenario != Scenario::Flaky {
        return;
    }
    let hosts = world.nodes.len() as u64;
    let pick = |world: &mut World| usize::try_from(world.rng.next() % hosts).unwrap_or(0);
    let (slow, dropped, refused, failing) = (pick(world), pick(world), pick(world), pick(world));
    world.nodes[slow].delay = 300;
    let rule = |world: &World, index: usize, line: &str, fault, times| FaultRule {
        host: world.nodes[index].name.clone(),
        line: line.to_owned(),
        fault,
        times,
    };
    let rules = [
        rule(world, dropped, "systemctl stop", Fault::DropAfter, 1),
        rule(
            world,
            (dropped + 1) % world.nodes.len(),
            "certfleet:facts",
            Fault::DropBefore,
            1,
        ),
        rule(world, refused, "", Fault::RefuseConnection, 2),
    ];
    for fault in rules {
        world.faults.add(fault);
    }
    let service = world.config.runtime.service();
    if let Some(unit) = world.nodes[failing].unit_mut(service) {
        unit.fail_next = 1;
    }
}
