//! The built binary as a person meets it: help, exit codes, the embedded fleet, a renewal, a terminal.

#![expect(clippy::expect_used, reason = "a helper of a test fails as the test does")]

#[path = "cli/fleet.rs"]
mod fleet;
#[path = "cli/harness.rs"]
mod harness;
#[path = "cli/help.rs"]
mod help;
#[path = "cli/meet.rs"]
mod meet;
#[path = "cli/monitor.rs"]
mod monitor;
#[path = "cli/person.rs"]
mod person;
#[path = "cli/recorded.rs"]
mod recorded;
#[path = "cli/renewal.rs"]
mod renewal;
#[path = "cli/usage.rs"]
mod usage;
