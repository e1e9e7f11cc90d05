//! `certfleet renew`, `restart` and `run`: gather, plan, show, ask, execute, report.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use crate::cli::args::{Global, Output, RunOptions};
use crate::cli::confirm::confirm;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
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
pub(crate) async fn run(playbook: &str, options: &RunOptions, global: &Global, terminal: Terminal) -> Result<Exit, CliError> {
    let playbook = with_quiet(load_playbook(playbook)?, options);
    let session = Session::open(&options.target, terminal)?;
    run_on(&session, &playbook, options, global, terminal).await
}

/// The same on an open session: `demo` comes in here.
pub(crate) async fn run_on(session: &Session, playbook: &Playbook, options: &RunOptions, global: &Global, terminal: Terminal) -> Result<Exit, CliError> {
    let facts = Arc::new(session.gather().await);
    let plan = plan_with(session, playbook, &facts);
    show_plan(&plan, options, terminal);
    if options.dry_run {
        return Ok(if plan.errors().next().is_some() { refusal(&plan).exit() } else { Exit::Done });
    }
    if plan.errors().next().is_some() {
        return Err(refusal(&plan));
    }
    confirm(&plan, options.yes, terminal)?;
    execute(session, &plan, facts, options, global, terminal).await
}

fn plan_with(session: &Session, playbook: &Playbook, facts: &Facts) -> Plan {
    plan(&PlanInput { inventory: &session.inventory, playbook, facts, limit: &session.limit, now: Timestamp::now() })
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
    let first: Vec<String> = plan.errors().map(|n| n.host.as_ref().map_or_else(|| n.code.clone(), |h| format!("{} on {h}", n.code))).collect();
    if codes.contains(&"master-unreachable") {
        return CliError::Unreachable(format!("the plan must not run: {}", first.join(", ")));
    }
    CliError::PlanRefused(first.join(", "))
}

async fn execute(session: &Session, plan: &Plan, facts: Arc<Facts>, options: &RunOptions, global: &Global, terminal: Terminal) -> Result<Exit, CliError> {
    let state = state_directory(global)?;
    let id = new_run_id(plan);
    let _lock = ClusterLock::acquire(&state, &plan.cluster, &id)?;
    let ledger = Ledger::create(&state, &id)?;
    ledger.keep("plan.json", report::plan_json(plan).as_bytes())?;
    let directory = ledger.directory().to_owned();
    let mut screen = Screen::start(options.output, global.verbose, terminal);
    let recorder = Recorder::new(Some(ledger), screen.observers(), Arc::new(Timestamp::now));
    let cancel = Cancel::new();
    signals::listen(&cancel);
    let run = Run { id, inventory: Arc::clone(&session.inventory), facts, transport: Arc::clone(&session.transport), recorder: recorder.clone(), cancel };
    let end = engine::execute(&run, plan, &operator()).await?;
    let final_state = recorder.state();
    drop((run, recorder));
    screen.finish().await;
    if options.output == Output::Text {
        print(&report::summary(&final_state, plan, Some(&directory), &terminal.out_style()));
    }
    Ok(Exit::from(end))
}

/// `20201122T191500Z-renew-4f2a`: sortable, readable, unique enough for one machine (the directory must be new).
fn new_run_id(plan: &Plan) -> RunId {
    let stamp = plan.created.strftime("%Y%m%dT%H%M%SZ");
    let playbook: String = plan.playbook.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
    let noise = Timestamp::now().subsec_nanosecond().unsigned_abs() ^ std::process::id();
    RunId::new(format!("{stamp}-{playbook}-{:04x}", noise & 0xffff))
}

fn operator() -> engine::run::Operator {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "unknown".to_owned());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    let host = host.map_or_else(|_| std::env::var("HOSTNAME").unwrap_or_else(|_| "localhost".to_owned()), |h| h.trim().to_owned());
    engine::run::Operator { who: format!("{user}@{host}") }
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
