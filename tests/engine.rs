//! What the engine does when things go wrong: on the embedded fleet, in memory, under paused time.

#![expect(clippy::expect_used, reason = "a helper of a test fails as the test does")]

#[path = "stories/harness.rs"]
mod harness;

#[path = "engine/drain.rs"]
mod drain;
#[path = "engine/drift.rs"]
mod drift;
#[path = "engine/ends.rs"]
mod ends;
#[path = "engine/gates.rs"]
mod gates;
#[path = "engine/lease.rs"]
mod lease;
#[path = "engine/recorder.rs"]
mod recorder;
#[path = "engine/rollback.rs"]
mod rollback;
#[path = "engine/wire.rs"]
mod wire;

use certfleet::config::{load_playbook, parse_playbook};
use certfleet::lab::{Fault, FaultRule, Lab, LabConfig, Scenario};
use certfleet::model::Playbook;
use harness::Story;

/// One master and one worker of the seed.
fn small() -> LabConfig {
    LabConfig::new(Scenario::Seed).sized(1, 1)
}

fn renew() -> Playbook {
    load_playbook("renew").expect("built in")
}

/// A playbook of a test.
fn playbook(phases: &str) -> Playbook {
    let text = format!("name: test\ndescription: a test\nphases:\n{phases}");
    parse_playbook(&text, "test").unwrap_or_else(|e| panic!("{e}"))
}

/// Only the renewal, proven on disk.
fn renewal() -> Playbook {
    let mut playbook = renew();
    playbook.phases.truncate(1);
    playbook
}

fn fault(lab: &Lab, host: &str, line: &str, fault: Fault, times: u32) {
    lab.inject(FaultRule {
        host: host.into(),
        line: line.to_owned(),
        fault,
        times,
    });
}

/// How often a host ran a command that changes something.
fn ran(story: &Story, host: &str, what: &str) -> usize {
    let history = story.lab.history(&host.into());
    history.iter().filter(|i| i.command.contains(what)).count()
}
