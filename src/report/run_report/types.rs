//! What a report of a run holds. The JSON form is for programs: names are never changed, fields are only added.

use jiff::Timestamp;
use serde::Serialize;

use crate::event::Tally;
use crate::model::HostName;
use crate::model::exit::RunEnd;

/// The whole run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunReport {
    /// Counts up when a reader must change.
    pub format: u32,
    pub run: String,
    pub cluster: String,
    pub playbook: String,
    /// SHA-256 of the plan.
    pub plan: String,
    pub version: String,
    pub operator: String,
    pub started: Option<Timestamp>,
    /// The last event.
    pub last: Option<Timestamp>,
    /// None: it still runs, or its controller died.
    pub end: Option<RunEnd>,
    /// The end in words.
    pub verdict: String,
    pub resumed: u32,
    pub elapsed_ms: u64,
    /// How long the API was away; none when it was not, or when that is not over.
    pub outage_ms: Option<u64>,
    pub tally: Tally,
    pub next: Vec<String>,
    /// Hosts that took no further part, or none from the start; `--limit @failed` means them.
    pub left_behind: Vec<LeftBehindReport>,
    /// Hosts that belong to the run and that no phase has come to: they are as they were.
    pub untouched: Vec<HostName>,
    /// Hosts whose nodes the run left cordoned.
    pub cordoned: Vec<CordonedReport>,
    pub phases: Vec<PhaseReport>,
    pub certificates: Vec<CertificateReport>,
    /// Parts of the record that could not be read.
    pub missing: Vec<String>,
}

/// A host that was lost within the failure budget.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct LeftBehindReport {
    pub host: HostName,
    pub why: String,
}

/// A node that takes no pods because of this run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CordonedReport {
    pub host: HostName,
    pub node: String,
}

/// One phase.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct PhaseReport {
    pub name: String,
    pub outage: bool,
    pub status: &'static str,
    pub started: Timestamp,
    pub elapsed_ms: Option<u64>,
    pub hosts: Vec<HostReport>,
    pub gate: Option<GateReport>,
}

/// One host within a phase.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct HostReport {
    pub host: HostName,
    pub state: &'static str,
    pub excluded: Option<String>,
    pub steps: Vec<StepReport>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct StepReport {
    pub id: String,
    pub title: String,
    /// changed, unchanged, skipped, failed, unknown; `started` when no end is recorded.
    pub outcome: &'static str,
    pub what: String,
    /// In which state the host was left, of a failed step.
    pub state: Option<String>,
    pub next: Option<String>,
    pub started: Timestamp,
    pub elapsed_ms: Option<u64>,
    pub tries: u32,
    pub commands: Vec<CommandReport>,
}

/// One command.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CommandReport {
    pub command: String,
    pub status: String,
    pub success: bool,
    pub output: String,
    pub elapsed_ms: u64,
}

/// The gate of a phase.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct GateReport {
    /// passed, failed, open.
    pub status: &'static str,
    pub elapsed_ms: Option<u64>,
    /// Everything that was news, in order.
    pub saw: Vec<SawReport>,
    pub reasons: Vec<String>,
}

/// What a probe saw.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct SawReport {
    pub at: Timestamp,
    pub host: HostName,
    pub probe: String,
    pub passed: bool,
    pub detail: String,
}

/// One certificate before and after.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CertificateReport {
    pub host: HostName,
    pub name: String,
    pub serial_before: Option<String>,
    pub not_after_before: Option<Timestamp>,
    pub serial_after: Option<String>,
    pub not_after_after: Option<Timestamp>,
    pub renewed: bool,
}
