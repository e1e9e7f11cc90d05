//! How a run ended, as a word. `cli::exit` alone turns it into a number.

use serde::{Deserialize, Serialize};

/// The end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunEnd {
    /// Everything planned was done and proven.
    Succeeded,
    /// The plan had nothing to change.
    NothingToDo,
    /// Everything else was done and proven; some workers were left behind within the failure budget.
    LeftBehind,
    /// A step said no.
    StepFailed,
    /// A gate was not passed in time, or saw a sign that never clears.
    GateFailed,
    /// A host could not be reached and nothing was changed anywhere.
    Unreachable,
    /// A person stopped it.
    Aborted,
    /// The state of some host is not known.
    Stuck,
}
