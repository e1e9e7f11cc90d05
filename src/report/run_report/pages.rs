//! The pages of a report: steps, commands and gates, sorted from the ledger's order into phases and hosts.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::event::{Event, EventKind, HostState, PhaseState, PhaseStatus, RunState};
use crate::model::{HostName, Outcome};

use super::types::{CommandReport, GateReport, HostReport, PhaseReport, SawReport, StepReport};

/// Steps and gates as they are read, in the order of the ledger.
#[derive(Debug, Default)]
pub(super) struct Pages {
    /// By phase.
    started: BTreeMap<String, Timestamp>,
    /// By phase and host, in order.
    steps: BTreeMap<(String, HostName), Vec<StepReport>>,
    /// Where a step is: phase and host.
    place: BTreeMap<String, (String, HostName)>,
    gates: BTreeMap<String, GateReport>,
    excluded: BTreeMap<(String, HostName), String>,
}

impl Pages {
    pub(super) fn take(&mut self, event: &Event) {
        match &event.kind {
            EventKind::PhaseStarted { phase, .. } => {
                self.started.entry(phase.clone()).or_insert(event.at);
            }
            EventKind::StepStarted {
                step,
                phase,
                host,
                title,
                ..
            } => self.open(step, phase, host, title, event.at),
            EventKind::StepFinished {
                step,
                phase,
                host,
                outcome,
                elapsed,
            } => {
                self.open_if_new(step, phase, host, event.at);
                if let Some(found) = self.step(step) {
                    close(found, outcome, millis(*elapsed));
                }
            }
            EventKind::HostExcluded { phase, host, why } => {
                self.excluded.insert((phase.clone(), host.clone()), why.clone());
            }
            _ => self.take_detail(event),
        }
    }

    fn take_detail(&mut self, event: &Event) {
        match &event.kind {
            EventKind::CommandFinished {
                step,
                command,
                status,
                output,
                elapsed,
                ..
            } => {
                let told = CommandReport {
                    command: command.clone(),
                    status: status.to_string(),
                    success: status.success(),
                    output: output.clone(),
                    elapsed_ms: millis(*elapsed),
                };
                if let Some(step) = self.step(step) {
                    step.commands.push(told);
                }
            }
            EventKind::StepRetried { step, .. } => {
                if let Some(step) = self.step(step) {
                    step.tries += 1;
                }
            }
            _ => self.take_gate(event),
        }
    }

    fn take_gate(&mut self, event: &Event) {
        match &event.kind {
            EventKind::GateStarted { phase, .. } => self.gate(phase).status = "open",
            EventKind::GateProgress {
                phase,
                host,
                probe,
                passed,
                detail,
            } => {
                let saw = SawReport {
                    at: event.at,
                    host: host.clone(),
                    probe: probe.clone(),
                    passed: *passed,
                    detail: detail.clone(),
                };
                self.gate(phase).saw.push(saw);
            }
            EventKind::GatePassed { phase, elapsed, .. } => {
                let gate = self.gate(phase);
                (gate.status, gate.elapsed_ms) = ("passed", Some(millis(*elapsed)));
                gate.reasons.clear();
            }
            EventKind::GateFailed {
                phase,
                reasons,
                elapsed,
            } => {
                let gate = self.gate(phase);
                (gate.status, gate.elapsed_ms) = ("failed", Some(millis(*elapsed)));
                gate.reasons = reasons
                    .iter()
                    .map(|r| format!("{}: {}: {}", r.host, r.probe, r.last))
                    .collect();
            }
            _ => {}
        }
    }

    fn gate(&mut self, phase: &str) -> &mut GateReport {
        self.gates.entry(phase.to_owned()).or_insert_with(|| GateReport {
            status: "open",
            elapsed_ms: None,
            saw: Vec::new(),
            reasons: Vec::new(),
        })
    }

    fn step(&mut self, id: &str) -> Option<&mut StepReport> {
        let place = self.place.get(id)?;
        self.steps.get_mut(place)?.iter_mut().find(|s| s.id == id)
    }

    fn open(&mut self, id: &str, phase: &str, host: &HostName, title: &str, at: Timestamp) {
        self.open_if_new(id, phase, host, at);
        if let Some(step) = self.step(id) {
            title.clone_into(&mut step.title);
            step.outcome = "started";
            "no end is recorded".clone_into(&mut step.what);
            (step.state, step.next) = (None, None);
            step.tries += 1;
        }
    }

    /// Steps that are skipped, or found done, have no start.
    fn open_if_new(&mut self, id: &str, phase: &str, host: &HostName, at: Timestamp) {
        let place = (phase.to_owned(), host.clone());
        if self.place.insert(id.to_owned(), place.clone()).is_some() {
            return;
        }
        self.steps.entry(place).or_default().push(StepReport {
            id: id.to_owned(),
            title: operation(id),
            outcome: "started",
            what: String::new(),
            state: None,
            next: None,
            started: at,
            elapsed_ms: None,
            tries: 0,
            commands: Vec::new(),
        });
    }

    pub(super) fn phase(&self, phase: &PhaseState, state: &RunState) -> PhaseReport {
        let hosts = phase.hosts.iter().map(|(host, now)| {
            let key = (phase.name.clone(), host.clone());
            HostReport {
                host: host.clone(),
                state: host_state(*now),
                excluded: self.excluded.get(&key).cloned(),
                steps: self.steps.get(&key).cloned().unwrap_or_default(),
            }
        });
        PhaseReport {
            name: phase.name.clone(),
            outage: phase.outage,
            status: phase_status(phase.status),
            started: self
                .started
                .get(&phase.name)
                .copied()
                .or(state.started)
                .unwrap_or(Timestamp::UNIX_EPOCH),
            elapsed_ms: phase.elapsed.map(millis),
            hosts: hosts.collect(),
            gate: self.gates.get(&phase.name).cloned(),
        }
    }
}

fn close(step: &mut StepReport, outcome: &Outcome, elapsed_ms: u64) {
    step.elapsed_ms = Some(elapsed_ms);
    (step.state, step.next) = (None, None);
    (step.outcome, step.what) = match outcome {
        Outcome::Changed { what } => ("changed", what.clone()),
        Outcome::Unchanged { why } => ("unchanged", why.clone()),
        Outcome::Skipped { why } => ("skipped", why.0.clone()),
        Outcome::Failed { what, state, next } => {
            (step.state, step.next) = (Some(state.clone()), Some(next.clone()));
            ("failed", what.clone())
        }
        Outcome::Unknown { what, next } => {
            step.next = Some(next.clone());
            ("unknown", what.clone())
        }
    };
}

/// `stop-kubelet/m1/1-service` is `service`.
fn operation(id: &str) -> String {
    let last = id.rsplit('/').next().unwrap_or(id);
    last.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-')
        .to_owned()
}

fn host_state(state: HostState) -> &'static str {
    match state {
        HostState::Waiting => "waiting",
        HostState::Running => "running",
        HostState::StepsDone => "done",
        HostState::Proven => "proven",
        HostState::Failed => "failed",
        HostState::Unknown => "unknown",
    }
}

fn phase_status(status: PhaseStatus) -> &'static str {
    match status {
        PhaseStatus::Steps => "steps",
        PhaseStatus::Gate => "gate",
        PhaseStatus::GateFailed => "gate failed",
        PhaseStatus::Done => "done",
    }
}

pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
