//! From the events, the plan and the facts of a run to its report.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::event::{Event, EventKind, HostState, PhaseState, PhaseStatus, RunState};
use crate::model::exit::RunEnd;
use crate::model::{HostFacts, HostName, Outcome};

use super::types::{
    CertificateReport, CommandReport, CordonedReport, GateReport, HostReport, LeftBehindReport, PhaseReport, RunReport,
    SawReport, StepReport,
};

const REPORT_FORMAT: u32 = 1;

/// What lies in the directory of a run. Facts that are missing leave the certificates out.
#[derive(Debug)]
pub struct RunFiles<'a> {
    pub events: &'a [Event],
    pub before: Option<&'a BTreeMap<HostName, HostFacts>>,
    pub after: Option<&'a BTreeMap<HostName, HostFacts>>,
    /// What could not be read, one sentence each.
    pub missing: Vec<String>,
}

/// Everything that is known of a run.
pub fn run_report(files: &RunFiles<'_>) -> RunReport {
    let state = RunState::fold(files.events);
    let mut report = head(&state);
    let mut pages = Pages::default();
    for event in files.events {
        if let EventKind::RunStarted {
            plan,
            version,
            operator,
            hosts,
            ..
        } = &event.kind
        {
            (report.plan, report.version, report.operator) = (plan.clone(), version.clone(), operator.clone());
            report.untouched = untouched(hosts, &state);
        }
        pages.take(event);
    }
    report.phases = state.phases.iter().map(|p| pages.phase(p, &state)).collect();
    report.certificates = certificates(files.before, files.after);
    report.missing.clone_from(&files.missing);
    report
}

fn head(state: &RunState) -> RunReport {
    let wall = match (state.started, state.last) {
        (Some(from), Some(to)) => Duration::try_from(to.duration_since(from)).unwrap_or_default(),
        _ => Duration::ZERO,
    };
    RunReport {
        format: REPORT_FORMAT,
        run: state.run.as_ref().map_or_else(String::new, ToString::to_string),
        cluster: state.cluster.clone(),
        playbook: state.playbook.clone(),
        plan: String::new(),
        version: String::new(),
        operator: String::new(),
        started: state.started,
        last: state.last,
        end: state.end,
        verdict: verdict(state.end).to_owned(),
        resumed: state.resumed,
        elapsed_ms: millis(wall),
        outage_ms: state.outage.map(millis),
        tally: state.tally,
        next: state.next.clone(),
        left_behind: left_behind(state),
        untouched: Vec::new(),
        cordoned: cordoned(state),
        phases: Vec::new(),
        certificates: Vec::new(),
        missing: Vec::new(),
    }
}

fn left_behind(state: &RunState) -> Vec<LeftBehindReport> {
    let told = |(host, why): (&HostName, &String)| LeftBehindReport {
        host: host.clone(),
        why: why.clone(),
    };
    state.excluded.iter().map(told).collect()
}

fn untouched(hosts: &[HostName], state: &RunState) -> Vec<HostName> {
    let reached = |h: &HostName| state.excluded.contains_key(h) || state.phases.iter().any(|p| p.hosts.contains_key(h));
    hosts.iter().filter(|h| !reached(h)).cloned().collect()
}

fn cordoned(state: &RunState) -> Vec<CordonedReport> {
    let told = |(host, (node, _)): (&HostName, &(String, HostName))| CordonedReport {
        host: host.clone(),
        node: node.clone(),
    };
    state.cordoned.iter().map(told).collect()
}

/// The end in words.
pub(in crate::report) fn verdict(end: Option<RunEnd>) -> &'static str {
    match end {
        Some(RunEnd::Succeeded) => "succeeded",
        Some(RunEnd::NothingToDo) => "nothing to do",
        Some(RunEnd::LeftBehind) => "succeeded, without some hosts",
        Some(RunEnd::StepFailed) => "a step failed",
        Some(RunEnd::GateFailed) => "a gate failed",
        Some(RunEnd::Unreachable) => "a host is unreachable",
        Some(RunEnd::Aborted) => "aborted",
        Some(RunEnd::Stuck) => "stuck",
        None => "not finished",
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Steps and gates as they are read, in the order of the ledger.
#[derive(Debug, Default)]
struct Pages {
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
    fn take(&mut self, event: &Event) {
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

    fn phase(&self, phase: &PhaseState, state: &RunState) -> PhaseReport {
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

fn certificates(
    before: Option<&BTreeMap<HostName, HostFacts>>,
    after: Option<&BTreeMap<HostName, HostFacts>>,
) -> Vec<CertificateReport> {
    let Some(before) = before else { return Vec::new() };
    let mut rows = Vec::new();
    for (host, facts) in before {
        let later = after.and_then(|a| a.get(host));
        for certificate in &facts.certificates {
            let old = certificate.x509();
            let new = later
                .and_then(|f| f.certificate(&certificate.name))
                .and_then(|c| c.x509());
            if old.is_none() && new.is_none() {
                continue;
            }
            rows.push(CertificateReport {
                host: host.clone(),
                name: certificate.name.clone(),
                serial_before: old.map(|x| x.serial.clone()),
                not_after_before: old.map(|x| x.not_after),
                serial_after: new.map(|x| x.serial.clone()),
                not_after_after: new.map(|x| x.not_after),
                renewed: matches!((old, new), (Some(o), Some(n)) if o.serial != n.serial),
            });
        }
    }
    rows
}
