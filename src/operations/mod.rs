//! One deed, one file: arguments, host and facts to commands plus what is true afterwards. Pure; nothing runs here.

pub mod types;

pub use types::{
    Expect, OperationError, Planned, PodDeletion, PodQuery, Postcondition, RunContext, SkippedPart, fill_run_id,
};
