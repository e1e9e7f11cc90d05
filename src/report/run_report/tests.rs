//! A run that was killed in mid-step, in every form.

use crate::event::{Event, EventKind};
use crate::model::{ExitStatus, Outcome, RunId};
use crate::report::Style;

use super::{RunFiles, run_html, run_json, run_junit, run_report, run_text};

const EVIL: &str = "<script>alert('x')</script> & \u{1b}[2J";

fn events() -> Vec<Event> {
    let (phase, host, title) = ("renew".to_owned(), "m1".into(), "back up /etc/kubernetes".to_owned());
    let step = |n: u8| format!("renew/m1/{n}-backup");
    let started = |n| EventKind::StepStarted {
        step: step(n),
        phase: phase.clone(),
        host: crate::model::HostName::new("m1"),
        title: title.clone(),
        commands: vec![],
    };
    let kinds = [
        EventKind::RunStarted {
            run: RunId::new("r1"),
            cluster: "prod".to_owned(),
            playbook: "renew".to_owned(),
            plan: "00".to_owned(),
            version: "0".to_owned(),
            operator: "a@b".to_owned(),
            hosts: vec![host, "w1".into()],
        },
        EventKind::PhaseStarted {
            phase: phase.clone(),
            hosts: vec!["m1".into()],
            outage: false,
        },
        started(1),
        EventKind::CommandFinished {
            step: step(1),
            host: "m1".into(),
            command: "certfleet:backup".to_owned(),
            status: ExitStatus::Code(0),
            output: EVIL.to_owned(),
            elapsed: std::time::Duration::from_millis(7),
        },
        EventKind::StepFinished {
            step: step(1),
            phase: phase.clone(),
            host: "m1".into(),
            outcome: Outcome::Changed { what: EVIL.to_owned() },
            elapsed: std::time::Duration::from_millis(9),
        },
        started(2),
    ];
    let numbered = kinds.into_iter().zip(1..);
    numbered
        .map(|(kind, seq)| Event {
            seq,
            at: jiff::Timestamp::UNIX_EPOCH,
            kind,
        })
        .collect()
}

#[test]
fn an_unfinished_run_is_told_as_such_in_every_form_and_nothing_of_a_host_is_markup() {
    let events = events();
    let report = run_report(&RunFiles {
        events: &events,
        before: None,
        after: None,
        missing: vec![],
    });
    assert_eq!((report.end, report.phases[0].hosts[0].steps.len()), (None, 2));
    assert_eq!(report.phases[0].hosts[0].steps[1].outcome, "started");
    let html = run_html(&report).expect("the template fits");
    assert!(
        html.contains("not finished") && html.contains("&lt;script&gt;"),
        "{html}"
    );
    assert!(!html.contains("<script") && !html.contains("src=") && !html.contains("href="));
    let junit = run_junit(&report);
    assert!(junit.contains("<error") && !junit.contains("<script") && !junit.contains('\u{1b}'));
    assert!(run_json(&report).contains("\"outcome\": \"started\""));
    let text = run_text(&report, &Style::plain(100));
    assert!(text.contains("not finished") && !text.contains('\u{1b}'), "{text}");
    // No phase has come to it.
    let said = "w1: no phase of theirs was begun";
    assert!(
        text.contains(&format!("untouched {said}")) && html.contains(said),
        "{text}"
    );
}

#[test]
fn a_host_that_was_left_behind_is_no_success_in_any_form() {
    let mut events = events();
    let seq = events.len() as u64 + 1;
    let kind = EventKind::HostExcluded {
        phase: "start-workers".to_owned(),
        host: "w7".into(),
        why: "it could not be reached".to_owned(),
    };
    events.push(Event {
        seq,
        at: jiff::Timestamp::UNIX_EPOCH,
        kind,
    });
    let report = run_report(&RunFiles {
        events: &events,
        before: None,
        after: None,
        missing: vec![],
    });
    let html = run_html(&report).expect("the template fits");
    for form in [
        html,
        run_json(&report),
        run_junit(&report),
        run_text(&report, &Style::plain(100)),
    ] {
        assert!(form.contains("w7") && form.contains("could not be reached"), "{form}");
    }
    assert!(run_text(&report, &Style::plain(100)).contains("left behind w7: it could"));
    assert!(run_junit(&report).contains("<testsuite name=\"left behind\" tests=\"1\" failures=\"1\""));
}
