//! What runs on a host now, as opposed to what lies on its disk: which certificates are in use, and who is well.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Answers that need a cluster which is up, or a handshake. `None` means "not asked", never "well".
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LiveFacts {
    /// Certificates of kubeadm's that a process of this host uses, or should use.
    pub in_use: Vec<CertificateInUse>,
    /// The API server of this very master.
    pub api: Option<Health>,
    /// The etcd member of this host.
    pub etcd: Option<Health>,
    /// What answers where kubelet.conf points.
    pub endpoint: Option<Health>,
    /// The host's Node object, as the API knows it.
    pub node: Option<Health>,
    /// The Node object itself, where the API has one for the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<NodeObject>,
    /// The pods of the network plugin; only the master that speaks for the cluster has an answer.
    pub network: Option<Health>,
    /// Kubelets that wait for somebody to approve their serving certificate; the same master answers.
    #[serde(default)]
    pub requests: Option<Health>,
    /// Servers of an etcd that no host of the inventory runs, as this master's API server is told to use them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub etcd_elsewhere: Vec<ServedElsewhere>,
}

/// A server that is not ours: only looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServedElsewhere {
    /// `10.0.0.31:2379`
    pub place: String,
    pub health: Health,
    /// When the certificate that it shows ends; `None`: it showed none.
    pub until: Option<Timestamp>,
}

/// What draining must know of a Node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeObject {
    pub name: String,
    pub cordoned: bool,
    /// The run of certfleet whose mark is on it: that cordoned it or, where it is open, left the mark behind. `None` = a
    /// person, or nobody.
    pub cordoned_by: Option<String>,
}

/// A yes, or a no with the reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    Well,
    Ill(String),
}

impl Health {
    /// It is well.
    pub fn is_well(&self) -> bool {
        *self == Self::Well
    }
}

/// One certificate of one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct CertificateInUse {
    /// `kube-apiserver`.
    pub process: String,
    /// kubeadm's name of the file.
    pub certificate: String,
    pub state: Use,
    /// When the certificate that a handshake showed ends; `None`: it is held, but shown to nobody.
    pub served_until: Option<Timestamp>,
}

/// Whether the process uses the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Use {
    Current,
    /// Another certificate than the file's; what was seen.
    Stale(String),
    /// The process does not run, or cannot be asked; why.
    Unknown(String),
}
