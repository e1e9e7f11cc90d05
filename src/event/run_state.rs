//! The one fold: events in, the state of a run out. Screen, report and resume all read this.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::exit::RunEnd;
use crate::model::{HostName, Outcome, RunId};

use super::kinds::{Event, EventKind, GateReason, Tally};

/// Everything that is known about a run from its events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunState {
    pub run: Option<RunId>,
    pub cluster: String,
    pub playbook: String,
    pub started: Option<Timestamp>,
    pub last: Option<Timestamp>,
    pub phases: Vec<PhaseState>,
    /// By step id.
    pub steps: BTreeMap<String, StepRecord>,
    pub tally: Tally,
    pub excluded: BTreeMap<HostName, String>,
    pub stop_requested: bool,
    pub end: Option<RunEnd>,
    pub outage: Option<Duration>,
    pub next: Vec<String>,
    pub elapsed: Option<Duration>,
}

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

/// One step as it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRecord {
    pub phase: String,
    pub host: HostName,
    pub title: String,
    pub status: StepStatus,
    pub elapsed: Option<Duration>,
}

/// Started without finished means that the controller died in between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StepStatus {
    Started,
    Finished(Outcome),
}

impl RunState {
    /// The state after all these events.
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut state = Self::default();
        for event in events {
            state.apply(event);
        }
        state
    }

    /// Takes in one event.
    pub fn apply(&mut self, event: &Event) {
        self.last = Some(event.at);
        match &event.kind {
            EventKind::RunStarted {
                run, cluster, playbook, ..
            } => {
                self.run = Some(run.clone());
                self.cluster.clone_from(cluster);
                self.playbook.clone_from(playbook);
                self.started = Some(event.at);
            }
            EventKind::StopRequested => self.stop_requested = true,
            EventKind::HostExcluded { host, why, .. } => {
                self.excluded.insert(host.clone(), why.clone());
            }
            EventKind::RunFinished {
                end,
                outage_ms,
                next,
                elapsed,
                ..
            } => {
                self.end = Some(*end);
                self.outage = outage_ms.map(Duration::from_millis);
                self.next.clone_from(next);
                self.elapsed = Some(*elapsed);
            }
            kind => self.apply_step(kind).unwrap_or_else(|| self.apply_phase(kind)),
        }
    }

    fn apply_step(&mut self, kind: &EventKind) -> Option<()> {
        match kind {
            EventKind::StepStarted {
                step,
                phase,
                host,
                title,
                ..
            } => {
                let record = StepRecord {
                    phase: phase.clone(),
                    host: host.clone(),
                    title: title.clone(),
                    status: StepStatus::Started,
                    elapsed: None,
                };
                self.steps.insert(step.clone(), record);
                self.set_host(phase, host, HostState::Running);
            }
            EventKind::StepFinished {
                step,
                phase,
                host,
                outcome,
                elapsed,
            } => {
                self.tally.count(outcome);
                let record = self.steps.entry(step.clone()).or_insert_with(|| StepRecord {
                    phase: phase.clone(),
                    host: host.clone(),
                    title: step.clone(),
                    status: StepStatus::Started,
                    elapsed: None,
                });
                record.status = StepStatus::Finished(outcome.clone());
                record.elapsed = Some(*elapsed);
                self.set_host(phase, host, state_after(outcome));
            }
            EventKind::CommandFinished { .. } | EventKind::StepRetried { .. } => {}
            _ => return None,
        }
        Some(())
    }

    fn apply_phase(&mut self, kind: &EventKind) {
        match kind {
            EventKind::PhaseStarted { phase, hosts, outage } => {
                self.phases.push(PhaseState::new(phase, hosts, *outage));
            }
            EventKind::GateStarted { phase, .. } => self.with_phase(phase, |p| p.status = PhaseStatus::Gate),
            EventKind::GateProgress {
                phase,
                host,
                probe,
                passed,
                detail,
            } => self.with_phase(phase, |p| {
                p.probes
                    .insert((host.clone(), probe.clone()), (*passed, detail.clone()));
            }),
            EventKind::GatePassed { phase, hosts, .. } => self.with_phase(phase, |p| p.prove(hosts)),
            EventKind::GateFailed { phase, reasons, .. } => self.with_phase(phase, |p| p.fail(reasons)),
            EventKind::PhaseFinished { phase, elapsed } => self.with_phase(phase, |p| {
                p.status = PhaseStatus::Done;
                p.elapsed = Some(*elapsed);
            }),
            _ => {}
        }
    }

    fn set_host(&mut self, phase: &str, host: &HostName, state: HostState) {
        self.with_phase(phase, |p| {
            let slot = p.hosts.entry(host.clone()).or_insert(HostState::Waiting);
            if !matches!(slot, HostState::Failed | HostState::Unknown) {
                *slot = state;
            }
        });
    }

    fn with_phase(&mut self, name: &str, change: impl FnOnce(&mut PhaseState)) {
        if let Some(phase) = self.phases.iter_mut().rev().find(|p| p.name == name) {
            change(phase);
        }
    }

    /// Steps whose outcome is not known: started and never finished, or finished as unknown.
    pub fn unsettled(&self) -> impl Iterator<Item = (&String, &StepRecord)> {
        let open = |s: &StepStatus| matches!(s, StepStatus::Started | StepStatus::Finished(Outcome::Unknown { .. }));
        self.steps.iter().filter(move |(_, r)| open(&r.status))
    }

    /// Hosts with a failed step, a failed gate, or an exclusion.
    pub fn failed_hosts(&self) -> BTreeSet<HostName> {
        let bad = |(host, state): (&HostName, &HostState)| {
            matches!(state, HostState::Failed | HostState::Unknown).then(|| host.clone())
        };
        let in_phases = self.phases.iter().flat_map(|p| p.hosts.iter().filter_map(bad));
        in_phases.chain(self.excluded.keys().cloned()).collect()
    }
}

fn state_after(outcome: &Outcome) -> HostState {
    match outcome {
        Outcome::Failed { .. } => HostState::Failed,
        Outcome::Unknown { .. } => HostState::Unknown,
        _ => HostState::StepsDone,
    }
}

impl PhaseState {
    fn new(name: &str, hosts: &[HostName], outage: bool) -> Self {
        Self {
            name: name.to_owned(),
            outage,
            hosts: hosts.iter().map(|h| (h.clone(), HostState::Waiting)).collect(),
            status: PhaseStatus::Steps,
            probes: BTreeMap::new(),
            gate_reasons: Vec::new(),
            elapsed: None,
        }
    }

    fn prove(&mut self, hosts: &[HostName]) {
        for host in hosts {
            if let Some(state) = self.hosts.get_mut(host)
                && !matches!(state, HostState::Failed | HostState::Unknown)
            {
                *state = HostState::Proven;
            }
        }
    }

    fn fail(&mut self, reasons: &[GateReason]) {
        self.status = PhaseStatus::GateFailed;
        self.gate_reasons = reasons.to_vec();
        for reason in reasons {
            self.hosts.insert(reason.host.clone(), HostState::Failed);
        }
    }
}
