//! What happened: the events that the engine emits, and the one fold over them.

mod journal_start;
mod kinds;
mod phase_state;
mod run_state;
mod words;

pub use journal_start::JournalStart;
pub use kinds::{Event, EventKind, GateReason, Tally};
pub use phase_state::{HostState, PhaseState, PhaseStatus};
pub use run_state::{RunState, StepRecord, StepStatus};
