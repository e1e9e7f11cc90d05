//! The plan as a person reads it.

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
