//! `certfleet renew`, `restart` and `run`: gather, plan, show, ask, execute, report.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::launch::{Facts, Launch, lock, new_run_id};
use super::way::{Tuning, Way};
use crate::cli::args::{Global, Output, RunOptions};
use crate::cli::confirm::confirm;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::signals::{Ear, NOTHING_CHANGED, unless_told_to_stop};
use crate::cli::terminal::{Terminal, print, print_err};
use crate::engine::{self, Seen};
use crate::model::{Playbook, RunId};
use crate::plan::{Plan, PlanInput, SavedPlan, plan};
use crate::report;

/// Everything that one way asks for.
pub(crate) async fn run(
    way: &Way,
    tuning: &Tuning,
    options: &RunOptions,
    global: &Global,
    terminal: Terminal,
) -> Result<Exit, CliError> {
    let session = Session::open(&options.target, terminal)?;
    run_on(&session, (way, tuning), options, global, terminal).await
}

/// The same on an open session: `demo` comes in here.
pub(crate) async fn run_on(
    session: &Session,
    way: (&Way, &Tuning),
    options: &RunOptions,
    global: &Global,
    terminal: Terminal,
) -> Result<Exit, CliError> {
    let id = new_run_id(way.0.name());
    // Held from before the facts are gathered, so that no other run of this machine makes them old.
    let _lock = if options.dry_run {
        None
    } else {
        Some(lock(global, &session.inventory.cluster, &id)?)
    };
    let mut ear = Ear::new();
    let prepared = prepare((session, &id), way, options, terminal);
    let (seen, plan, facts) = unless_told_to_stop(ear.as_mut(), terminal, NOTHING_CHANGED, prepared).await?;
    if options.dry_run {
        if let Some(file) = &options.out {
            save(file, &plan, &facts)?;
        }
        return Ok(if plan.errors().next().is_some() {
            refusal(&plan).exit()
        } else {
            Exit::Done
        });
    }
    let launch = Launch {
        session,
        plan: &plan,
        output: options.output,
        inventory: &options.target.inventory,
        global,
        terminal,
        ear,
        seen,
    };
    launch.fresh(id, facts).await
}

/// Everything before the first change: facts, plan, and a person's yes.
async fn prepare(
    (session, id): (&Session, &RunId),
    (way, tuning): (&Way, &Tuning),
    options: &RunOptions,
    terminal: Terminal,
) -> Result<(Seen, Plan, Arc<Facts>), CliError> {
    let seen = seen_before(session, id, options.dry_run).await?;
    let facts = if way.asks_what_runs() || tuning.drain {
        session.gather_alive().await
    } else {
        session.gather().await
    };
    let facts = Arc::new(facts);
    let plan = way.plan(session, &facts, tuning)?;
    show_plan(&plan, options, terminal);
    if !options.dry_run {
        if plan.errors().next().is_some() {
            return Err(refusal(&plan));
        }
        confirm(&plan, options.yes, terminal).await?;
    }
    Ok((seen, plan, facts))
}

/// The masters are looked at first; a dry run takes no lock, and has nothing to compare with later.
pub(super) async fn seen_before(session: &Session, id: &RunId, dry_run: bool) -> Result<Seen, CliError> {
    if dry_run {
        return Ok(Seen::default());
    }
    session.look_at_locks(id).await
}

/// Keeps the plan for `apply`, readable for its owner alone.
fn save(file: &Path, plan: &Plan, facts: &Facts) -> Result<(), CliError> {
    let (folder, name) = (file.parent(), file.file_name());
    let folder = folder.filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let name = name.map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let saved = SavedPlan::new(plan.clone(), facts.clone());
    engine::ledger::keep_file(folder, &name, saved.to_json().as_bytes())?;
    print_err(&format!(
        "The plan is in {}; `certfleet apply {}` runs exactly it.\n",
        file.display(),
        file.display()
    ));
    Ok(())
}

pub(super) fn plan_with(session: &Session, playbook: &Playbook, facts: &Facts) -> Plan {
    plan(&PlanInput {
        inventory: &session.inventory,
        playbook,
        facts,
        limit: &session.limit,
        now: Timestamp::now(),
    })
}

/// With `--output json` a dry run prints the plan; a real run prints events only.
pub(super) fn show_plan(plan: &Plan, options: &RunOptions, terminal: Terminal) {
    match (options.output, options.dry_run) {
        (Output::Json, true) => print(&format!("{}\n", report::plan_json(plan))),
        (Output::Json, false) => print_err(&report::plan_text(plan, &terminal.err_style())),
        (Output::Text, _) => print(&report::plan_text(plan, &terminal.out_style())),
    }
}

/// Unreachable hosts are exit code 5, everything else that forbids the plan is 2.
pub(super) fn refusal(plan: &Plan) -> CliError {
    let codes: Vec<&str> = plan.errors().map(|n| n.code.as_str()).collect();
    let first: Vec<String> = plan
        .errors()
        .map(|n| {
            n.host
                .as_ref()
                .map_or_else(|| n.code.clone(), |h| format!("{} on {h}", n.code))
        })
        .collect();
    if codes.iter().any(|c| c.ends_with("-unreachable")) {
        return CliError::Unreachable(format!("the plan must not run: {}", first.join(", ")));
    }
    CliError::PlanRefused(first.join(", "))
}
