//! What must be proven before the next phase may start.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration;

/// Probes plus patience.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    pub probes: Vec<ProbeSpec>,
    /// How long every probe must stay good, and the journal free of blocking lines.
    #[serde(with = "duration")]
    pub quiet: Duration,
    /// Time between two rounds of probes.
    #[serde(with = "duration")]
    pub interval: Duration,
    /// After this the gate has failed.
    #[serde(with = "duration")]
    pub timeout: Duration,
}

/// One question with a yes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ProbeSpec {
    /// Every certificate that was to be renewed has a new serial and ends no earlier, and none is expired.
    CertificatesOnDisk,
    /// Every served certificate equals its file.
    CertificatesInUse,
    /// No blocking line for the quiet period, the unit active since the step, and a positive sign.
    KubeletJournal,
    /// A unit is in a state.
    Unit { name: String, state: UnitState },
    /// `/readyz` of the API server on this very master.
    ApiServer,
    /// Where this host's kubelet connects to (VIP, load balancer, one master), a valid certificate is served.
    Endpoint,
    /// This member answers, and the cluster has quorum.
    Etcd,
    /// The host's Node is Ready.
    Nodes,
    /// The CNI's `DaemonSets` are ready, and no pod of theirs is stuck.
    Pods,
    /// The control-plane containers run, and none of them is one that ran before.
    StaticPods,
    /// This port of the host serves a valid certificate, and another one than before the run where that is known: what
    /// k3s and RKE2 are asked, whose certificates have no files that kubeadm knows.
    Served { port: u16 },
    /// controller-manager and scheduler of this master say that they are well.
    ComponentHealth,
}

impl ProbeSpec {
    /// The word used in YAML, events and reports.
    pub fn name(&self) -> &'static str {
        match self {
            ProbeSpec::CertificatesOnDisk => "certificates-on-disk",
            ProbeSpec::CertificatesInUse => "certificates-in-use",
            ProbeSpec::KubeletJournal => "kubelet-journal",
            ProbeSpec::Unit { .. } => "unit",
            ProbeSpec::ApiServer => "api-server",
            ProbeSpec::Endpoint => "endpoint",
            ProbeSpec::Etcd => "etcd",
            ProbeSpec::Nodes => "nodes",
            ProbeSpec::Pods => "pods",
            ProbeSpec::StaticPods => "static-pods",
            ProbeSpec::Served { .. } => "served",
            ProbeSpec::ComponentHealth => "component-health",
        }
    }
}

/// What `unit` waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnitState {
    Active,
    Inactive,
}
