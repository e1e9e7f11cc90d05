//! What was found on a host before anything is changed. Partial answers are normal: `None` means "not known".

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::certificate::CertificateFact;
use super::ids::HostName;
use super::live::LiveFacts;
use super::shape::ShapeFacts;

/// Everything known about one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    pub host: HostName,
    /// Why the host could not be asked at all; everything else is then empty.
    pub unreachable: Option<String>,
    /// Questions that failed on a host that answers, one sentence each.
    pub problems: Vec<String>,
    /// Whether root rights were obtained.
    pub root: Option<bool>,
    /// `PRETTY_NAME` of /etc/os-release.
    pub os: Option<String>,
    pub hostname: Option<String>,
    pub machine_id: Option<String>,
    pub boot_id: Option<String>,
    pub clock: Option<Clock>,
    /// By unit name with suffix: `kubelet.service`, `docker.socket`.
    pub units: BTreeMap<String, UnitFacts>,
    pub runtime: Option<RuntimeKind>,
    /// Path of the CRI socket the runtime listens on.
    pub runtime_socket: Option<String>,
    /// Docker's `live-restore`: containers then survive a stopped dockerd.
    pub live_restore: Option<bool>,
    /// `kubeadm version -o short`.
    pub kubeadm_version: Option<KubeVersion>,
    /// `kubelet --version`.
    pub kubelet_version: Option<KubeVersion>,
    pub certificates: Vec<CertificateFact>,
    /// ca.key is there; `Some(false)` with a ca.crt means an external CA.
    pub ca_key: Option<bool>,
    /// Names of the manifests in /etc/kubernetes/manifests without `.yaml`.
    pub static_pods: Vec<String>,
    /// Control-plane containers that run now.
    pub containers: Vec<ContainerFacts>,
    /// `--advertise-address` of kube-apiserver's manifest.
    pub advertise_address: Option<String>,
    /// `server:` of kubelet.conf: the endpoint this kubelet really uses.
    pub kubelet_server: Option<String>,
    /// Where servers were told to listen; those that were told nothing have no entry.
    #[serde(default)]
    pub listens: Vec<ListenFacts>,
    /// Free space below /var/lib, in bytes.
    pub disk_free: Option<u64>,
    /// crictl is in PATH.
    pub crictl: Option<bool>,
    /// What runs there now; `None`: not looked at (`engine::look_alive`).
    #[serde(default)]
    pub live: Option<LiveFacts>,
    /// The kubelet's `--hostname-override`, if it has one.
    #[serde(default)]
    pub hostname_override: Option<String>,
    /// Name of the user in kubelet.conf: `system:node:NAME` where kubeadm wrote it for this very node.
    #[serde(default)]
    pub kubelet_user: Option<String>,
    /// `serverTLSBootstrap`: the kubelet's serving certificate is requested from the API, and somebody must approve it.
    #[serde(default)]
    pub serving_requested: Option<bool>,
    /// Addresses of the host's own interfaces, without those of pods and services.
    #[serde(default)]
    pub addresses: Vec<String>,
    /// What only some clusters have.
    #[serde(default)]
    pub shape: ShapeFacts,
}

impl HostFacts {
    /// A host about which nothing is known yet.
    pub fn unknown(host: HostName) -> Self {
        Self {
            host,
            unreachable: None,
            problems: Vec::new(),
            root: None,
            os: None,
            hostname: None,
            machine_id: None,
            boot_id: None,
            clock: None,
            units: BTreeMap::new(),
            runtime: None,
            runtime_socket: None,
            live_restore: None,
            kubeadm_version: None,
            kubelet_version: None,
            certificates: Vec::new(),
            ca_key: None,
            static_pods: Vec::new(),
            containers: Vec::new(),
            advertise_address: None,
            kubelet_server: None,
            listens: Vec::new(),
            disk_free: None,
            crictl: None,
            live: None,
            hostname_override: None,
            kubelet_user: None,
            serving_requested: None,
            addresses: Vec::new(),
            shape: ShapeFacts::default(),
        }
    }

    /// A host that could not be asked.
    pub fn unreachable(host: HostName, why: impl Into<String>) -> Self {
        Self {
            unreachable: Some(why.into()),
            ..Self::unknown(host)
        }
    }

    /// The certificate of that name, if the host was asked for it.
    pub fn certificate(&self, name: &str) -> Option<&CertificateFact> {
        self.certificates.iter().find(|c| c.name == name)
    }

    /// Where the server of that name listens, if it was told.
    pub fn listen(&self, server: &str) -> Option<&ListenFacts> {
        self.listens.iter().find(|l| l.server == server)
    }

    /// The unit, by name with or without `.service`.
    pub fn unit(&self, name: &str) -> Option<&UnitFacts> {
        self.units
            .get(name)
            .or_else(|| self.units.get(&format!("{name}.service")))
    }
}

/// A server's own setting of where it listens: its manifest's flags, or the kubelet's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListenFacts {
    /// `kube-apiserver`, `etcd-client`, `etcd-peer`, `kubelet`, `kube-controller-manager`, `kube-scheduler`.
    pub server: String,
    /// Without brackets; `None`: not told, or every address.
    pub address: Option<String>,
    pub port: u16,
}

/// A host's clock against ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clock {
    /// Host minus controller, milliseconds; positive = the host is ahead.
    pub offset_ms: i64,
    /// Half of the round trip, milliseconds: the offset is known to within this.
    pub uncertainty_ms: i64,
}

/// What systemd says of a unit (`systemctl show`).
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct UnitFacts {
    /// `loaded`, `not-found`, `masked` …
    pub load: String,
    /// `active`, `inactive`, `failed`, `activating` …
    pub active: String,
    /// `running`, `dead`, `auto-restart` …
    pub sub: String,
    /// `ActiveEnterTimestampMonotonic`: microseconds since boot when it last became active; 0 = never.
    pub active_since_us: u64,
    /// `MainPID`; 0 = none.
    pub main_pid: u32,
    /// `NRestarts` (systemd 235+).
    pub restarts: Option<u32>,
}

impl UnitFacts {
    /// systemd knows the unit.
    pub fn exists(&self) -> bool {
        self.load != "not-found" && !self.load.is_empty()
    }

    /// Active, and not in an automatic restart loop.
    pub fn is_active(&self) -> bool {
        self.active == "active"
    }
}

/// The container runtime of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum RuntimeKind {
    Docker,
    Containerd,
    CriO,
}

impl RuntimeKind {
    /// systemd units to stop, in this order; sockets first, since a socket starts its service again.
    pub fn units(self) -> &'static [&'static str] {
        match self {
            RuntimeKind::Docker => &["docker.socket", "docker.service"],
            RuntimeKind::Containerd => &["containerd.service"],
            RuntimeKind::CriO => &["crio.service"],
        }
    }

    /// The unit whose state tells whether the runtime runs.
    pub fn service(self) -> &'static str {
        match self {
            RuntimeKind::Docker => "docker.service",
            RuntimeKind::Containerd => "containerd.service",
            RuntimeKind::CriO => "crio.service",
        }
    }
}

impl fmt::Display for RuntimeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            RuntimeKind::Docker => "docker",
            RuntimeKind::Containerd => "containerd",
            RuntimeKind::CriO => "cri-o",
        })
    }
}

/// A running container of the control plane.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ContainerFacts {
    /// Container name in its pod: `kube-apiserver`.
    pub name: String,
    /// Full container id.
    pub id: String,
    /// When it was started, by the host's clock.
    pub started: Option<Timestamp>,
}

/// `v1.19.3`: major, minor, patch; a pre-release suffix is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KubeVersion {
    pub major: u32,
    pub minor: u32,
    pub patch: u32,
}

impl KubeVersion {
    /// `1.minor.0`.
    pub const fn minor(minor: u32) -> Self {
        Self {
            major: 1,
            minor,
            patch: 0,
        }
    }
}

impl std::str::FromStr for KubeVersion {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.trim().trim_start_matches("Kubernetes ").trim_start_matches('v');
        let core = bare.split(['-', '+', ' ']).next().unwrap_or_default();
        let mut parts = core.split('.').map(str::parse::<u32>);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor)), patch) => Ok(Self {
                major,
                minor,
                patch: patch.and_then(Result::ok).unwrap_or(0),
            }),
            _ => Err(format!("`{}` is not a Kubernetes version such as v1.19.3", text.trim())),
        }
    }
}

impl TryFrom<String> for KubeVersion {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<KubeVersion> for String {
    fn from(version: KubeVersion) -> String {
        version.to_string()
    }
}

impl fmt::Display for KubeVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}.{}", self.major, self.minor, self.patch)
    }
}
