//! `certfleet rollback RUN`: the backup of a run is put back, and what reads it is restarted in order.

use std::sync::Arc;

use super::launch::{Facts, Launch, lock, new_run_id};
use super::run::{plan_with, refusal, seen_before, show_plan};
use super::way::Tuning;
use crate::cli::args::{Global, RollbackArgs};
use crate::cli::confirm::confirm;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::{Session, state_directory};
use crate::cli::signals::{Ear, NOTHING_CHANGED, unless_told_to_stop};
use crate::cli::terminal::Terminal;
use crate::config::load_playbook;
use crate::engine::runs::find;
use crate::engine::{Seen, backups};
use crate::model::RunId;
use crate::plan::{Plan, PlanInput, with_restore};

/// Looks at the backups, plans, shows, asks, runs.
pub(crate) async fn run(args: &RollbackArgs, global: &Global, terminal: Terminal) -> Result<Exit, CliError> {
    let session = Session::open(&args.options.target, terminal)?;
    let id = new_run_id("rollback");
    let _lock = lock(global, &session.inventory.cluster, &id)?;
    let mut ear = Ear::new();
    let prepared = prepare(args, global, (&session, &id), terminal);
    let (seen, plan, facts) = unless_told_to_stop(ear.as_mut(), terminal, NOTHING_CHANGED, prepared).await?;
    if args.options.dry_run {
        return Ok(Exit::Done);
    }
    let launch = Launch {
        session: &session,
        plan: &plan,
        output: args.options.output,
        inventory: &args.options.target.inventory,
        global,
        terminal,
        ear,
        seen,
    };
    launch.fresh(id, facts).await
}

/// Everything before the first change: facts, backups, plan, and a person's yes.
async fn prepare(
    args: &RollbackArgs,
    global: &Global,
    (session, id): (&Session, &RunId),
    terminal: Terminal,
) -> Result<(Seen, Plan, Arc<Facts>), CliError> {
    let seen = seen_before(session, id, args.options.dry_run).await?;
    // What runs is looked at for nodes that a run has left cordoned.
    let facts = Arc::new(session.gather_alive().await);
    let playbook = Tuning::of(&args.options, false).apply(load_playbook("restart")?);
    let of = run_of(args, global)?;
    let kept = backups::look(&session.transport, &session.hosts(), &of).await;
    let plan = with_restore(
        plan_with(session, &playbook, &facts),
        &PlanInput {
            inventory: &session.inventory,
            playbook: &playbook,
            facts: &facts,
            limit: &session.limit,
            now: jiff::Timestamp::now(),
        },
        &of,
        &kept,
    );
    show_plan(&plan, &args.options, terminal);
    if plan.errors().next().is_some() {
        return Err(refusal(&plan));
    }
    if !args.options.dry_run {
        confirm(&plan, args.options.yes, terminal).await?;
    }
    Ok((seen, plan, facts))
}

/// The beginning or the end of an id is enough for a run of this machine; any other machine's is written whole.
fn run_of(args: &RollbackArgs, global: &Global) -> Result<RunId, CliError> {
    let known = find(&state_directory(global)?, Some(&args.run));
    Ok(known.map_or_else(|_| RunId::new(args.run.clone()), |record| record.id))
}
