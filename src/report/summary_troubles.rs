//! What went wrong: one block per trouble, hosts with the same trouble named together.

use crate::event::{GateReason, RunState, StepRecord, StepStatus};
use crate::model::{HostName, Outcome};

use super::fold::hosts_and_count;
use super::style::Tone;
use super::text::Page;

/// One trouble in words.
#[derive(Debug, PartialEq, Eq)]
struct Trouble {
    word: &'static str,
    /// Phase and step, or phase and probe.
    place: String,
    /// Label and text, in reading order.
    facts: Vec<(&'static str, String)>,
}

/// Everything that needs a person, or nothing at all.
pub(super) fn troubles(page: &mut Page<'_>, state: &RunState) {
    let found = collect(state);
    if found.is_empty() {
        return;
    }
    page.heading("What happened");
    for (trouble, hosts) in &found {
        one(page, trouble, hosts);
    }
}

fn one(page: &mut Page<'_>, trouble: &Trouble, hosts: &[HostName]) {
    let head = format!("{}  ", trouble.word);
    let text = format!("{}: {}", hosts_and_count(hosts), trouble.place);
    page.labelled(2, &head, Tone::Bad, Tone::Heading, &text);
    for (label, text) in trouble.facts.iter().filter(|(_, t)| !t.is_empty()) {
        page.labelled(6, &format!("{label:<10}"), Tone::Quiet, Tone::Plain, text);
    }
}

/// Unknown first, then failed steps, then gates, then hosts left behind for another reason.
fn collect(state: &RunState) -> Vec<(Trouble, Vec<HostName>)> {
    let mut found = Vec::new();
    let steps: Vec<&StepRecord> = state.steps.values().collect();
    for step in steps
        .iter()
        .filter(|s| !matches!(s.status, StepStatus::Finished(Outcome::Failed { .. })))
    {
        add(&mut found, of_step(step), &step.host);
    }
    for step in steps
        .iter()
        .filter(|s| matches!(s.status, StepStatus::Finished(Outcome::Failed { .. })))
    {
        add(&mut found, of_step(step), &step.host);
    }
    for phase in &state.phases {
        for reason in &phase.gate_reasons {
            add(&mut found, Some(of_gate(&phase.name, reason)), &reason.host);
        }
    }
    for (host, why) in &state.excluded {
        add(&mut found, Some(left_behind(why)), host);
    }
    found
}

fn add(found: &mut Vec<(Trouble, Vec<HostName>)>, trouble: Option<Trouble>, host: &HostName) {
    let Some(trouble) = trouble else { return };
    match found.iter_mut().find(|(t, _)| *t == trouble) {
        Some((_, hosts)) => hosts.push(host.clone()),
        None => found.push((trouble, vec![host.clone()])),
    }
}

fn of_step(step: &StepRecord) -> Option<Trouble> {
    let place = format!("{} (phase `{}`)", step.title, step.phase);
    let (word, facts) = match &step.status {
        StepStatus::Started => (
            "UNKNOWN",
            vec![
                ("why", "the step was begun and its end was never recorded".to_owned()),
                (
                    "do this",
                    "start the same command again: it looks before it acts".to_owned(),
                ),
            ],
        ),
        StepStatus::Finished(Outcome::Unknown { what, next }) => {
            ("UNKNOWN", vec![("why", what.clone()), ("do this", next.clone())])
        }
        StepStatus::Finished(Outcome::Failed { what, state, next }) => (
            "FAILED",
            vec![
                ("why", what.clone()),
                ("left as", state.clone()),
                ("do this", next.clone()),
            ],
        ),
        StepStatus::Finished(_) => return None,
    };
    Some(Trouble { word, place, facts })
}

fn of_gate(phase: &str, reason: &GateReason) -> Trouble {
    Trouble {
        word: "NOT PROVEN",
        place: format!("{} (gate of phase `{phase}`)", reason.probe),
        facts: vec![
            ("last seen", reason.last.clone()),
            ("do this", reason.remedy.clone().unwrap_or_default()),
        ],
    }
}

fn left_behind(why: &str) -> Trouble {
    Trouble {
        word: "LEFT BEHIND",
        place: "takes no further part in this run".to_owned(),
        facts: vec![("why", why.to_owned())],
    }
}
