//! Everything a check says, in one value: what every form of output shows.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{HostName, Role};

use super::diagnosis::{Diagnosis, diagnose};
use super::inspection::{FleetInspection, Inspection};
use super::level::{Level, Thresholds};
use super::row::Row;
use super::{rows, worst};

/// The answer of a check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Findings {
    pub cluster: String,
    /// By our clock.
    pub checked_at: Timestamp,
    /// The worst of all.
    pub level: Level,
    /// Most urgent first.
    pub diagnoses: Vec<Diagnosis>,
    pub hosts: Vec<HostSummary>,
    /// Host by host, in the order of the inventory.
    pub certificates: Vec<Row>,
}

/// A host that was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct HostSummary {
    pub host: HostName,
    pub role: Role,
    pub reachable: bool,
    /// Host minus controller.
    pub clock_offset_ms: Option<i64>,
    /// The offset is known to within this.
    pub clock_uncertainty_ms: Option<i64>,
}

/// Judges everything. `inventory` is the file to name in commands.
pub fn examine(fleet: &FleetInspection, thresholds: Thresholds, inventory: &str) -> Findings {
    let certificates = rows(fleet, thresholds);
    let diagnoses = diagnose(fleet, &certificates, inventory);
    Findings {
        cluster: fleet.cluster.clone(),
        checked_at: fleet.at,
        level: worst(&certificates, &diagnoses),
        diagnoses,
        hosts: fleet.hosts.iter().map(summary).collect(),
        certificates,
    }
}

fn summary(host: &Inspection) -> HostSummary {
    HostSummary {
        host: host.facts.host.clone(),
        role: host.role,
        reachable: host.facts.unreachable.is_none(),
        clock_offset_ms: host.facts.clock.map(|c| c.offset_ms),
        clock_uncertainty_ms: host.facts.clock.map(|c| c.uncertainty_ms),
    }
}
