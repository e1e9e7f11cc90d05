//! Every exit code, in one place. `docs/reference/exit-codes.md` is the same page for people.

use std::process::ExitCode;

use crate::model::exit::RunEnd;

/// What the shell sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done, or nothing to do. `check`: everything is in order.
    Done,
    /// A bug in certfleet. `check`: something passed the warning threshold.
    Bug,
    /// Wrong usage, inventory or playbook, or a plan that must not run.
    Usage,
    /// A step failed.
    StepFailed,
    /// A gate failed.
    GateFailed,
    /// A host could not be reached, and nothing was changed.
    Unreachable,
    /// A person stopped it, or said no.
    Aborted,
    /// Another run holds the lock.
    Locked,
    /// The state of some host is not known.
    Stuck,
    /// `check` only (monitoring plugins): 1 = warning.
    CheckWarning,
    /// `check` only: 2 = critical.
    CheckCritical,
    /// `check` only: 3 = unknown, some host could not be asked.
    CheckUnknown,
}

impl Exit {
    /// The number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Bug | Exit::CheckWarning => 1,
            Exit::Usage | Exit::CheckCritical => 2,
            Exit::StepFailed | Exit::CheckUnknown => 3,
            Exit::GateFailed => 4,
            Exit::Unreachable => 5,
            Exit::Aborted => 6,
            Exit::Locked => 7,
            Exit::Stuck => 8,
        }
    }
}

impl From<RunEnd> for Exit {
    fn from(end: RunEnd) -> Self {
        match end {
            RunEnd::Succeeded | RunEnd::NothingToDo => Exit::Done,
            RunEnd::StepFailed | RunEnd::LeftBehind => Exit::StepFailed,
            RunEnd::GateFailed => Exit::GateFailed,
            RunEnd::Unreachable => Exit::Unreachable,
            RunEnd::Aborted => Exit::Aborted,
            RunEnd::Stuck => Exit::Stuck,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_page_lists_every_code() {
        let page = include_str!("../../docs/reference/exit-codes.md");
        let ends = [
            RunEnd::Succeeded,
            RunEnd::NothingToDo,
            RunEnd::LeftBehind,
            RunEnd::StepFailed,
            RunEnd::GateFailed,
            RunEnd::Unreachable,
            RunEnd::Aborted,
            RunEnd::Stuck,
        ];
        for exit in ends
            .map(Exit::from)
            .into_iter()
            .chain([Exit::Bug, Exit::Usage, Exit::Locked])
        {
            assert!(
                page.contains(&format!("| {} |", exit.code())),
                "{exit:?} is not documented"
            );
        }
    }
}
