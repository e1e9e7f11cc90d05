//! The one fold: events in, the state of a run out. Screen, report and resume all read this.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::model::exit::RunEnd;
use crate::model::{HostName, Outcome, RunId};

use super::journal_start::{self, JournalStart};
use super::kinds::{Event, EventKind, Tally};
use super::phase_state::{HostState, PhaseState, PhaseStatus};

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
    /// Boot ids as the run began.
    pub boots: BTreeMap<HostName, String>,
    /// When the first phase began that takes the API away.
    pub away_since: Option<Timestamp>,
    /// Where journals ended, by phase and host.
    pub journals: BTreeMap<(String, HostName), JournalStart>,
    pub tally: Tally,
    pub excluded: BTreeMap<HostName, String>,
    /// Hosts whose nodes may be under a cordon of this run: name of the node, and the master that spoke for it.
    pub cordoned: BTreeMap<HostName, (String, HostName)>,
    pub stop_requested: bool,
    /// How often the run was resumed.
    pub resumed: u32,
    pub end: Option<RunEnd>,
    pub outage: Option<Duration>,
    pub next: Vec<String>,
    pub elapsed: Option<Duration>,
}

/// One step as it went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRecord {
    pub phase: String,
    pub host: HostName,
    pub title: String,
    pub status: StepStatus,
    pub elapsed: Option<Duration>,
    /// How often it was begun, retries included.
    pub tries: u32,
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
            EventKind::RunResumed { .. } => self.resume(),
            EventKind::BootsSeen { boots } => self.boots.clone_from(boots),
            EventKind::JournalNoted {
                phase,
                host,
                cursor,
                since,
            } => {
                let start = JournalStart {
                    cursor: cursor.clone(),
                    since: *since,
                    judged: None,
                };
                self.journals.insert((phase.clone(), host.clone()), start);
            }
            EventKind::StopRequested { .. } => self.stop_requested = true,
            EventKind::NodeCordoned {
                host, node, speaker, ..
            } => {
                self.cordoned.insert(host.clone(), (node.clone(), speaker.clone()));
            }
            EventKind::NodeReleased { host, .. } => {
                self.cordoned.remove(host);
            }
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
            kind => self
                .apply_step(kind)
                .unwrap_or_else(|| self.apply_phase(kind, event.at)),
        }
    }

    /// The run is open again. What went wrong before is no longer the state of anything until it is looked at.
    fn resume(&mut self) {
        self.resumed += 1;
        self.end = None;
        self.stop_requested = false;
        self.next.clear();
        self.elapsed = None;
        self.excluded.clear();
        for phase in &mut self.phases {
            phase.gate_reasons.clear();
            if phase.status == PhaseStatus::GateFailed {
                phase.status = PhaseStatus::Steps;
            }
            for state in phase.hosts.values_mut() {
                if matches!(state, HostState::Failed | HostState::Unknown) {
                    *state = HostState::Waiting;
                }
            }
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
                let before = self.steps.get(step);
                if let Some(StepStatus::Finished(outcome)) = before.map(|b| &b.status) {
                    self.tally.uncount(outcome);
                }
                let record = StepRecord {
                    phase: phase.clone(),
                    host: host.clone(),
                    title: title.clone(),
                    status: StepStatus::Started,
                    elapsed: None,
                    tries: before.map_or(0, |b| b.tries) + 1,
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
                    tries: 0,
                });
                if let StepStatus::Finished(before) = &record.status {
                    self.tally.uncount(before);
                }
                record.status = StepStatus::Finished(outcome.clone());
                record.elapsed = Some(*elapsed);
                self.set_host(phase, host, state_after(outcome));
            }
            EventKind::StepRetried { step, .. } => {
                if let Some(record) = self.steps.get_mut(step) {
                    record.tries += 1;
                }
            }
            EventKind::CommandFinished { .. } => {}
            _ => return None,
        }
        Some(())
    }

    fn apply_phase(&mut self, kind: &EventKind, at: Timestamp) {
        match kind {
            EventKind::PhaseStarted { phase, hosts, outage } => {
                if *outage {
                    self.away_since.get_or_insert(at);
                }
                self.open_phase(phase, hosts, *outage);
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
            EventKind::GateFailed { phase, reasons, .. } => {
                journal_start::judge(&mut self.journals, phase, reasons, at);
                self.with_phase(phase, |p| p.fail(reasons));
            }
            EventKind::PhaseFinished { phase, elapsed } => self.with_phase(phase, |p| {
                p.status = PhaseStatus::Done;
                p.finished = Some(at);
                p.elapsed = Some(*elapsed);
            }),
            _ => {}
        }
    }

    /// A resumed run begins a phase again with the hosts that still need it.
    fn open_phase(&mut self, name: &str, hosts: &[HostName], outage: bool) {
        let Some(phase) = self.phases.iter_mut().find(|p| p.name == name) else {
            self.phases.push(PhaseState::new(name, hosts, outage));
            return;
        };
        phase.status = PhaseStatus::Steps;
        for host in hosts {
            phase.hosts.insert(host.clone(), HostState::Waiting);
        }
    }

    fn set_host(&mut self, phase: &str, host: &HostName, state: HostState) {
        self.with_phase(phase, |p| {
            let slot = p.hosts.entry(host.clone()).or_insert(HostState::Waiting);
            // What is done after the gate takes nothing of its proof away.
            let proven = *slot == HostState::Proven && matches!(state, HostState::Running | HostState::StepsDone);
            if !proven && !matches!(slot, HostState::Failed | HostState::Unknown) {
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
