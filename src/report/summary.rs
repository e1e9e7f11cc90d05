//! The end of a run, for somebody who was not watching: how it ended, what is wrong where, and what to do next.

use std::path::Path;

use crate::event::{HostState, PhaseState, PhaseStatus, RunState};
use crate::model::HostName;
use crate::model::exit::RunEnd;
use crate::plan::{Plan, PlannedPhase};

use super::fold::hosts_and_count;
use super::plan_text::short;
use super::style::{Style, Tone};
use super::summary_troubles;
use super::table::{Cell, cell, row, widths};
use super::text::{Page, cut, took};

/// The report of a run. `ledger` is the run's directory, where everything can be looked up again.
pub fn summary(state: &RunState, plan: &Plan, ledger: Option<&Path>, style: &Style) -> String {
    let mut page = Page::new(style);
    headline(&mut page, state, plan);
    summary_troubles::troubles(&mut page, state);
    next_steps(&mut page, state);
    phases(&mut page, state, plan);
    figures(&mut page, state, plan, ledger);
    page.finish()
}

fn headline(page: &mut Page<'_>, state: &RunState, plan: &Plan) {
    let (words, tone) = verdict(state);
    let time = state
        .elapsed
        .map_or_else(String::new, |e| format!(", after {}", took(e)));
    let words = page.style.paint(tone, &words);
    page.line(&format!("{words}: {} on cluster {}{time}", plan.playbook, plan.cluster));
    page.prose(2, Tone::Plain, &meaning(state));
    if let Some(text) = api_still_away(state, plan) {
        page.prose(2, Tone::Bad, &text);
    }
}

/// The end in words that read as well without colour.
fn verdict(state: &RunState) -> (String, Tone) {
    let plain = |words: &str, tone| (words.to_owned(), tone);
    match state.end {
        Some(RunEnd::LeftBehind) => {
            let left = hosts_and_count(&excluded(state));
            (format!("SUCCEEDED, WITHOUT {left}"), Tone::Warn)
        }
        Some(RunEnd::Succeeded) => plain("SUCCEEDED", Tone::Good),
        Some(RunEnd::NothingToDo) => plain("NOTHING TO DO", Tone::Good),
        Some(RunEnd::StepFailed) => plain("A STEP FAILED", Tone::Bad),
        Some(RunEnd::GateFailed) => plain("A GATE FAILED", Tone::Bad),
        Some(RunEnd::Unreachable) => plain("A HOST IS UNREACHABLE", Tone::Bad),
        Some(RunEnd::Aborted) => plain("ABORTED", Tone::Warn),
        Some(RunEnd::Stuck) => plain("STUCK", Tone::Bad),
        None => plain("NOT FINISHED", Tone::Warn),
    }
}

fn meaning(state: &RunState) -> String {
    let place = stopped_in(state).map_or_else(String::new, |p| format!(" in phase `{p}`"));
    match state.end {
        Some(RunEnd::Succeeded) => "Everything planned was done, and every gate proved it.".to_owned(),
        Some(RunEnd::LeftBehind) => {
            "Everything else was done and proven. What was left behind is named below and still needs you.".to_owned()
        }
        Some(RunEnd::NothingToDo) => {
            "What the playbook asks for is true already. Nothing was changed on any host.".to_owned()
        }
        Some(RunEnd::StepFailed) => format!("A host said no{place}. No later phase was started."),
        Some(RunEnd::GateFailed) => {
            format!("The steps{place} were done, but the result could not be proven. No later phase was started.")
        }
        Some(RunEnd::Unreachable) => "Nothing was changed on any host.".to_owned(),
        Some(RunEnd::Aborted) => {
            format!("A person stopped it{place}. Steps in flight were finished, no other was started.")
        }
        Some(RunEnd::Stuck) => format!(
            "It is not known what was done on some host{place}. Look at that host before anything else is done there."
        ),
        None => "The record of this run has no end: certfleet still runs, or was killed.".to_owned(),
    }
}

fn stopped_in(state: &RunState) -> Option<&str> {
    let open = state.phases.iter().rev().find(|p| p.status != PhaseStatus::Done);
    open.map(|p| p.name.as_str())
}

fn excluded(state: &RunState) -> Vec<HostName> {
    state.excluded.keys().cloned().collect()
}

/// The most urgent sentence of all: the run took the API down and did not bring it back.
fn api_still_away(state: &RunState, plan: &Plan) -> Option<String> {
    let outage = plan.outage.as_ref()?;
    let phase = |name: &str| state.phases.iter().find(|p| p.name == name);
    let back = phase(&outage.until).is_some_and(|p| p.status == PhaseStatus::Done);
    (phase(&outage.from).is_some() && !back).then(|| {
        format!(
            "The Kubernetes API is probably STILL AWAY: `{}` was started, and `{}`, which proves it back, was not passed.",
            outage.from, outage.until
        )
    })
}

fn next_steps(page: &mut Page<'_>, state: &RunState) {
    if state.next.is_empty() {
        return;
    }
    page.heading("What to do next");
    for (number, text) in state.next.iter().enumerate() {
        page.labelled(2, &format!("{}. ", number + 1), Tone::Plain, Tone::Plain, text);
    }
}

fn phases(page: &mut Page<'_>, state: &RunState, plan: &Plan) {
    if plan.phases.is_empty() {
        return;
    }
    page.heading("Phases");
    let rows: Vec<Vec<Cell>> = plan.phases.iter().map(|p| phase_row(state, p)).collect();
    let columns = widths(rows.iter().map(|r| &r[..3]));
    let used = columns.iter().sum::<usize>() + 8;
    let room = page.style.measure().saturating_sub(used).max(12);
    for mut cells in rows {
        cells[3].0 = cut(&cells[3].0, room, page.style);
        page.line(&row(page.style, &columns, &cells));
    }
}

fn phase_row(state: &RunState, planned: &PlannedPhase) -> Vec<Cell> {
    let phase = state.phases.iter().rev().find(|p| p.name == planned.name);
    let time = phase.and_then(|p| p.elapsed).map_or_else(String::new, took);
    let hosts = phase.map_or_else(|| planned.hosts(), |p| p.hosts.keys().cloned().collect());
    vec![
        cell(planned.name.clone()),
        result(phase, planned),
        cell(time),
        (hosts_and_count(&hosts), Tone::Host),
    ]
}

fn result(phase: Option<&PhaseState>, planned: &PlannedPhase) -> Cell {
    let said = |words: &str, tone| (words.to_owned(), tone);
    let Some(phase) = phase else {
        return said("not started", Tone::Quiet);
    };
    let lost = |wanted: HostState| phase.hosts.iter().any(|(_, s)| *s == wanted);
    match phase.status {
        PhaseStatus::GateFailed => said("GATE FAILED", Tone::Bad),
        PhaseStatus::Done if planned.gate.is_some() => proven(phase),
        PhaseStatus::Done => said("done", Tone::Good),
        _ if lost(HostState::Unknown) => said("UNKNOWN", Tone::Bad),
        _ if lost(HostState::Failed) => said("STEP FAILED", Tone::Bad),
        PhaseStatus::Gate => said("not proven", Tone::Warn),
        PhaseStatus::Steps => said("interrupted", Tone::Warn),
    }
}

/// Whoever was left behind has proven nothing.
fn proven(phase: &PhaseState) -> Cell {
    let good = phase.hosts.values().filter(|s| **s == HostState::Proven).count();
    if good == phase.hosts.len() {
        ("proven".to_owned(), Tone::Good)
    } else {
        (format!("proven on {good} of {}", phase.hosts.len()), Tone::Warn)
    }
}

fn figures(page: &mut Page<'_>, state: &RunState, plan: &Plan, ledger: Option<&Path>) {
    page.blank();
    page.field("steps", &tally(state));
    if let Some(text) = outage(state, plan) {
        page.field("outage", &text);
    }
    if !state.cordoned.is_empty() {
        let hosts: Vec<HostName> = state.cordoned.keys().cloned().collect();
        page.field("cordoned", &hosts_and_count(&hosts));
    }
    page.field("plan", short(&plan.hash()));
    if let Some(run) = &state.run {
        page.field("run", run.as_str());
    }
    if let Some(path) = ledger {
        page.field("ledger", &path.display().to_string());
    }
}

/// Zeros are left out, but for failures: their absence is worth a word.
fn tally(state: &RunState) -> String {
    let t = &state.tally;
    let counts = [
        (t.changed, "changed"),
        (t.unchanged, "unchanged"),
        (t.skipped, "skipped"),
    ];
    let mut parts: Vec<String> = counts
        .iter()
        .filter(|c| c.0 > 0)
        .map(|(n, w)| format!("{n} {w}"))
        .collect();
    parts.push(format!("{} failed", t.failed));
    if t.unknown > 0 {
        parts.push(format!("{} unknown", t.unknown));
    }
    parts.join(", ")
}

fn outage(state: &RunState, plan: &Plan) -> Option<String> {
    let expected = plan.outage.as_ref().map(|o| took(o.about));
    match (state.outage, expected) {
        (Some(real), Some(about)) => Some(format!(
            "{} measured for the API; about {about} were expected",
            took(real)
        )),
        (Some(real), None) => Some(format!("{} measured for the API", took(real))),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
