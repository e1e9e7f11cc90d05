//! What happened: the events that the engine emits, and the one fold over them.

mod journal_start;
mod kinds;
mod run_state;
mod words;

pub use journal_start::JournalStart;
pub use kinds::{Event, EventKind, GateReason, Tally};
pub use run_state::{HostState, PhaseState, PhaseStatus, RunState, StepRecord, StepStatus};
