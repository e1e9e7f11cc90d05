//! What the live region shows: a pure function of the run's state, so that it can be read in a test.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::event::{HostState, PhaseState, PhaseStatus, RunState};
use crate::model::HostName;

use super::style::{Style, Tone};
use super::text::{cut, width};

/// Most lines about single hosts, however many hosts there are.
pub(super) const HOST_LINES: usize = 6;

/// When each host began the step it is in, and the step's title.
pub(super) type InFlight = BTreeMap<HostName, (Timestamp, String)>;

/// The phase and how its hosts are spread over the states: `3 proven  2 running`.
pub(super) fn head(state: &RunState, style: &Style) -> String {
    let Some(phase) = state.phases.last() else {
        return "starting".to_owned();
    };
    let name = style.paint(Tone::Heading, &phase.name);
    let mark = if phase.outage {
        style.paint(Tone::Warn, "  OUTAGE")
    } else {
        String::new()
    };
    let counts: Vec<String> = histogram(phase)
        .into_iter()
        .map(|(number, word, tone)| style.paint(tone, &format!("{number} {word}")))
        .collect();
    let stop = if state.stop_requested {
        style.paint(Tone::Warn, "  stopping after these steps")
    } else {
        String::new()
    };
    format!("{name}{mark}  {}{stop}", counts.join("  "))
}

fn histogram(phase: &PhaseState) -> Vec<(usize, &'static str, Tone)> {
    let at_gate = phase.status == PhaseStatus::Gate;
    let words = |state: &HostState| match state {
        HostState::Proven => (0, "ok", Tone::Good),
        HostState::StepsDone if at_gate => (2, "at the gate", Tone::Warn),
        HostState::StepsDone => (1, "done", Tone::Good),
        HostState::Running => (3, "running", Tone::Plain),
        HostState::Waiting => (4, "waiting", Tone::Quiet),
        HostState::Failed => (5, "FAILED", Tone::Bad),
        HostState::Unknown => (6, "UNKNOWN", Tone::Bad),
    };
    let mut counts: BTreeMap<usize, (usize, &'static str, Tone)> = BTreeMap::new();
    for state in phase.hosts.values() {
        let (order, word, tone) = words(state);
        counts.entry(order).or_insert((0, word, tone)).0 += 1;
    }
    counts.into_values().collect()
}

/// Exactly `lines` lines about the hosts worth looking at: troubled, then holding the gate, then longest at work.
pub(super) fn hosts(state: &RunState, flight: &InFlight, lines: usize, style: &Style) -> Vec<String> {
    let Some(phase) = state.phases.last() else {
        return vec![String::new(); lines];
    };
    let mut all = troubled(phase, state);
    all.extend(holding(phase));
    all.extend(working(phase, flight));
    let host_width = all.iter().map(|l| width(l.host.as_str())).max().unwrap_or(0);
    let room = style.width.saturating_sub(host_width + 6).max(20);
    let hidden = if all.len() > lines { all.len() + 1 - lines } else { 0 };
    let shown = all.len() - hidden;
    let mut text: Vec<String> = all[..shown]
        .iter()
        .map(|l| {
            let host = style.paint(Tone::Host, &format!("{:<host_width$}", l.host.as_str()));
            format!(
                "  {host}  {}",
                style.paint(l.tone, &cut(&super::text::clean_line(&l.text), room, style))
            )
        })
        .collect();
    if hidden > 0 && lines > 0 {
        text.push(style.paint(Tone::Quiet, &format!("  and {hidden} more")));
    }
    text.resize(lines, String::new());
    text
}

struct Line {
    host: HostName,
    tone: Tone,
    text: String,
}

fn troubled(phase: &PhaseState, state: &RunState) -> Vec<Line> {
    let bad = phase.hosts.iter().filter_map(|(host, s)| match s {
        HostState::Failed => Some((host, "FAILED")),
        HostState::Unknown => Some((host, "state UNKNOWN")),
        _ => None,
    });
    let line = |(host, word): (&HostName, &str)| {
        let why = state.excluded.get(host).map_or_else(String::new, |w| format!(": {w}"));
        Line {
            host: host.clone(),
            tone: Tone::Bad,
            text: format!("{word}{why}"),
        }
    };
    bad.map(line).collect()
}

fn holding(phase: &PhaseState) -> Vec<Line> {
    if phase.status != PhaseStatus::Gate {
        return Vec::new();
    }
    let open = phase.probes.iter().filter(|(_, (passed, _))| !passed);
    open.map(|((host, probe), (_, detail))| Line {
        host: host.clone(),
        tone: Tone::Warn,
        text: format!("{probe}: {detail}"),
    })
    .collect()
}

/// Longest at work first. A time of day needs no redrawing to stay true.
fn working(phase: &PhaseState, flight: &InFlight) -> Vec<Line> {
    let running = |h: &HostName| phase.hosts.get(h) == Some(&HostState::Running);
    let mut busy: Vec<_> = flight.iter().filter(|(h, _)| running(h)).collect();
    busy.sort_by_key(|(_, (since, _))| *since);
    busy.into_iter()
        .map(|(host, (since, title))| Line {
            host: host.clone(),
            tone: Tone::Plain,
            text: format!("{title}, since {}", since.strftime("%H:%M:%S")),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKind;
    use crate::report::fixtures;

    fn region(events: &[crate::event::Event], lines: usize) -> String {
        let style = Style::plain(80);
        let state = RunState::fold(events);
        let mut flight = InFlight::new();
        for event in events {
            if let EventKind::StepStarted { host, title, .. } = &event.kind {
                flight.insert(host.clone(), (event.at, title.clone()));
            }
        }
        let lines = hosts(&state, &flight, lines, &style);
        format!("{}\n{}", head(&state, &style), lines.join("\n"))
    }

    #[test]
    fn the_gate_names_who_it_waits_for() {
        insta::assert_snapshot!(region(&fixtures::waiting_at_a_gate(), 3));
    }

    #[test]
    fn the_region_has_a_fixed_height() {
        let events = fixtures::stuck();
        for end in 0..=events.len() {
            assert_eq!(region(&events[..end], 4).matches('\n').count(), 4);
        }
        insta::assert_snapshot!(region(&fixtures::waiting_at_a_gate(), 1));
    }
}
