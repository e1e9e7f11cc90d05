//! Which pods of the CNI are stuck, and which of them does deletion cure?

pub mod decision;
pub mod json;

#[cfg(test)]
mod tests;

pub use decision::{Cure, PodFinding, findings, judge, with_ended_token};
pub use json::{DaemonSetFacts, Pod, daemonsets_command, parse_daemonsets, parse_pods, pods_command};
