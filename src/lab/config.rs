//! What fleet to build: size, scenario, versions, timings.

use jiff::Timestamp;

use super::workload::Workload;
use crate::model::RuntimeKind;
use crate::model::facts::KubeVersion;

use super::timings::Timings;
use super::variety::{Cni, Distribution};

/// A state in which the fleet starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scenario {
    /// Renewed on disk 146 days ago, expired in use two hours ago.
    Seed,
    /// Every kubeadm leaf expired an hour ago, on disk and in use; connections made before still work.
    Expired,
    /// Nothing is wrong; certificates have 200 days left.
    Healthy,
    /// As `Expired`, and the machines were off for so long that every kubelet's own certificate has expired, too: no
    /// kubelet starts, and so no container runs.
    KubeletExpired,
    /// As `Expired` on 1.16: kubelet.conf of the first master holds that kubelet's first certificate.
    KubeletEmbedded,
    /// Healthy, but a Ready calico-node left an expired token for its CNI plugin.
    CalicoToken,
    /// `Seed` on a bad network: connections drop, one host is slow, one unit fails its first start.
    Flaky,
    /// `Seed` on French hosts where sudo wants a password (`labpass`).
    French,
}

impl Scenario {
    /// All scenarios, in the order of the documentation.
    pub const ALL: [Scenario; 8] = [
        Scenario::Seed,
        Scenario::Expired,
        Scenario::KubeletExpired,
        Scenario::KubeletEmbedded,
        Scenario::Healthy,
        Scenario::CalicoToken,
        Scenario::Flaky,
        Scenario::French,
    ];

    /// The word used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Scenario::Seed => "seed",
            Scenario::Expired => "expired",
            Scenario::KubeletExpired => "kubelet-expired",
            Scenario::KubeletEmbedded => "kubelet-embedded",
            Scenario::Healthy => "healthy",
            Scenario::CalicoToken => "calico-token",
            Scenario::Flaky => "flaky",
            Scenario::French => "french",
        }
    }

    /// One line of help.
    pub fn summary(self) -> &'static str {
        match self {
            Scenario::Seed => "certificates renewed on disk months ago, the old ones still in use and expired",
            Scenario::Expired => "every certificate expired, on disk and in use",
            Scenario::KubeletExpired => "expired, and no kubelet starts: their own certificates have expired, too",
            Scenario::KubeletEmbedded => {
                "expired, and kubelet.conf of the first master holds an old certificate (1.16)"
            }
            Scenario::Healthy => "nothing is wrong",
            Scenario::CalicoToken => "healthy, but the CNI plugin's token has expired on one node",
            Scenario::Flaky => "seed, with dropped connections, a slow host and a unit that fails its first start",
            Scenario::French => "seed, with French hosts whose sudo asks for a password",
        }
    }

    /// The master certificates in use expired although newer ones are on disk.
    pub(super) fn is_seed_like(self) -> bool {
        matches!(self, Scenario::Seed | Scenario::Flaky | Scenario::French)
    }
}

impl std::str::FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Scenario::name).join(", ");
        let found = Self::ALL.into_iter().find(|s| s.name() == text);
        found.ok_or_else(|| format!("no scenario `{text}`; there are {}", known()))
    }
}

/// What is wrong with the calico-node pod of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalicoTrouble {
    /// `CrashLoopBackOff` until the pod is deleted.
    CrashLoop,
    /// `ImagePullBackOff`; a new pod has the same fate.
    ImagePull,
    /// Terminating for hours; goes only by force.
    Terminating,
    /// Ready, but the CNI token on the host has expired; a new pod writes a new one.
    Token,
    /// Running, and never ready: it and typha do not trust each other.
    Typha,
}

/// Where the key of an external etcd's CA is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EtcdKey {
    /// As kubeadm's documentation leaves it: on the first etcd host.
    First,
    /// On every etcd host.
    Each,
    /// On no host of the fleet.
    Nowhere,
}

/// The fleet to build. Start from [`LabConfig::new`] and change fields.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct LabConfig {
    pub masters: usize,
    pub workers: usize,
    /// Hosts that run nothing but an etcd member; 0: each master runs its own (stacked).
    pub etcd: usize,
    pub etcd_key: EtcdKey,
    /// The etcd hosts are somebody else's: in no inventory, and not to be logged in to.
    pub foreign_etcd: bool,
    pub scenario: Scenario,
    /// Source of every name, id and fault; the same seed gives the same fleet (keys aside).
    pub seed: u64,
    pub kubernetes: KubeVersion,
    /// Hosts with another version.
    pub versions: Vec<(String, KubeVersion)>,
    pub runtime: RuntimeKind,
    /// Hosts with another one.
    pub runtimes: Vec<(String, RuntimeKind)>,
    /// dockerd keeps containers when it stops.
    pub live_restore: bool,
    /// Calico by the Tigera operator (namespace calico-system) instead of by manifest (kube-system).
    pub operator_calico: bool,
    /// Whose network plugin; the inventory names its namespace and label where they are not calico's or canal's.
    pub cni: Cni,
    /// The certificates with which calico-node and typha know each other have expired (operator only).
    pub typha_expired: bool,
    /// k3s or RKE2 instead of kubeadm's hosts.
    pub distribution: Option<Distribution>,
    /// k3s or RKE2 that bring the listener's old certificate back from their secret.
    pub stale_listener: bool,
    /// Hosts whose kubelet.conf names one master instead of the endpoint of all: worker, master.
    pub direct: Vec<(String, String)>,
    /// Which agents of the network plugin are in trouble, by host name.
    pub calico: Vec<(String, CalicoTrouble)>,
    /// Kubelet client certificates have expired as well, on these hosts.
    pub expired_kubelets: Vec<String>,
    /// Kubelets that somebody restarted since, in vain: they end at each start, and systemd starts them again.
    pub looping_kubelets: Vec<String>,
    /// Kubelets ask the API for their serving certificates, and somebody must approve them. Each pair is one request more,
    /// with the rights of that host's node, for a name besides its own. `None`: kubelets sign their own.
    pub serving_requests: Option<Vec<(String, String)>>,
    /// ca.key is absent (external CA).
    pub external_ca: bool,
    /// kubeadm's `certificatesDir`.
    pub cert_dir: String,
    /// kubeadm's `certificateValidityPeriod`, in days; what is renewed without asking the cluster lives a year.
    pub validity_days: i64,
    /// A backup of a healthy day kept kubeadm's configuration.
    pub kept_config: bool,
    /// Copies of admin.conf on every master besides root's and the login user's; the inventory names them.
    pub copies: Vec<String>,
    /// A virtual address by kube-vip, which uses the admin.conf of its start.
    pub kube_vip: bool,
    /// A static pod of somebody else's on each master: a load balancer in front of the API servers.
    pub haproxy: bool,
    /// Neither crictl nor another client of the container runtime is installed.
    pub without_client: bool,
    /// Pods that people run, by the host where they run.
    pub workload: Vec<(String, Workload)>,
    /// Hosts, and components of theirs that say they are ill although they run.
    pub sick: Vec<(String, String)>,
    /// Hosts, and components of theirs that end soon after each start, before they answer anybody.
    pub looping: Vec<(String, String)>,
    /// Hosts whose kubelet.conf holds another CA than the cluster's; their connections are from before.
    pub foreign_ca: Vec<String>,
    /// The fleet's wall clock at its start; `None` = now.
    pub wall_clock: Option<Timestamp>,
    /// Clock offsets by host name, milliseconds; positive = ahead.
    pub clock_offsets: Vec<(String, i64)>,
    pub timings: Timings,
}

impl LabConfig {
    /// Three masters and five workers of a scenario, with the versions its story needs.
    pub fn new(scenario: Scenario) -> Self {
        let (minor, patch, runtime) = match scenario {
            Scenario::Seed | Scenario::Flaky | Scenario::French => (15, 12, RuntimeKind::Docker),
            Scenario::Expired | Scenario::KubeletExpired => (19, 3, RuntimeKind::Docker),
            Scenario::KubeletEmbedded => (16, 15, RuntimeKind::Docker),
            Scenario::Healthy | Scenario::CalicoToken => (24, 17, RuntimeKind::Containerd),
        };
        Self {
            masters: 3,
            workers: 5,
            etcd: 0,
            etcd_key: EtcdKey::First,
            foreign_etcd: false,
            scenario,
            seed: 20_200_809,
            kubernetes: KubeVersion {
                patch,
                ..KubeVersion::minor(minor)
            },
            versions: Vec::new(),
            runtime,
            runtimes: Vec::new(),
            live_restore: false,
            operator_calico: scenario == Scenario::CalicoToken,
            cni: Cni::Calico,
            typha_expired: false,
            distribution: None,
            stale_listener: false,
            direct: Vec::new(),
            calico: default_trouble(scenario),
            expired_kubelets: Vec::new(),
            looping_kubelets: Vec::new(),
            serving_requests: None,
            external_ca: false,
            cert_dir: "/etc/kubernetes/pki".to_owned(),
            validity_days: 365,
            kept_config: false,
            copies: Vec::new(),
            kube_vip: false,
            haproxy: false,
            without_client: false,
            workload: Vec::new(),
            sick: Vec::new(),
            looping: Vec::new(),
            foreign_ca: Vec::new(),
            wall_clock: None,
            clock_offsets: Vec::new(),
            timings: Timings::default(),
        }
    }

    /// The same with another number of hosts.
    #[must_use]
    pub fn sized(mut self, masters: usize, workers: usize) -> Self {
        self.masters = masters;
        self.workers = workers;
        self
    }

    /// The same with an etcd on hosts of its own.
    #[must_use]
    pub fn with_etcd(mut self, hosts: usize) -> Self {
        self.etcd = hosts;
        self
    }

    /// The same with another Kubernetes minor version and runtime.
    #[must_use]
    pub fn with_versions(mut self, minor: u32, runtime: RuntimeKind) -> Self {
        self.kubernetes = KubeVersion::minor(minor);
        self.runtime = runtime;
        self
    }

    /// `m1`, `m2` … `w1`, `w2` … `e1` …: masters first.
    pub fn host_names(&self) -> Vec<String> {
        let named = |letter, number| (1..=number).map(move |n| format!("{letter}{n}"));
        let nodes = named('m', self.masters).chain(named('w', self.workers));
        nodes.chain(named('e', self.etcd)).collect()
    }
}

/// Troubles are dropped where a smaller fleet has no such host.
fn default_trouble(scenario: Scenario) -> Vec<(String, CalicoTrouble)> {
    let on = |host: &str, trouble| (host.to_owned(), trouble);
    match scenario {
        Scenario::Seed | Scenario::Flaky | Scenario::French => {
            vec![on("m1", CalicoTrouble::CrashLoop), on("w1", CalicoTrouble::CrashLoop)]
        }
        Scenario::Expired => vec![on("w1", CalicoTrouble::CrashLoop)],
        Scenario::CalicoToken => vec![on("w1", CalicoTrouble::Token)],
        Scenario::Healthy | Scenario::KubeletExpired | Scenario::KubeletEmbedded => Vec::new(),
    }
}
