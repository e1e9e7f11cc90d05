//! Plans: every lint rule by name, the order of the built-in playbooks for any fleet, and that equal inputs give equal plans.

#![expect(clippy::expect_used, reason = "a helper of a test fails as the test does")]

#[path = "plan/drain.rs"]
mod drain;
#[path = "plan/fleet.rs"]
mod fleet;
#[path = "plan/gates.rs"]
mod gates;
#[path = "plan/lint.rs"]
mod lint;
#[path = "plan/choice.rs"]
mod choice;
#[path = "plan/needed.rs"]
mod needed;
#[path = "plan/order.rs"]
mod order;
#[path = "plan/rancher.rs"]
mod rancher;
#[path = "plan/shapes.rs"]
mod shapes;
