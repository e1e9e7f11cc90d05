//! The plain reporter: one line per event, for CI, pipes and logs. No carriage return, no cursor, nothing redrawn.

use std::io::Write;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::event::{Event, EventKind, HostState, PhaseState, PhaseStatus, RunState};
use crate::model::HostName;

use super::fold::hosts_and_count;
use super::held::{Outcomes, Waits};
use super::narrator::{Fact, Narrator};
use super::style::{Style, Tone};
use super::text::{count, cut, took};

/// Silence after which a line is written anyway, so that CI does not take the run for dead.
const HEARTBEAT: SignedDuration = SignedDuration::from_secs(30);
/// Hosts that a heartbeat names.
const NAMED: usize = 3;
/// Room for the longest usual word, `unchanged`.
const WORD_WIDTH: usize = 9;
/// Room for what is waited for: a sentence, not a whole line of a kubelet.
const WAIT_WIDTH: usize = 130;

/// Writes events as lines. A writer that fails (closed pipe, full disk) is ignored: the ledger has everything, and a
/// dead terminal must not kill a run.
#[derive(Debug)]
pub struct LineReporter<W> {
    out: W,
    style: Style,
    narrator: Narrator,
    outcomes: Outcomes,
    waits: Waits,
    last: Option<Timestamp>,
}

impl<W: Write> LineReporter<W> {
    /// A reporter that says what changed, what failed and what is waited for.
    pub fn new(out: W, style: Style) -> Self {
        Self {
            out,
            style,
            narrator: Narrator::default(),
            outcomes: Outcomes::default(),
            waits: Waits::default(),
            last: None,
        }
    }

    /// Also started steps, finished commands and passed probes.
    #[must_use]
    pub fn verbose(mut self, verbose: bool) -> Self {
        self.narrator.verbose = verbose;
        self
    }

    /// Says what the event is about, if it is worth a line. Good outcomes and what a gate waits for are held back for a
    /// moment and said once for all their hosts, unless every word was asked for.
    pub fn event(&mut self, event: &Event) {
        self.say_due(event.at);
        if self.narrator.verbose || !self.hold(event) {
            self.say(event);
        }
        if matches!(event.kind, EventKind::RunFinished { .. }) {
            let _ = self.out.flush();
        }
    }

    fn hold(&mut self, event: &Event) -> bool {
        match &event.kind {
            EventKind::StepFinished {
                step,
                host,
                outcome,
                elapsed,
                ..
            } if outcome.is_good() => {
                let title = self.narrator.title(step);
                // The narrator forgets the step; its own sentence would be about this host only.
                let _ = self.narrator.tell(event);
                self.outcomes.add(event.at, title, host, outcome, *elapsed);
                true
            }
            EventKind::GateProgress {
                host,
                probe,
                passed,
                detail,
                ..
            } => {
                self.waits.note(event.at, host, probe, *passed, detail);
                true
            }
            _ => false,
        }
    }

    fn say(&mut self, event: &Event) {
        let gate_over = matches!(
            event.kind,
            EventKind::GateStarted { .. } | EventKind::GatePassed { .. } | EventKind::GateFailed { .. }
        );
        if gate_over {
            self.waits.forget();
        }
        if let Some(fact) = self.narrator.tell(event) {
            self.say_outcomes(event.at);
            self.write(event.at, &fact);
        }
    }

    /// What was held back long enough.
    fn say_due(&mut self, now: Timestamp) {
        if self.outcomes.due(now) {
            self.say_outcomes(now);
        }
        for fact in self.waits.take_due(now, WAIT_WIDTH, &self.style) {
            self.write(now, &fact);
        }
    }

    fn say_outcomes(&mut self, at: Timestamp) {
        for fact in self.outcomes.take() {
            self.write(at, &fact);
        }
    }

    /// Call it every second or so: it says what was held back, and after 30 s without a line what is waited for.
    pub fn heartbeat(&mut self, state: &RunState, now: Timestamp) {
        self.say_due(now);
        let silent_since = *self.last.get_or_insert(now);
        if now.duration_since(silent_since) < HEARTBEAT || state.end.is_some() {
            return;
        }
        let fact = Fact {
            word: "still",
            tone: Tone::Quiet,
            text: waited_for(state, now),
            more: Vec::new(),
        };
        self.write(now, &fact);
    }

    fn write(&mut self, at: Timestamp, fact: &Fact) {
        self.last = Some(at);
        let _ = writeln!(self.out, "{}", render(at, fact, &self.style));
        let time = stamp(at);
        for line in &fact.more {
            let _ = writeln!(self.out, "{time} {:WORD_WIDTH$} | {line}", "");
        }
        let _ = self.out.flush();
    }

    /// The writer, for tests.
    pub fn into_inner(self) -> W {
        self.out
    }
}

fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn render(at: Timestamp, fact: &Fact, style: &Style) -> String {
    let word = style.paint(fact.tone, &format!("{:<WORD_WIDTH$}", fact.word));
    format!("{} {word} {}", style.paint(Tone::Quiet, &stamp(at)), fact.text)
}

/// One sentence about the present: the phase, what it waits for, and since when the run goes on.
fn waited_for(state: &RunState, now: Timestamp) -> String {
    let running = state.started.map_or(SignedDuration::ZERO, |s| now.duration_since(s));
    let age = took(Duration::try_from(running).unwrap_or_default());
    let Some(phase) = state.phases.last() else {
        return format!("no phase was started yet; the run is {age} old");
    };
    let what = if phase.status == PhaseStatus::Gate {
        gate_waits(phase)
    } else {
        steps_wait(phase)
    };
    format!("in {}: {what}; the run is {age} old", phase.name)
}

fn gate_waits(phase: &PhaseState) -> String {
    let open: Vec<String> = phase
        .probes
        .iter()
        .filter(|(_, (passed, _))| !passed)
        .map(|((host, probe), (_, detail))| format!("{host} {probe} ({})", cut(detail, 80, &Style::plain(0))))
        .collect();
    if open.is_empty() {
        return "the gate holds and waits for its quiet time".to_owned();
    }
    let more = open.len().saturating_sub(NAMED);
    let tail = if more > 0 {
        format!(" and {more} more")
    } else {
        String::new()
    };
    format!("the gate waits for {}{tail}", open[..open.len() - more].join(", "))
}

fn steps_wait(phase: &PhaseState) -> String {
    let of = |wanted: HostState| -> Vec<HostName> {
        let hosts = phase.hosts.iter().filter(|(_, s)| **s == wanted);
        hosts.map(|(h, _)| h.clone()).collect()
    };
    let (running, waiting) = (of(HostState::Running), of(HostState::Waiting));
    if running.is_empty() {
        return format!("{} to go", count(waiting.len(), "host"));
    }
    let tail = if waiting.is_empty() {
        String::new()
    } else {
        format!(", {} to go", count(waiting.len(), "host"))
    };
    format!("working on {}{tail}", hosts_and_count(&running))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures;

    /// A pipe whose reader has gone.
    struct Closed;

    impl Write for Closed {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
    }

    fn told(events: &[Event], verbose: bool) -> String {
        let mut reporter = LineReporter::new(Vec::new(), Style::plain(100)).verbose(verbose);
        for e in events {
            reporter.event(e);
        }
        String::from_utf8(reporter.into_inner()).unwrap()
    }

    #[test]
    fn a_failed_run_as_ci_sees_it() {
        insta::assert_snapshot!(told(&fixtures::step_failed(), false));
    }

    #[test]
    fn a_stop_says_who_or_what_asked_for_it() {
        let stop = |why: Option<&str>| {
            let mut event = fixtures::step_failed().remove(0);
            event.kind = crate::event::EventKind::StopRequested {
                why: why.map(str::to_owned),
            };
            told(&[event], false)
        };
        assert!(stop(None).contains("a person asked to stop"));
        let told = stop(Some("the lock is gone"));
        assert!(
            told.contains("the lock is gone") && !told.contains("a person"),
            "{told}"
        );
    }

    #[test]
    fn verbose_adds_lines_and_nothing_moves_the_cursor() {
        let quiet = told(&fixtures::gate_failed(), false);
        let loud = told(&fixtures::gate_failed(), true);
        assert!(loud.lines().count() > quiet.lines().count());
        assert!(!loud.contains('\r') && !loud.contains('\u{1b}'));
    }

    #[test]
    fn silence_is_broken_after_half_a_minute() {
        let events = fixtures::waiting_at_a_gate();
        let state = RunState::fold(&events);
        let mut reporter = LineReporter::new(Vec::new(), Style::plain(100));
        let last = events.last().unwrap();
        reporter.event(last);
        let said = last.at + SignedDuration::from_secs(1);
        reporter.heartbeat(&state, said);
        let before = reporter.out.len();
        assert!(before > 0, "what is waited for");
        reporter.heartbeat(&state, said + SignedDuration::from_secs(29));
        assert_eq!(reporter.out.len(), before);
        reporter.heartbeat(&state, said + SignedDuration::from_secs(30));
        reporter.heartbeat(&state, said + SignedDuration::from_secs(31));
        let text = String::from_utf8(reporter.out[before..].to_vec()).unwrap();
        insta::assert_snapshot!(text);
    }

    #[test]
    fn a_closed_pipe_is_survived() {
        let mut reporter = LineReporter::new(Closed, Style::plain(80));
        for e in &fixtures::step_failed() {
            reporter.event(e);
        }
    }
}
