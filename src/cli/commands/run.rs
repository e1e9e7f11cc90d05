//! `certfleet renew`, `restart` and `run`: gather, plan, show, ask, execute, report.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::cli::args::{Global, Output, RunOptions};
use crate::cli::confirm::confirm;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::operator::operator;
use crate::cli::screen::Screen;
use crate::cli::session::{Session, state_directory};
use crate::cli::signals;
use crate::cli::terminal::{Terminal, print, print_err};
use crate::config::load_playbook;
use crate::engine::{self, Cancel, ClusterLock, Ledger, Recorder, Run};
use crate::model::{HostFacts, HostName, Playbook, RunId};
use crate::plan::{Plan, PlanInput, plan};
use crate::report;

/// What was found on every host.
type Facts = BTreeMap<HostName, HostFacts>;

/// The whole way for one playbook.
pub(crate) async fn run(
    playbook: &str,
    options: &RunOptions,
    global: &Global,
    terminal: Terminal,
) -> Result<Exit, CliError> {
    let playbook = with_quiet(load_playbook(playbook)?, options);
    let session = Session::open(&options.target, terminal)?;
    run_on(&session, &playbook, options, global, terminal).await
}

/// The same on an open session: `demo` comes in here.
pub(crate) async fn run_on(
    session: &Session,
    playbook: &Playbook,
    options: &RunOptions,
    global: &Global,
    terminal: Terminal,
) -> Result<Exit, CliError> {
    let id = new_run_id(playbook);
    // Held from before the facts are gathered, so that no other run makes them old.
    let _lock = if options.dry_run {
        None
    } else {
        Some(ClusterLock::acquire(
            &state_directory(global)?,
            &session.inventory.cluster,
            &id,
        )?)
    };
    let (plan, facts) = tokio::select! {
        prepared = prepare(session, playbook, options, terminal) => prepared?,
        () = signals::told_to_stop() => return Err(interrupted(terminal)),
    };
    if options.dry_run {
        return Ok(if plan.errors().next().is_some() {
            refusal(&plan).exit()
        } else {
            Exit::Done
        });
    }
    execute(session, &plan, facts, id, options, global, terminal).await
}

/// Everything before the first change: facts, plan, and a person's yes.
async fn prepare(
    session: &Session,
    playbook: &Playbook,
    options: &RunOptions,
    terminal: Terminal,
) -> Result<(Plan, Arc<Facts>), CliError> {
    let facts = Arc::new(session.gather().await);
    let plan = plan_with(session, playbook, &facts);
    show_plan(&plan, options, terminal);
    if !options.dry_run {
        if plan.errors().next().is_some() {
            return Err(refusal(&plan));
        }
        confirm(&plan, options.yes, terminal).await?;
    }
    Ok((plan, facts))
}

fn interrupted(terminal: Terminal) -> CliError {
    terminal.restore();
    CliError::Declined("stopped before anything was changed".to_owned())
}

fn plan_with(session: &Session, playbook: &Playbook, facts: &Facts) -> Plan {
    plan(&PlanInput {
        inventory: &session.inventory,
        playbook,
        facts,
        limit: &session.limit,
        now: Timestamp::now(),
    })
}

/// With `--output json` a dry run prints the plan; a real run prints events only.
fn show_plan(plan: &Plan, options: &RunOptions, terminal: Terminal) {
    match (options.output, options.dry_run) {
        (Output::Json, true) => print(&format!("{}\n", report::plan_json(plan))),
        (Output::Json, false) => print_err(&report::plan_text(plan, &terminal.err_style())),
        (Output::Text, _) => print(&report::plan_text(plan, &terminal.out_style())),
    }
}

/// Unreachable masters are exit code 5, everything else that forbids the plan is 2.
fn refusal(plan: &Plan) -> CliError {
    let codes: Vec<&str> = plan.errors().map(|n| n.code.as_str()).collect();
    let first: Vec<String> = plan
        .errors()
        .map(|n| {
            n.host
                .as_ref()
                .map_or_else(|| n.code.clone(), |h| format!("{} on {h}", n.code))
        })
        .collect();
    if codes.contains(&"master-unreachable") {
        return CliError::Unreachable(format!("the plan must not run: {}", first.join(", ")));
    }
    CliError::PlanRefused(first.join(", "))
}

async fn execute(
    session: &Session,
    plan: &Plan,
    facts: Arc<Facts>,
    id: RunId,
    options: &RunOptions,
    global: &Global,
    terminal: Terminal,
) -> Result<Exit, CliError> {
    let state = state_directory(global)?;
    let ledger = Ledger::create(&state, &id)?;
    ledger.keep("plan.json", report::plan_json(plan).as_bytes())?;
    let directory = ledger.directory().to_owned();
    let mut screen = Screen::start(options.output, global.verbose, terminal);
    let recorder = Recorder::new(Some(ledger), screen.observers(), Arc::new(Timestamp::now));
    let cancel = Cancel::new();
    signals::listen(&cancel);
    let run = Run {
        id,
        inventory: Arc::clone(&session.inventory),
        facts,
        transport: Arc::clone(&session.transport),
        recorder: recorder.clone(),
        cancel,
    };
    let end = engine::execute(&run, plan, &operator()).await?;
    let final_state = recorder.state();
    drop((run, recorder));
    screen.finish().await;
    if options.output == Output::Text {
        print(&report::summary(
            &final_state,
            plan,
            Some(&directory),
            &terminal.out_style(),
        ));
    }
    Ok(Exit::from(end))
}

/// `20201122T191500Z-renew-4f2a`: sortable, readable, unique enough for one machine (the directory must be new).
fn new_run_id(playbook: &Playbook) -> RunId {
    let stamp = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let playbook: String = playbook
        .name
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    let noise = Timestamp::now().subsec_nanosecond().unsigned_abs() ^ std::process::id();
    RunId::new(format!("{stamp}-{playbook}-{:04x}", noise & 0xffff))
}

/// `--quiet` shortens every gate's quiet period.
fn with_quiet(mut playbook: Playbook, options: &RunOptions) -> Playbook {
    if let Some(quiet) = options.quiet {
        for gate in playbook.phases.iter_mut().filter_map(|p| p.gate.as_mut()) {
            gate.quiet = gate.quiet.min(quiet);
        }
    }
    playbook
}
