//! A playbook: phases in order, each a barrier. Data, no templates.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration;
use super::gate::Gate;
use super::host::Role;
use super::inventory::Inventory;
use super::selector::Selector;

/// Phases in the order in which they run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Playbook {
    pub name: String,
    pub description: String,
    pub phases: Vec<Phase>,
}

impl Playbook {
    /// Whether its plan depends on what runs on the hosts now ([`super::LiveFacts`]): what is needed, what is drained, and which nodes
    /// an earlier run has left cordoned where this one proves them.
    pub fn asks_what_runs(&self) -> bool {
        let stops = |p: &Phase| p.steps.iter().any(Operation::may_stop_something);
        self.phases
            .iter()
            .any(|p| p.only_needed || p.drain.is_some() || stops(p))
    }

    /// Workers are drained wherever the playbook stops something on them.
    #[must_use]
    pub fn draining(mut self, inventory: &Inventory) -> Self {
        let has_workers = |p: &Phase| inventory.with_role(Role::Worker).any(|h| p.hosts.matches(h));
        let stops = |p: &Phase| p.steps.iter().any(Operation::may_stop_something);
        for phase in self.phases.iter_mut().filter(|p| has_workers(p) && stops(p)) {
            phase.drain.get_or_insert_default();
        }
        self
    }

    /// Every step is done, also where the facts show it to be needless.
    #[must_use]
    pub fn without_exceptions(mut self) -> Self {
        self.phases.iter_mut().for_each(|p| p.only_needed = false);
        self
    }

    /// Certificates are renewed although they are fresh.
    #[must_use]
    pub fn forced(mut self) -> Self {
        for step in self.phases.iter_mut().flat_map(|p| &mut p.steps) {
            if let Operation::RenewCertificates { force, .. } | Operation::ReissueEtcdCertificates { force } = step {
                *force = true;
            }
        }
        self
    }

    /// Another patience with pods that are not ready.
    #[must_use]
    pub fn with_grace(mut self, wanted: Duration) -> Self {
        for step in self.phases.iter_mut().flat_map(|p| &mut p.steps) {
            if let Operation::DeletePods { grace } = step {
                *grace = wanted;
            }
        }
        self
    }
}

/// One barrier: no host enters the next phase before every host of this one has passed its gate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Phase {
    pub name: String,
    pub hosts: Selector,
    /// Hosts at the same time; the gate is passed after each batch.
    pub max_parallel: Option<Share>,
    /// Smaller batches before those of `max_parallel`, in order: `[1, 5%, 25%, 100%]` has three of them.
    #[serde(default)]
    pub waves: Vec<Share>,
    /// `when: needed` in the file: steps that the facts show to be needless are skipped, each with the reason.
    #[serde(default)]
    pub only_needed: bool,
    /// `one-by-one: when-healthy` in the file: where every server of k3s or RKE2 is well and the others are a quorum, one host at
    /// a time and without an outage, whatever `max_parallel` and `outage_accepted` say.
    #[serde(default)]
    pub one_by_one: bool,
    /// Hosts that may fail before the run stops; a master's failure always stops it.
    pub max_failures: Share,
    /// `outage: accepted` in the file.
    pub outage_accepted: bool,
    /// Workers are drained before their first step, and uncordoned once their gate has passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<DrainSettings>,
    pub steps: Vec<Operation>,
    pub gate: Option<Gate>,
}

/// What draining may do. What is not allowed is refused by kubectl, and the node is let back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct DrainSettings {
    /// How long evictions may take, those that a disruption budget forbids for now included.
    #[serde(with = "duration")]
    pub timeout: Duration,
    /// Evict pods with an emptyDir, whose content is lost.
    pub delete_emptydir_data: bool,
    /// Evict pods that no controller makes anew.
    pub force: bool,
    /// Seconds that each pod gets to end, instead of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_period: Option<u64>,
}

impl Default for DrainSettings {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(300),
            delete_emptydir_data: false,
            force: false,
            grace_period: None,
        }
    }
}

/// A number of hosts, or a part of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Share {
    Count(u32),
    Percent(u8),
}

impl Share {
    /// How many of `total`: percent is rounded down.
    pub fn of(self, total: usize) -> usize {
        match self {
            Share::Count(n) => n as usize,
            Share::Percent(p) => total * usize::from(p) / 100,
        }
    }

    /// As [`Share::of`], but at least one: a batch without hosts would never end.
    pub fn at_least_one_of(self, total: usize) -> usize {
        self.of(total).max(1)
    }
}

/// A kind of step. In YAML a single-key map: `service: { unit: kubelet, state: stopped }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// Keep /etc/kubernetes and the kubelet's PKI in a root-only directory of the host.
    Backup,
    /// `kubeadm certs renew`, name by name, proven by serial and notAfter.
    RenewCertificates {
        names: CertificateNames,
        /// Also those that are fresh already.
        #[serde(default)]
        force: bool,
    },
    /// Have the certificates that etcd's CA signs made anew where its key is on another host.
    ReissueEtcdCertificates {
        /// Also those that are fresh already.
        #[serde(default)]
        force: bool,
    },
    /// Start or stop a systemd unit. `runtime` means the container runtime found on the host, `kubelet` its kubelet unit.
    Service { unit: String, state: ServiceState },
    /// Stop the control-plane containers, so that new processes load the new files. Needs a stopped kubelet.
    RecycleStaticPods,
    /// Give the kubelet a new client certificate where it cannot start with the one it has. Needs a stopped kubelet.
    ReissueKubeletClient,
    /// Approve the serving certificates that this fleet's own kubelets ask for.
    ApproveKubeletServing,
    /// Give copies of admin.conf the renewed certificate.
    RefreshKubeconfigCopies,
    /// Remove old backups; the newest whole ones stay.
    PruneBackups {
        /// How many stay; at least 1.
        keep: u32,
    },
    /// Delete the CNI pods that deletion can cure, one node at a time.
    DeletePods {
        /// How long a pod may be not ready after its node became Ready before it counts as stuck.
        #[serde(with = "duration")]
        grace: Duration,
    },
    /// An operator's own command line, run by `sh -c`.
    Run {
        command: String,
        /// A read-only check; exit status 0 means there is nothing to do.
        unless: Option<String>,
        /// Done when this port serves another certificate than before the run, and a valid one.
        #[serde(default)]
        done_when_served: Option<u16>,
        /// Nothing to do where this port serves what the gate's `served` asks for: a valid certificate, and another one than
        /// before the run if there was one.
        #[serde(default)]
        unless_served: Option<u16>,
        #[serde(with = "duration")]
        timeout: Duration,
        /// Run as the login user instead of root.
        as_login_user: bool,
    },
}

impl Operation {
    /// A unit is stopped, or nobody knows what is done.
    pub fn may_stop_something(&self) -> bool {
        let stops = |state: &ServiceState| *state == ServiceState::Stopped;
        matches!(self, Operation::Run { .. }) || matches!(self, Operation::Service { state, .. } if stops(state))
    }

    /// The word used in YAML, events and reports.
    pub fn name(&self) -> &'static str {
        match self {
            Operation::Backup => "backup",
            Operation::RenewCertificates { .. } => "renew-certificates",
            Operation::ReissueEtcdCertificates { .. } => "reissue-etcd-certificates",
            Operation::Service { .. } => "service",
            Operation::RecycleStaticPods => "recycle-static-pods",
            Operation::ReissueKubeletClient => "reissue-kubelet-client",
            Operation::ApproveKubeletServing => "approve-kubelet-serving",
            Operation::RefreshKubeconfigCopies => "refresh-kubeconfig-copies",
            Operation::PruneBackups { .. } => "prune-backups",
            Operation::DeletePods { .. } => "delete-pods",
            Operation::Run { .. } => "run",
        }
    }
}

/// `names: all` or `names: [apiserver, admin.conf]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateNames {
    All,
    Only(Vec<String>),
}

/// The state a `service` step brings about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ServiceState {
    Started,
    Stopped,
}

/// Where each part of a playbook stands in its file, for errors found after parsing: phase index to 1-based line.
pub type PhaseLines = BTreeMap<usize, usize>;
