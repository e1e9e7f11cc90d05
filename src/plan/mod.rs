//! Decisions: a plan is a pure function of inventory, playbook, facts and time. Nothing here reads a clock or a host.

mod types;
mod batch;
mod in_turn;
mod planner;
mod needed;
mod drain;
mod leftovers;
mod strategy;
mod gates;
mod forecast;
pub mod lint;
mod drift;
mod rollback;
mod saved;

pub use crate::operations::exchange::{Cordon, NodeState, Relay, ServingApproval};
pub use crate::operations::types::{Expect, Planned, PodDeletion, PodQuery, Postcondition, SkippedPart, fill_run_id};
pub use batch::batches;
pub use drift::{Drift, drift, misfit};
pub use planner::{PlanInput, plan, plan_chosen};
pub use rollback::{BackupContent, backup_look, with_restore};
pub use saved::SavedPlan;
pub use strategy::{Choice, Strategy, choose};
pub use types::{
    Baseline, Note, OutageForecast, Plan, PlannedGate, PlannedHost, PlannedPhase, PlannedProbe, PlannedStep, Severity,
};
