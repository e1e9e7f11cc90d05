//! `certfleet apply FILE`: exactly the saved plan, or the difference that forbids it.

use std::sync::Arc;

use super::launch::{Facts, Launch, lock, new_run_id};
use crate::cli::args::{ApplyArgs, Global, Output, Target};
use crate::cli::confirm::confirm;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::signals::{Ear, NOTHING_CHANGED, unless_told_to_stop};
use crate::cli::terminal::{Terminal, print, print_err};
use crate::engine::Seen;
use crate::model::{RunId, Selector};
use crate::plan::{Drift, SavedPlan, drift};
use crate::report;

/// Reads, gathers, compares, asks, runs.
pub(crate) async fn run(args: &ApplyArgs, global: &Global, terminal: Terminal) -> Result<Exit, CliError> {
    let file = args.plan.display();
    let bytes = std::fs::read(&args.plan).map_err(CliError::io(format!("cannot read {file}")))?;
    let saved = SavedPlan::parse(&bytes).map_err(|why| {
        let hint = "Make a new one with `certfleet renew --dry-run --out FILE`.";
        CliError::usage(format!("{file}: {why}"), hint)
    })?;
    let target = Target {
        inventory: args.inventory.clone(),
        limit: Selector::all(),
    };
    let session = Session::open(&target, terminal)?;
    let id = new_run_id(&saved.plan.playbook);
    let _lock = lock(global, &session.inventory.cluster, &id)?;
    let mut ear = Ear::new();
    let prepared = prepare(args, &saved, (&session, &id), terminal);
    let (seen, facts) = unless_told_to_stop(ear.as_mut(), terminal, NOTHING_CHANGED, prepared).await?;
    let launch = Launch {
        session: &session,
        plan: &saved.plan,
        output: args.output,
        inventory: &args.inventory,
        global,
        terminal,
        ear,
        seen,
    };
    launch.fresh(id, facts).await
}

/// Everything before the first change: facts that fit the plan, and a person's yes.
async fn prepare(
    args: &ApplyArgs,
    saved: &SavedPlan,
    (session, id): (&Session, &RunId),
    terminal: Terminal,
) -> Result<(Seen, Arc<Facts>), CliError> {
    let seen = session.look_at_locks(id).await?;
    let facts = Arc::new(session.gather().await);
    let plan = &saved.plan;
    if plan.errors().next().is_some() {
        return Err(super::run::refusal(plan));
    }
    refuse_drift(&drift(plan, &session.inventory, &saved.facts, &facts))?;
    match args.output {
        Output::Text => print(&report::plan_text(plan, &terminal.out_style())),
        Output::Json => print_err(&report::plan_text(plan, &terminal.err_style())),
    }
    confirm(plan, args.yes, terminal).await?;
    Ok((seen, facts))
}

/// Prints every difference.
pub(super) fn refuse_drift(found: &[Drift]) -> Result<(), CliError> {
    if found.is_empty() {
        return Ok(());
    }
    for line in found {
        print_err(&format!("  {}\n", report::clean(&line.to_string())));
    }
    Err(CliError::usage(
        format!("the plan no longer fits the hosts ({} differences above)", found.len()),
        "Nothing was changed. Make a new plan from the hosts as they are now.",
    ))
}
