//! `certfleet resume [RUN]`: the rest of a run, which is all of it where it died before its first line.

use std::path::PathBuf;
use std::sync::Arc;

use super::apply::refuse_drift;
use super::launch::{Facts, INVENTORY_FILE, Launch, lock};
use crate::cli::args::{Global, ResumeArgs, Target};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::{Session, state_directory};
use crate::cli::signals::{Ear, unless_told_to_stop};
use crate::cli::terminal::{Terminal, print_err};
use crate::engine::runs::find;
use crate::engine::{self, RunRecord, Seen};
use crate::model::Selector;
use crate::model::exit::RunEnd;
use crate::plan::{Plan, drift, misfit};

/// Folds the ledger, gathers fresh facts, and goes on.
pub(crate) async fn run(args: &ResumeArgs, global: &Global, terminal: Terminal) -> Result<Exit, CliError> {
    let record = open(args, global)?;
    let plan = record.plan().map_err(|why| {
        let hint = "Without its plan a run cannot go on. Start the playbook anew: it looks before it acts.";
        CliError::usage(format!("the plan of {} cannot be read: {why}", record.id), hint)
    })?;
    if matches!(record.state().end, Some(RunEnd::Succeeded | RunEnd::NothingToDo)) {
        print_err(&format!("Run {} ended well; there is nothing to resume.\n", record.id));
        return Ok(Exit::Done);
    }
    let inventory = inventory_of(args, &record)?;
    let target = Target {
        inventory: inventory.clone(),
        limit: Selector::all(),
    };
    let session = Session::open(&target, terminal)?;
    let _lock = lock(global, &session.inventory.cluster, &record.id)?;
    let mut ear = Ear::new();
    let fresh = fresh_facts(&record, &plan, &session);
    let (seen, facts) = unless_told_to_stop(
        ear.as_mut(),
        terminal,
        "stopped before anything more was changed",
        fresh,
    )
    .await?;
    let launch = Launch {
        session: &session,
        plan: &plan,
        output: args.output,
        inventory: &inventory,
        global,
        terminal,
        ear,
        seen,
    };
    launch.again(&record, Arc::new(facts)).await
}

fn open(args: &ResumeArgs, global: &Global) -> Result<RunRecord, CliError> {
    let hint = "`certfleet runs` lists the runs of this machine.";
    let record = find(&state_directory(global)?, args.run.as_deref()).map_err(|why| CliError::usage(why, hint))?;
    match &record.events {
        Ok(_) => Ok(record),
        Err(damage) => Err(CliError::usage(
            damage.to_string(),
            "A damaged ledger is not resumed. Start the playbook anew: it looks before it acts.",
        )),
    }
}

/// A run's directory is made once its plan was agreed to; without a single event, it died right then.
fn begun(record: &RunRecord) -> bool {
    record.events.as_ref().is_ok_and(|events| !events.is_empty())
}

async fn fresh_facts(record: &RunRecord, plan: &Plan, session: &Session) -> Result<(Seen, Facts), CliError> {
    let seen = session.look_at_locks(&record.id).await?;
    if !begun(record) {
        return Ok((seen, facts_to_begin_with(record, plan, session).await?));
    }
    let facts = engine::carried_over(session.gather().await, &record.facts().unwrap_or_default());
    refuse_drift(&misfit(plan, &session.inventory, &facts))?;
    Ok((seen, facts))
}

/// What was agreed to is done only on hosts that are as they were then: the rule of `apply`.
async fn facts_to_begin_with(record: &RunRecord, plan: &Plan, session: &Session) -> Result<Facts, CliError> {
    let before = record.facts().map_err(|why| {
        let hint = "Nothing was changed. Start the playbook anew.";
        CliError::usage(format!("run {} did not begin, and cannot: {why}", record.id), hint)
    })?;
    print_err(&format!(
        "Run {} was agreed to and did not begin anything. It begins now, if the hosts are as they were.\n",
        record.id
    ));
    let facts = session.gather().await;
    refuse_drift(&drift(plan, &session.inventory, &before, &facts))?;
    Ok(facts)
}

fn inventory_of(args: &ResumeArgs, record: &RunRecord) -> Result<PathBuf, CliError> {
    if let Some(file) = &args.inventory {
        return Ok(file.clone());
    }
    let kept = std::fs::read_to_string(record.directory.join(INVENTORY_FILE)).ok();
    kept.map(PathBuf::from).filter(|p| p.exists()).ok_or_else(|| {
        CliError::usage(
            format!("the inventory file of {} is gone", record.id),
            "Name it with `--inventory`.",
        )
    })
}
