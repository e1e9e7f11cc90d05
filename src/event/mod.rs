//! What happened: the events that the engine emits, and the one fold over them.

mod kinds;
mod run_state;
mod words;

pub use kinds::{Event, EventKind, GateReason, Tally};
pub use run_state::{HostState, PhaseState, PhaseStatus, RunState, StepRecord, StepStatus};
