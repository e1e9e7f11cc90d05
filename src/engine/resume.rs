//! A run goes on: what is behind it is looked at again, what is not known is settled, the rest is done.

use std::collections::BTreeMap;

use futures::future::join_all;

use crate::event::{EventKind, RunState};
use crate::model::exit::RunEnd;
use crate::model::{HostFacts, HostName};
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

/// The facts for a run that goes on. What a host in mid-restart cannot tell, or tells wrongly, is as it was before: with
/// docker stopped, its containerd looks like the runtime.
pub fn carried_over(
    mut fresh: BTreeMap<HostName, HostFacts>,
    before: &BTreeMap<HostName, HostFacts>,
) -> BTreeMap<HostName, HostFacts> {
    for (name, facts) in &mut fresh {
        let Some(old) = before.get(name) else { continue };
        if old.runtime.is_some() {
            facts.runtime = old.runtime;
            facts.runtime_socket.clone_from(&old.runtime_socket);
        }
        facts.live_restore = old.live_restore.or(facts.live_restore);
        if facts.static_pods.is_empty() {
            facts.static_pods.clone_from(&old.static_pods);
        }
        if facts.advertise_address.is_none() {
            facts.advertise_address.clone_from(&old.advertise_address);
        }
    }
    fresh
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
