//! Why a question has no answer.

use thiserror::Error;

use crate::model::{ExitStatus, Output, mask};

/// A host was asked and the answer cannot be used. Never holds a secret: what a host said is masked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProbeError {
    /// The command said no.
    #[error("{what}: {status}: {line}")]
    Failed {
        what: &'static str,
        status: ExitStatus,
        line: String,
    },
    /// The answer is not in the form it should have.
    #[error("{what}: cannot read the answer: {reason}")]
    Format { what: &'static str, reason: String },
    /// The answer was longer than the transport keeps.
    #[error("{what}: the answer was cut, it was too long")]
    Truncated { what: &'static str },
}

impl ProbeError {
    /// A [`ProbeError::Format`].
    pub fn format(what: &'static str, reason: impl std::fmt::Display) -> Self {
        Self::Format {
            what,
            reason: mask(&reason.to_string()),
        }
    }
}

/// Standard output as text when the command succeeded and nothing was cut.
///
/// # Errors
/// [`ProbeError::Failed`] and [`ProbeError::Truncated`].
pub fn text_of<'a>(what: &'static str, output: &'a Output) -> Result<std::borrow::Cow<'a, str>, ProbeError> {
    if !output.status.success() {
        return Err(ProbeError::Failed {
            what,
            status: output.status.clone(),
            line: output.last_line(),
        });
    }
    if output.truncated {
        return Err(ProbeError::Truncated { what });
    }
    Ok(output.stdout_text())
}
