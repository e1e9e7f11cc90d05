//! One step on one host: look whether it is done, record the intent, do it, look again, record the outcome.

use tokio::time::Instant;

use crate::event::{EventKind, StepStatus};
use crate::model::{Outcome, Output};
use crate::plan::{Expect, PlannedStep, Postcondition, fill_run_id};

use super::approve_serving::approve_serving;
use super::attempt::{attempt, not_sent};
use super::context::Run;
use super::cordon::run_cordon;
use super::delete_pods::delete_stuck_pods;
use super::relay::run_relay;
use super::settle::{Settled, settle};
use super::settle_begun::{Begun, settle_begun};

/// The state of a host to which no command was sent.
pub(super) const NOTHING_SENT: &str = "nothing was sent to the host by this step";

/// Runs one step to its outcome, with its events.
pub(super) async fn run_step(run: &Run, phase: &str, step: &PlannedStep) -> Outcome {
    let started = Instant::now();
    let outcome = if let Some(why) = &step.planned.skip {
        Outcome::Skipped { why: why.clone() }
    } else {
        tokio::select! {
            outcome = do_step(run, phase, step) => outcome,
            () = run.cancel.left() => left_behind(step),
        }
    };
    let kind = EventKind::StepFinished {
        step: step.id.clone(),
        phase: phase.to_owned(),
        host: step.host.clone(),
        outcome: outcome.clone(),
        elapsed: started.elapsed(),
    };
    match run.recorder.record(kind) {
        Ok(()) => outcome,
        Err(_) if left_the_host_alone(&outcome) => outcome,
        Err(error) => Outcome::Unknown {
            what: format!("{} ended, but that could not be recorded: {error}", step.planned.title),
            next: FREE_THE_DISK.to_owned(),
        },
    }
}

fn left_the_host_alone(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Unchanged { .. } | Outcome::Skipped { .. } => true,
        Outcome::Failed { state, .. } => state == NOTHING_SENT,
        Outcome::Changed { .. } | Outcome::Unknown { .. } => false,
    }
}

pub(super) const FREE_THE_DISK: &str =
    "Free space on this machine (the state directory), then start again: the run looks before it acts.";

fn left_behind(step: &PlannedStep) -> Outcome {
    Outcome::Unknown {
        what: format!(
            "{} was still under way when the run was told to leave",
            step.planned.title
        ),
        next: "It may go on at the host. `certfleet resume` looks what became of it before it acts.".to_owned(),
    }
}

async fn do_step(run: &Run, phase: &str, step: &PlannedStep) -> Outcome {
    if let Expect::Cordon(cordon) = &step.planned.expect {
        return Box::pin(run_cordon(run, phase, step, cordon)).await;
    }
    let postcondition = step.planned.postcondition.for_run(&run.id);
    match begun_before(run, step, &postcondition).await {
        Some(Ok(outcome)) => return outcome,
        // The intent is on disk already.
        Some(Err(outputs)) => return attempt(run, step, &postcondition, outputs).await,
        None => {}
    }
    match settle(run, &step.host, &postcondition).await {
        Ok(Settled::Holds(why)) => return Outcome::Unchanged { why },
        Ok(Settled::Not(_) | Settled::CannotTell) => {}
        Err(error) if error.never_sent() => return not_sent(&error),
        Err(error) => {
            return Outcome::Failed {
                what: format!("cannot look at the host: {error}"),
                state: NOTHING_SENT.to_owned(),
                next: error.remedy(),
            };
        }
    }
    if let Err(error) = run.recorder.record(intent(run, phase, step)) {
        return Outcome::Failed {
            what: error.to_string(),
            state: NOTHING_SENT.to_owned(),
            next: FREE_THE_DISK.to_owned(),
        };
    }
    match &step.planned.expect {
        Expect::DeletePods(deletion) => delete_stuck_pods(run, step, deletion).await,
        Expect::Relay(relay) => Box::pin(run_relay(run, step, relay, &postcondition)).await,
        Expect::ApproveServing(approval) => approve_serving(run, step, approval).await,
        _ => attempt(run, step, &postcondition, Vec::new()).await,
    }
}

/// What became of a step that an earlier part of the run began: its outcome, or the outputs of its finished commands.
async fn begun_before(
    run: &Run,
    step: &PlannedStep,
    postcondition: &Postcondition,
) -> Option<Result<Outcome, Vec<Output>>> {
    let record = run.recorder.step(&step.id)?;
    if matches!(&record.status, StepStatus::Finished(outcome) if !matches!(outcome, Outcome::Unknown { .. })) {
        return None;
    }
    match settle_begun(run, step, record.tries, postcondition).await {
        Begun::NotDone => None,
        Begun::Until(outputs) => Some(Err(outputs)),
        Begun::Unknown(outcome) => Some(Ok(outcome)),
        Begun::Done(seen) => Some(Ok(Outcome::Changed {
            what: format!("{seen} (done before the run was interrupted)"),
        })),
    }
}

pub(super) fn intent(run: &Run, phase: &str, step: &PlannedStep) -> EventKind {
    EventKind::StepStarted {
        step: step.id.clone(),
        phase: phase.to_owned(),
        host: step.host.clone(),
        title: step.planned.title.clone(),
        commands: step
            .planned
            .commands
            .iter()
            .map(|c| fill_run_id(c, &run.id).to_string())
            .collect(),
    }
}
