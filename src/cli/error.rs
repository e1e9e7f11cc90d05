//! What goes wrong above the engine: one heading, one hint, one exit code each.

use thiserror::Error;

use crate::config::ConfigErrors;
use crate::engine::{LeaseError, LedgerError, LockError};
use crate::remote::RemoteError;

use super::exit::Exit;

/// A command's failure, as the person sees it.
#[derive(Debug, Error)]
pub(crate) enum CliError {
    /// Inventory or playbook; the text shows file, line and hint itself.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
    /// Arguments that fit the grammar but make no sense.
    #[error("{what}")]
    Usage { what: String, hint: String },
    /// The plan has errors; they were shown.
    #[error("the plan must not run: {0}")]
    PlanRefused(String),
    /// Masters that do not answer: nothing was changed.
    #[error("{0}")]
    Unreachable(String),
    #[error("{0}")]
    Lock(#[from] LockError),
    #[error("{0}")]
    Lease(#[from] LeaseError),
    #[error("{0}")]
    Ledger(#[from] LedgerError),
    #[error("{0}")]
    Remote(#[from] RemoteError),
    /// The person said no.
    #[error("{0}")]
    Declined(String),
    /// Reading or writing a file or the terminal.
    #[error("{doing}: {source}")]
    Io { doing: String, source: std::io::Error },
    /// The embedded fleet could not be started.
    #[error("the embedded fleet: {0}")]
    Lab(String),
    /// Should not happen.
    #[error("{0}")]
    Bug(String),
}

impl CliError {
    /// An I/O failure with what was being done.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// A usage error.
    pub(crate) fn usage(what: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage {
            what: what.into(),
            hint: hint.into(),
        }
    }

    /// What to do, where the message does not say it already.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::Usage { hint, .. } => Some(hint.clone()),
            Self::PlanRefused(_) => Some("Nothing was changed. Each error above names its remedy.".to_owned()),
            Self::Unreachable(_) => Some(
                "Nothing was changed. Make the host reachable (`ssh` from here must work), then start again."
                    .to_owned(),
            ),
            Self::Lock(LockError::Held { .. }) => {
                Some("Wait for that run to end. The lock is freed when its process ends.".to_owned())
            }
            Self::Lease(LeaseError::Held(holder)) => Some(format!(
                "If that run is alive, wait for it. If it is dead, `certfleet resume {}` where it was started goes on with it; \
                 `certfleet unlock -i INVENTORY --reason TEXT` frees the lock.",
                holder.run
            )),
            Self::Lease(LeaseError::Overtaken { .. }) => Some("Nothing was changed. Plan again.".to_owned()),
            Self::Lease(LeaseError::Over { .. }) => Some(
                "Nothing was changed. `certfleet check` says how the cluster is; start anew if anything is left.".to_owned(),
            ),
            Self::Lease(LeaseError::NotKept { .. }) => Some(
                "Nothing was changed. Free space there, or mount it writable (`df /var/lib`, `mount`), then start again.".to_owned(),
            ),
            Self::Lease(LeaseError::NoMajority { .. }) => Some(
                "Nothing was changed. Make the masters reachable and writable (/var/lib/certfleet), then start again."
                    .to_owned(),
            ),
            Self::Remote(error) => Some(error.remedy()),
            Self::Bug(_) => Some("This is a bug in certfleet; please report it with this text.".to_owned()),
            _ => None,
        }
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Lock(LockError::Io { .. })
            | Self::Config(_)
            | Self::Usage { .. }
            | Self::PlanRefused(_)
            | Self::Lease(LeaseError::NotKept { .. } | LeaseError::Overtaken { .. } | LeaseError::Over { .. })
            | Self::Io { .. }
            | Self::Lab(_)
            | Self::Ledger(_) => Exit::Usage,
            Self::Lock(LockError::Held { .. }) | Self::Lease(LeaseError::Held(_)) => Exit::Locked,
            Self::Lease(LeaseError::NoMajority { .. }) | Self::Unreachable(_) | Self::Remote(_) => Exit::Unreachable,
            Self::Declined(_) => Exit::Aborted,
            Self::Bug(_) => Exit::Bug,
        }
    }
}
