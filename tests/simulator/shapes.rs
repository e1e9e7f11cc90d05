//! The other shapes of cluster, each under every kind of trouble: the same runs, the same judges.
//!
//! Each shape once in a debug build, kinds of trouble in turn; every kind on every shape in a release build.
//! `CERTFLEET_SEEDS=2000 cargo test --release --test simulator shapes` tries so many.

use certfleet::lab::{CalicoTrouble, Cni, Distribution, LabConfig, Scenario};
use certfleet::model::RuntimeKind;
use certfleet::model::facts::KubeVersion;

use crate::case::{Book, Case, HOSTS, TROUBLES};

/// One shape: its word in a case, the playbook, and the fleet.
#[derive(Debug)]
pub(crate) struct Shape {
    name: &'static str,
    pub(crate) playbook: &'static str,
    /// About as many events as a run without trouble has: trouble strikes at one of them.
    events: u64,
    pub(crate) fleet: fn() -> LabConfig,
    /// Masters are taken one at a time.
    rolling: bool,
}

const fn shape(name: &'static str, playbook: &'static str, events: u64, fleet: fn() -> LabConfig) -> Shape {
    Shape {
        name,
        playbook,
        events,
        fleet,
        rolling: false,
    }
}

const fn rolling(name: &'static str, playbook: &'static str, events: u64, fleet: fn() -> LabConfig) -> Shape {
    Shape {
        rolling: true,
        ..shape(name, playbook, events, fleet)
    }
}

const SHAPES: [Shape; 21] = [
    shape("live-restore", "renew", 261, || LabConfig {
        live_restore: true,
        ..expired(19, RuntimeKind::Docker)
    }),
    shape("cri-dockerd", "renew", 119, || small(28, RuntimeKind::Docker)),
    shape("containerd", "renew", 124, || small(27, RuntimeKind::Containerd)),
    shape("cri-o", "renew", 125, || small(30, RuntimeKind::CriO)),
    shape("no-client", "renew", 124, || LabConfig {
        without_client: true,
        ..small(27, RuntimeKind::CriO)
    }),
    shape("one-master", "renew", 133, || {
        LabConfig::new(Scenario::KubeletExpired)
            .with_versions(28, RuntimeKind::Containerd)
            .sized(1, 1)
    }),
    shape("embedded", "renew", 123, || {
        LabConfig::new(Scenario::KubeletEmbedded).sized(1, 1)
    }),
    shape("mixed", "renew", 250, || LabConfig {
        versions: vec![
            ("m1".to_owned(), KubeVersion::minor(19)),
            ("m3".to_owned(), KubeVersion::minor(21)),
        ],
        ..expired(20, RuntimeKind::Docker)
    }),
    shape("mixed-runtimes", "renew", 250, || LabConfig {
        runtimes: vec![
            ("m2".to_owned(), RuntimeKind::Containerd),
            ("m3".to_owned(), RuntimeKind::CriO),
            ("w2".to_owned(), RuntimeKind::Containerd),
        ],
        ..expired(23, RuntimeKind::Docker)
    }),
    shape("kept-config", "renew", 125, || LabConfig {
        cert_dir: "/srv/kubernetes/pki".to_owned(),
        validity_days: 60,
        kept_config: true,
        ..small(32, RuntimeKind::Containerd)
    }),
    shape("kube-vip", "renew", 262, || LabConfig {
        kube_vip: true,
        ..expired(29, RuntimeKind::Containerd)
    }),
    shape("endpoints", "renew", 250, || LabConfig {
        direct: vec![("w2".to_owned(), "m2".to_owned())],
        ..expired(19, RuntimeKind::Docker)
    }),
    shape("operator", "renew", 124, || LabConfig {
        operator_calico: true,
        calico: stuck("m1", CalicoTrouble::CrashLoop),
        ..small(28, RuntimeKind::Containerd)
    }),
    shape("canal", "renew", 119, || LabConfig {
        cni: Cni::Canal,
        calico: stuck("w1", CalicoTrouble::Terminating),
        ..small(19, RuntimeKind::Docker)
    }),
    shape("cilium", "renew", 124, || LabConfig {
        cni: Cni::Cilium,
        ..small(24, RuntimeKind::Containerd)
    }),
    rolling("kube-vip-rolling", "rolling", 211, || LabConfig {
        kube_vip: true,
        ..healthy(29, RuntimeKind::CriO)
    }),
    shape("k3s", "k3s", 69, || distribution(Distribution::K3s, Scenario::Expired)),
    shape("k3s-stale", "k3s", 75, || LabConfig {
        stale_listener: true,
        ..distribution(Distribution::K3s, Scenario::Expired)
    }),
    rolling("k3s-rolling", "k3s", 72, || {
        distribution(Distribution::K3s, Scenario::Healthy)
    }),
    shape("rke2", "rke2", 78, || {
        distribution(Distribution::Rke2, Scenario::Expired)
    }),
    rolling("rke2-rolling", "rke2", 82, || {
        distribution(Distribution::Rke2, Scenario::Healthy)
    }),
];

fn sized(config: LabConfig) -> LabConfig {
    config.sized(3, 2)
}

fn expired(minor: u32, runtime: RuntimeKind) -> LabConfig {
    sized(LabConfig::new(Scenario::Expired).with_versions(minor, runtime))
}

/// Where the number of hosts is not the point.
fn small(minor: u32, runtime: RuntimeKind) -> LabConfig {
    expired(minor, runtime).sized(1, 1)
}

fn healthy(minor: u32, runtime: RuntimeKind) -> LabConfig {
    sized(LabConfig::new(Scenario::Healthy).with_versions(minor, runtime))
}

fn distribution(kind: Distribution, scenario: Scenario) -> LabConfig {
    LabConfig {
        distribution: Some(kind),
        ..LabConfig::new(scenario)
            .with_versions(28, RuntimeKind::Containerd)
            .sized(3, 1)
    }
}

fn stuck(host: &str, trouble: CalicoTrouble) -> Vec<(String, CalicoTrouble)> {
    vec![(host.to_owned(), trouble)]
}

/// A shape by its number.
pub(crate) fn of(number: u8) -> &'static Shape {
    &SHAPES[usize::from(number)]
}

pub(crate) fn name(number: u8) -> &'static str {
    of(number).name
}

/// The book of that name.
pub(crate) fn named(name: &str) -> Option<Book> {
    let at = SHAPES.iter().position(|s| s.name == name)?;
    Some(Book::Shape(u8::try_from(at).ok()?))
}

/// How many etcd members may be away now.
pub(crate) fn accepted(number: u8, outage_begun: bool, masters_proven: bool) -> usize {
    let shape = of(number);
    // No kubelet runs, and so no member; the stale listener is cured one server at a time.
    let down = shape.name == "one-master" || outage_begun;
    match (shape.rolling, down && !masters_proven) {
        (true, _) => 1,
        (false, true) => 3,
        (false, false) => usize::from(shape.name == "k3s-stale"),
    }
}

/// The playbooks of all shapes.
pub(crate) fn playbooks() -> impl Iterator<Item = &'static str> {
    SHAPES.iter().map(|s| s.playbook)
}

/// Masters of kubeadm are taken one at a time, and the quorum is asked before each.
pub(crate) fn asks_for_quorum(number: u8) -> bool {
    let shape = of(number);
    shape.rolling && shape.playbook == "rolling"
}

/// `number` cases: every shape in turn, every kind of trouble within a shape in turn.
pub(crate) fn cases(number: u64) -> Vec<Case> {
    (0..number).map(case).collect()
}

fn case(seed: u64) -> Case {
    let (shapes, kinds) = (SHAPES.len() as u64, TROUBLES.len() as u64 - 1);
    let (at, round, noise) = (seed % shapes, seed / shapes, noise(seed));
    let number = u8::try_from(at).expect("few shapes");
    // The first kind is no trouble; each shape begins with another one.
    let kind = usize::try_from(1 + (round + at) % kinds).expect("few kinds");
    let hosts = (of(number).fleet)().host_names();
    let host = &hosts[usize::try_from(noise % hosts.len() as u64).expect("few hosts")];
    Case {
        book: Book::Shape(number),
        trouble: TROUBLES[kind].0,
        at: 1 + (noise >> 8) % of(number).events,
        host: HOSTS.into_iter().find(|h| h == host).expect("a host of ours"),
    }
}

fn noise(seed: u64) -> u64 {
    let mut noise = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x0123_4567_89ab_cdef;
    for _ in 0..2 {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
    }
    noise
}

/// As many as see every shape once, and in a release build every kind of trouble on every shape.
pub(crate) fn usual() -> u64 {
    let kinds = TROUBLES.len() as u64 - 1;
    SHAPES.len() as u64 * if cfg!(debug_assertions) { 1 } else { kinds }
}
