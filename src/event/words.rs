//! Every text of an event that came from a host or a person, through one function: what is kept and shown is cleaned there.

use crate::model::{Outcome, SkipReason};

use super::kinds::{EventKind, GateReason};

type Clean<'a> = &'a dyn Fn(&str) -> String;

impl EventKind {
    /// The same event with each such text replaced by what `clean` makes of it. Names, ids and times stay.
    #[must_use]
    pub fn cleaned(mut self, clean: Clean<'_>) -> Self {
        match &mut self {
            Self::RunResumed { notes: texts, .. } | Self::RunFinished { next: texts, .. } => all(texts, clean),
            Self::StepStarted { title, commands, .. } => {
                one(title, clean);
                all(commands, clean);
            }
            Self::CommandFinished { command, output, .. } => {
                one(command, clean);
                one(output, clean);
            }
            Self::NodeReleased { how, .. } => one(how, clean),
            Self::StopRequested { why: Some(why) } | Self::StepRetried { why, .. } | Self::HostExcluded { why, .. } => {
                one(why, clean);
            }
            Self::StepFinished { outcome, .. } => clean_outcome(outcome, clean),
            Self::GateProgress { detail, .. } => one(detail, clean),
            Self::GateFailed { reasons, .. } => reasons.iter_mut().for_each(|r| clean_reason(r, clean)),
            Self::RunStarted { .. }
            | Self::BootsSeen { .. }
            | Self::JournalNoted { .. }
            | Self::PhaseStarted { .. }
            | Self::GateStarted { .. }
            | Self::GatePassed { .. }
            | Self::PhaseFinished { .. }
            | Self::NodeCordoned { .. }
            | Self::StopRequested { why: None } => {}
        }
        self
    }
}

fn one(text: &mut String, clean: Clean<'_>) {
    *text = clean(text);
}

fn all(texts: &mut [String], clean: Clean<'_>) {
    for text in texts {
        one(text, clean);
    }
}

fn clean_outcome(outcome: &mut Outcome, clean: Clean<'_>) {
    match outcome {
        Outcome::Changed { what: text }
        | Outcome::Unchanged { why: text }
        | Outcome::Skipped { why: SkipReason(text) } => one(text, clean),
        Outcome::Failed { what, state, next } => [what, state, next].into_iter().for_each(|t| one(t, clean)),
        Outcome::Unknown { what, next } => [what, next].into_iter().for_each(|t| one(t, clean)),
    }
}

fn clean_reason(reason: &mut GateReason, clean: Clean<'_>) {
    one(&mut reason.last, clean);
    if let Some(remedy) = &mut reason.remedy {
        one(remedy, clean);
    }
}
