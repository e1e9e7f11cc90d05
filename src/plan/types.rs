//! A plan as a value: printable, serialisable, hashable. What `--dry-run` prints is what would run.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::certificate::CertificateBefore;
use crate::model::facts::ContainerFacts;
use crate::model::gate::ProbeSpec;
use crate::model::shape::ServedFacts;
use crate::model::{HostName, Role, duration};
use crate::operations::types::Planned;

use super::strategy::Choice;

/// The form of the JSON; counts up when a reader must change.
pub(super) const PLAN_FORMAT: u32 = 1;

/// Everything that will be done, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Plan {
    pub format: u32,
    pub cluster: String,
    pub playbook: String,
    pub created: Timestamp,
    pub hosts: Vec<PlannedHost>,
    pub phases: Vec<PlannedPhase>,
    /// The strategy and its reasons; `None` when a playbook was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub choice: Option<Choice>,
    /// The words with which a person asked for it, without inventory and limit; none in plans of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_with: Option<String>,
    pub outage: Option<OutageForecast>,
    /// Errors first. An error means that the plan must not run.
    pub notes: Vec<Note>,
}

/// A host that takes part, pinned by its machine id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlannedHost {
    pub name: HostName,
    pub role: Role,
    pub address: String,
    pub machine_id: Option<String>,
}

/// One barrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlannedPhase {
    pub name: String,
    /// The API or workloads may be away while it runs; accepted in the playbook.
    pub outage: bool,
    /// Workers that may fail before the run stops.
    pub max_failures: usize,
    /// Hosts of the phase that did not answer when the plan was made, and why. They count against `max_failures`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub missing: BTreeMap<HostName, String>,
    /// etcd members that are asked before each batch: none is touched while that would cost the quorum. Empty where the
    /// phase touches none, or accepts the outage.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub quorum: Vec<HostName>,
    /// Hosts that work at the same time; the gate is passed after each batch.
    pub batches: Vec<Vec<HostName>>,
    pub steps: Vec<PlannedStep>,
    pub gate: Option<PlannedGate>,
}

/// One operation on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlannedStep {
    /// `PHASE/HOST/NUMBER-OPERATION`, unique in the plan.
    pub id: String,
    pub host: HostName,
    pub operation: String,
    /// Done once the host's batch has passed the gate, not before it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub after_gate: bool,
    #[serde(flatten)]
    pub planned: Planned,
}

/// What must be proven before the next batch or phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlannedGate {
    pub probes: Vec<PlannedProbe>,
    #[serde(with = "duration")]
    pub quiet: Duration,
    #[serde(with = "duration")]
    pub interval: Duration,
    #[serde(with = "duration")]
    pub timeout: Duration,
}

/// One question about one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PlannedProbe {
    pub host: HostName,
    pub probe: ProbeSpec,
    pub baseline: Baseline,
}

/// What the answer is compared with: the state before the run, so that "it is up" can be told from "it was never restarted".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Baseline {
    /// The answer stands for itself.
    None,
    /// These units must have become active at another time than this (microseconds since boot `boot_id`; after a reboot
    /// the number is another anyway). `since_us: None` = any start will do.
    Unit {
        units: Vec<String>,
        since_us: Option<u64>,
        boot_id: Option<String>,
    },
    /// None of these containers may still run; of each of these static pods one must.
    Containers {
        before: Vec<ContainerFacts>,
        static_pods: Vec<String>,
    },
    /// The certificates as they were.
    Certificates { before: Vec<CertificateBefore> },
    /// What the port served; `None`: it showed nothing.
    Served { before: Option<ServedFacts> },
}

/// How long the API is expected to be away, and why that is expected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct OutageForecast {
    /// The first phase that takes it away.
    pub from: String,
    /// The phase whose gate proves it back.
    pub until: String,
    #[serde(with = "duration")]
    pub about: Duration,
    pub masters: usize,
    pub workers: usize,
    pub why: String,
}

/// Something a person should know before saying yes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Note {
    pub severity: Severity,
    /// A stable name: `ca-expired`, `clock-skew` …
    pub code: String,
    pub host: Option<HostName>,
    pub message: String,
    pub remedy: String,
}

/// Errors sort first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    Error,
    Warning,
    Info,
}

impl Plan {
    /// The notes that forbid to run it.
    pub fn errors(&self) -> impl Iterator<Item = &Note> {
        self.notes.iter().filter(|n| n.severity == Severity::Error)
    }

    /// Steps that would do something.
    pub fn work(&self) -> impl Iterator<Item = &PlannedStep> {
        self.phases
            .iter()
            .flat_map(|p| &p.steps)
            .filter(|s| s.planned.skip.is_none())
    }

    /// A phase with accepted outage that has something to do.
    pub fn has_outage(&self) -> bool {
        self.outage.is_some()
    }

    /// SHA-256 of the JSON form, lower-case hex: what the ledger pins.
    pub fn hash(&self) -> String {
        // A plan is made of strings, numbers and maps with text keys: it always has a JSON form.
        let json = serde_json::to_vec(self).unwrap_or_default();
        Sha256::digest(json).iter().map(|b| format!("{b:02x}")).collect()
    }
}

impl PlannedPhase {
    /// Every host of the phase, in order.
    pub fn hosts(&self) -> Vec<HostName> {
        self.batches.concat()
    }

    /// The steps of one host, in order.
    pub fn steps_of<'a>(&'a self, host: &'a HostName) -> impl Iterator<Item = &'a PlannedStep> {
        self.steps.iter().filter(move |s| s.host == *host)
    }
}

impl Note {
    /// A note that forbids to run the plan.
    pub fn error(code: &str, host: Option<&HostName>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, host, message, remedy)
    }

    /// A note that a person should read.
    pub fn warning(code: &str, host: Option<&HostName>, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, host, message, remedy)
    }

    /// A note that explains a choice.
    pub fn info(code: &str, host: Option<&HostName>, message: impl Into<String>) -> Self {
        Self::new(Severity::Info, code, host, message, "")
    }

    fn new(
        severity: Severity,
        code: &str,
        host: Option<&HostName>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            severity,
            code: code.to_owned(),
            host: host.cloned(),
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}
