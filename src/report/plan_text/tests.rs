//! The plan as a person reads it.

use std::time::Duration;

use super::*;
use crate::report::fixtures;

/// The hash follows every script's text; the layout does not.
fn screen(plan: &Plan, width: usize) -> String {
    plan_text(plan, &Style::plain(width)).replace(short(&plan.hash()), "0123456789ab")
}

#[test]
fn the_seeds_plan() {
    insta::assert_snapshot!(screen(&fixtures::plan(), 100));
}

#[test]
fn errors_come_first_and_forbid_the_run() {
    let mut plan = fixtures::plan();
    plan.phases.truncate(1);
    plan.notes = fixtures::bad_notes();
    insta::assert_snapshot!(screen(&plan, 72));
}

/// The head of a plan that was chosen: order, reasons, and what the gentler one would have needed.
fn chosen(choice: Choice) -> String {
    let mut plan = fixtures::plan();
    choice.strategy.playbook().clone_into(&mut plan.playbook);
    plan.phases.clear();
    plan.notes.clear();
    if choice.outage.is_zero() {
        plan.outage = None;
    }
    plan.choice = Some(choice);
    screen(&plan, 100)
}

fn sentences(sentences: &[&str]) -> Vec<String> {
    sentences.iter().map(|s| (*s).to_owned()).collect()
}

#[test]
fn rolling_is_chosen_with_what_speaks_for_it() {
    insta::assert_snapshot!(chosen(Choice {
        strategy: Strategy::Rolling,
        asked: false,
        because: sentences(&[
            "no certificate of the control plane has expired, neither on disk nor in use",
            "the API server of every master is ready",
            "all 3 etcd members asked are healthy",
        ]),
        against_rolling: Vec::new(),
        outage: Duration::ZERO,
    }));
}

#[test]
fn stop_all_is_chosen_with_what_is_in_the_way_of_rolling() {
    let against = sentences(&[
        "m1, m2, m3: apiserver, etcd-server and 6 more expired on disk",
        "m2: its API server is not known to be ready",
    ]);
    let choice = Choice {
        strategy: Strategy::StopAll,
        asked: false,
        because: against.clone(),
        against_rolling: against.clone(),
        outage: Duration::from_secs(64),
    };
    insta::assert_snapshot!(chosen(choice.clone()));
    // Asked for: the reasons are no reasons then, and are said all the same.
    let asked = Choice {
        asked: true,
        because: sentences(&["`--strategy stop-all` was given"]),
        ..choice
    };
    insta::assert_snapshot!("stop_all_is_asked_for", chosen(asked));
}

#[test]
fn colour_changes_no_word() {
    let plain = plan_text(&fixtures::plan(), &Style::plain(100));
    let colour = Style {
        colour: true,
        ..Style::plain(100)
    };
    let painted = plan_text(&fixtures::plan(), &colour);
    let bare = regex::Regex::new("\u{1b}\\[[0-9;]*m")
        .unwrap()
        .replace_all(&painted, "")
        .into_owned();
    assert!(painted.len() > plain.len());
    assert_eq!(bare, plain);
}
