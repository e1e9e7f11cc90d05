//! How a step ended: five outcomes, no others.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The end of one step on one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Outcome {
    /// The host was changed, and the postcondition was seen to hold.
    Changed { what: String },
    /// The postcondition held before anything was done.
    Unchanged { why: String },
    /// Nothing to do here, by plan or by condition.
    Skipped { why: SkipReason },
    /// The host said no; `state` is what it was left in, `next` what to do.
    Failed { what: String, state: String, next: String },
    /// The connection was lost mid-command and the postcondition could not be read afterwards.
    Unknown { what: String, next: String },
}

impl Outcome {
    /// Changed, unchanged and skipped let a run go on.
    pub fn is_good(&self) -> bool {
        matches!(
            self,
            Outcome::Changed { .. } | Outcome::Unchanged { .. } | Outcome::Skipped { .. }
        )
    }
}

/// Why a step is not needed, in a person's words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SkipReason(pub String);

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
