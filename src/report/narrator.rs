//! Events as sentences, shared by the plain reporter and the scroll-back of the live one.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::event::{Event, EventKind, GateReason, Tally};
use crate::model::exit::RunEnd;
use crate::model::{HostName, Outcome};

use super::fold::hosts_and_count;
use super::plan_text::short;
use super::style::Tone;
use super::text::{clean, clean_line, count, took};

/// Lines of a failed step's output that are shown.
const OUTPUT_LINES: usize = 20;

/// A stop without another reason.
const ASKED: &str = "a person asked to stop: steps in flight are finished, no other is started";

/// One thing that happened, ready to be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fact {
    /// The kind of fact in one word.
    pub(super) word: &'static str,
    pub(super) tone: Tone,
    pub(super) text: String,
    /// Lines that belong to it: the output of a failed command.
    pub(super) more: Vec<String>,
}

/// Turns events into facts. Remembers titles and the last output of steps in flight.
#[derive(Debug, Default)]
pub(super) struct Narrator {
    /// Also what is only interesting when something is being looked for.
    pub(super) verbose: bool,
    titles: BTreeMap<String, String>,
    outputs: BTreeMap<String, String>,
}

fn fact(word: &'static str, tone: Tone, text: impl Into<String>) -> Fact {
    Fact {
        word,
        tone,
        text: clean_line(&text.into()),
        more: Vec::new(),
    }
}

impl Narrator {
    /// What is to be said about the event, if anything.
    pub(super) fn tell(&mut self, event: &Event) -> Option<Fact> {
        match &event.kind {
            EventKind::RunStarted { .. } => run_started(&event.kind),
            EventKind::RunResumed { operator, notes, .. } => {
                let mut told = fact("RESUMED", Tone::Heading, format!("by {operator}"));
                told.more = notes.iter().map(|n| clean_line(n)).collect();
                Some(told)
            }
            EventKind::PhaseStarted { phase, hosts, outage } => Some(phase_started(phase, hosts, *outage)),
            EventKind::GateStarted { .. }
            | EventKind::GateProgress { .. }
            | EventKind::GatePassed { .. }
            | EventKind::GateFailed { .. } => self.gate(&event.kind),
            EventKind::HostExcluded { phase, host, why } => {
                let text = format!("{host} takes no further part after `{phase}`: {why}");
                Some(fact("LEFT", Tone::Bad, text))
            }
            EventKind::PhaseFinished { phase, elapsed } => {
                Some(fact("finished", Tone::Plain, format!("{phase} ({})", took(*elapsed))))
            }
            EventKind::StopRequested { why } => Some(fact("STOPPING", Tone::Warn, why.as_deref().unwrap_or(ASKED))),
            EventKind::RunFinished {
                end, tally, elapsed, ..
            } => Some(run_finished(*end, *tally, *elapsed)),
            step => self.step(step),
        }
    }

    fn step(&mut self, kind: &EventKind) -> Option<Fact> {
        match kind {
            EventKind::StepStarted { step, host, title, .. } => {
                self.titles.insert(step.clone(), title.clone());
                self.verbose
                    .then(|| fact("start", Tone::Quiet, format!("{host} {title}")))
            }
            EventKind::CommandFinished {
                step,
                host,
                command,
                status,
                output,
                elapsed,
            } => {
                self.outputs.insert(step.clone(), output.clone());
                let text = format!("{host} {command}: {status} ({})", took(*elapsed));
                self.verbose.then(|| fact("command", Tone::Quiet, text))
            }
            EventKind::StepRetried { step, host, why, pause } => {
                let text = format!("{host} {}: {why}; again in {}", self.title(step), took(*pause));
                Some(fact("retry", Tone::Warn, text))
            }
            EventKind::StepFinished {
                step,
                host,
                outcome,
                elapsed,
                ..
            } => Some(self.step_finished(step, host, outcome, *elapsed)),
            _ => None,
        }
    }

    fn step_finished(&mut self, step: &str, host: &HostName, outcome: &Outcome, elapsed: Duration) -> Fact {
        let title = self.title(step);
        self.titles.remove(step);
        let output = self.outputs.remove(step).unwrap_or_default();
        let (word, tone, what) = outcome_words(outcome);
        let time = match outcome {
            Outcome::Skipped { .. } => String::new(),
            _ => format!(" ({})", took(elapsed)),
        };
        let mut told = fact(word, tone, format!("{host} {title}: {what}{time}"));
        if !outcome.is_good() {
            told.more = last_lines(&output);
        }
        told
    }

    /// The step's title; of one that was skipped, or started before we listened, the operation in its id.
    pub(super) fn title(&self, step: &str) -> String {
        let operation = step
            .rsplit('/')
            .next()
            .unwrap_or(step)
            .trim_start_matches(|c: char| c.is_ascii_digit() || c == '-');
        self.titles.get(step).cloned().unwrap_or_else(|| operation.to_owned())
    }

    fn gate(&self, kind: &EventKind) -> Option<Fact> {
        match kind {
            EventKind::GateStarted {
                phase,
                hosts,
                probes,
                timeout,
            } => Some(fact(
                "gate",
                Tone::Plain,
                format!(
                    "{phase}: {} on {}; gives up after {}",
                    probes.join(", "),
                    hosts_and_count(hosts),
                    took(*timeout)
                ),
            )),
            EventKind::GateProgress {
                host,
                probe,
                passed: false,
                detail,
                ..
            } => Some(fact("waiting", Tone::Warn, format!("{host} {probe}: {detail}"))),
            EventKind::GateProgress {
                host, probe, detail, ..
            } => self
                .verbose
                .then(|| fact("passed", Tone::Good, format!("{host} {probe}: {detail}"))),
            EventKind::GatePassed { phase, hosts, elapsed } => Some(fact(
                "proven",
                Tone::Good,
                format!("{phase} on {} ({})", hosts_and_count(hosts), took(*elapsed)),
            )),
            EventKind::GateFailed {
                phase,
                reasons,
                elapsed,
            } => Some(gate_failed(phase, reasons, *elapsed)),
            _ => None,
        }
    }
}

fn run_started(kind: &EventKind) -> Option<Fact> {
    let EventKind::RunStarted {
        run,
        cluster,
        playbook,
        plan,
        version,
        operator,
        hosts,
    } = kind
    else {
        return None;
    };
    let hosts = count(hosts.len(), "host");
    let plan = short(plan);
    let text =
        format!("{run}: {playbook} on cluster {cluster}, {hosts}, plan {plan}, by {operator}, certfleet {version}");
    Some(fact("run", Tone::Heading, text))
}

fn phase_started(phase: &str, hosts: &[HostName], outage: bool) -> Fact {
    let mark = if outage { " (outage accepted)" } else { "" };
    fact(
        "phase",
        Tone::Heading,
        format!("{phase} on {}{mark}", hosts_and_count(hosts)),
    )
}

fn run_finished(end: RunEnd, tally: Tally, elapsed: Duration) -> Fact {
    let (words, tone) = match end {
        RunEnd::Succeeded => ("SUCCEEDED", Tone::Good),
        RunEnd::NothingToDo => ("NOTHING TO DO", Tone::Good),
        RunEnd::LeftBehind => ("SUCCEEDED, WITHOUT SOME HOSTS", Tone::Warn),
        RunEnd::StepFailed => ("A STEP FAILED", Tone::Bad),
        RunEnd::GateFailed => ("A GATE FAILED", Tone::Bad),
        RunEnd::Unreachable => ("A HOST IS UNREACHABLE", Tone::Bad),
        RunEnd::Aborted => ("ABORTED", Tone::Warn),
        RunEnd::Stuck => ("STUCK", Tone::Bad),
    };
    let text = format!(
        "{words}: {} changed, {} unchanged, {} skipped, {} failed, {} unknown ({})",
        tally.changed,
        tally.unchanged,
        tally.skipped,
        tally.failed,
        tally.unknown,
        took(elapsed)
    );
    fact("end", tone, text)
}

fn gate_failed(phase: &str, reasons: &[GateReason], elapsed: Duration) -> Fact {
    let mut told = fact("NOT PROVEN", Tone::Bad, format!("{phase}, after {}", took(elapsed)));
    let mut groups: Vec<(&GateReason, Vec<HostName>)> = Vec::new();
    for reason in reasons {
        let what = |r: &GateReason| (r.probe.clone(), r.last.clone(), r.remedy.clone());
        match groups.iter_mut().find(|(r, _)| what(r) == what(reason)) {
            Some((_, hosts)) => hosts.push(reason.host.clone()),
            None => groups.push((reason, vec![reason.host.clone()])),
        }
    }
    for (reason, hosts) in groups {
        let text = format!("{} {}: {}", hosts_and_count(&hosts), reason.probe, reason.last);
        told.more.push(clean_line(&text));
        let remedy = reason.remedy.iter().map(|r| clean_line(&format!("  do this: {r}")));
        told.more.extend(remedy);
    }
    told
}

/// One word, its tone, and the sentence.
pub(super) fn outcome_words(outcome: &Outcome) -> (&'static str, Tone, String) {
    match outcome {
        Outcome::Changed { what } => ("changed", Tone::Good, what.clone()),
        Outcome::Unchanged { why } => ("unchanged", Tone::Plain, why.clone()),
        Outcome::Skipped { why } => ("skipped", Tone::Quiet, why.0.clone()),
        Outcome::Failed { what, state, next } => (
            "FAILED",
            Tone::Bad,
            format!("{what}; left as: {state}; do this: {next}"),
        ),
        Outcome::Unknown { what, next } => ("UNKNOWN", Tone::Bad, format!("{what}; do this: {next}")),
    }
}

fn last_lines(output: &str) -> Vec<String> {
    let text = clean(output);
    let lines: Vec<&str> = text.lines().filter(|l| !l.trim().is_empty()).collect();
    let from = lines.len().saturating_sub(OUTPUT_LINES);
    lines[from..].iter().map(|l| l.trim_end().to_owned()).collect()
}
