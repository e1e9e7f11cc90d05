//! The reports of a good run and of four others.

use super::*;
use crate::event::Event;
use crate::report::fixtures;

/// The hash follows every script's text; the layout does not.
fn of(events: &[Event]) -> String {
    let path = Path::new("/home/ops/.local/state/certfleet/runs/20201122T191500Z-renew-4f2a");
    let plan = fixtures::plan();
    let text = summary(&RunState::fold(events), &plan, Some(path), &Style::plain(100));
    text.replace(short(&plan.hash()), "0123456789ab")
}

#[test]
fn a_success() {
    insta::assert_snapshot!(of(&fixtures::succeeded()));
}

#[test]
fn a_failed_gate() {
    insta::assert_snapshot!(of(&fixtures::gate_failed()));
}

#[test]
fn a_failed_step() {
    insta::assert_snapshot!(of(&fixtures::step_failed()));
}

#[test]
fn a_stuck_run() {
    insta::assert_snapshot!(of(&fixtures::stuck()));
}

#[test]
fn an_excluded_worker() {
    insta::assert_snapshot!(of(&fixtures::worker_excluded()));
}
