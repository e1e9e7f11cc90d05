//! One phase of a run, as the fold sees it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::HostName;

use super::kinds::GateReason;

/// One phase as it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PhaseState {
    pub name: String,
    pub outage: bool,
    pub hosts: BTreeMap<HostName, HostState>,
    pub status: PhaseStatus,
    /// Latest word of each probe of each host.
    pub probes: BTreeMap<(HostName, String), (bool, String)>,
    pub gate_reasons: Vec<GateReason>,
    pub elapsed: Option<Duration>,
    pub finished: Option<Timestamp>,
}

/// Where a phase is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhaseStatus {
    Steps,
    Gate,
    GateFailed,
    Done,
}

/// Where a host is within a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostState {
    Waiting,
    Running,
    StepsDone,
    Proven,
    Failed,
    Unknown,
}

impl PhaseState {
    pub(super) fn new(name: &str, hosts: &[HostName], outage: bool) -> Self {
        Self {
            name: name.to_owned(),
            outage,
            hosts: hosts.iter().map(|h| (h.clone(), HostState::Waiting)).collect(),
            status: PhaseStatus::Steps,
            probes: BTreeMap::new(),
            gate_reasons: Vec::new(),
            elapsed: None,
            finished: None,
        }
    }

    pub(super) fn prove(&mut self, hosts: &[HostName]) {
        for host in hosts {
            if let Some(state) = self.hosts.get_mut(host)
                && !matches!(state, HostState::Failed | HostState::Unknown)
            {
                *state = HostState::Proven;
            }
        }
    }

    pub(super) fn fail(&mut self, reasons: &[GateReason]) {
        self.status = PhaseStatus::GateFailed;
        self.gate_reasons = reasons.to_vec();
        for reason in reasons {
            self.hosts.insert(reason.host.clone(), HostState::Failed);
        }
    }
}
