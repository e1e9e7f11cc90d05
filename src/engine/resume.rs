//! A run goes on: what is behind it is looked at again, what is not known is settled, the rest is done.

use futures::future::join_all;

use crate::event::{EventKind, RunState};
use crate::model::exit::RunEnd;
use crate::plan::{Plan, PlannedStep};

use super::context::Run;
use super::ledger::LedgerError;
use super::made::Made;
use super::run::{Operator, run_to_the_end};
use super::settle::{Settled, settle};

/// Goes on with a run whose recorder was made by `Recorder::resumed`. `run.facts` are fresh.
///
/// # Errors
/// Only when the ledger could not take the first event: then nothing was done.
pub async fn resume(run: &Run, plan: &Plan, operator: &Operator) -> Result<RunEnd, LedgerError> {
    let state = run.recorder.state();
    let mut made = Made::of(&state);
    let mut notes = unknown_steps(&state);
    let words = made.last_words(plan);
    let looks = join_all(words.iter().map(|(_, step)| no_longer_holds(run, step))).await;
    for ((phase, step), why) in words.into_iter().zip(looks) {
        if let Some(why) = why {
            notes.push(format!("{}: {why}; it is done again", step.id));
            made.forget(phase, step);
        }
    }
    run.recorder.record(EventKind::RunResumed {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        operator: operator.who.clone(),
        notes,
    })?;
    Ok(run_to_the_end(run, plan, made).await)
}

fn unknown_steps(state: &RunState) -> Vec<String> {
    let told = |(id, _): (&String, _)| format!("{id}: its outcome is not known; the host is asked");
    state.unsettled().map(told).collect()
}

/// Why a step that was done must be done again; a host that cannot be asked now is asked by its gate.
async fn no_longer_holds(run: &Run, step: &PlannedStep) -> Option<String> {
    let postcondition = step.planned.postcondition.for_run(&run.id);
    match settle(run, &step.host, &postcondition).await {
        Ok(Settled::Not(why)) => Some(why),
        Ok(Settled::Holds(_) | Settled::CannotTell) | Err(_) => None,
    }
}
