//! `certfleet demo`: a dead cluster comes back, in one go: lab, check, renew, check.

use std::time::{Duration, Instant};

use crate::cli::args::{CheckArgs, CheckBy, CheckOnly, CheckOutput, DemoArgs, Global, Output, RunOptions, Target};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::terminal::{Terminal, print};
use crate::model::{Selector, duration};
use crate::report::Tone;

use super::way::{Tuning, Way};
use super::{check, lab, run};

/// The embedded fleet settles in seconds, so its gates need not be as patient as those of real hosts.
const QUIET: Duration = Duration::from_secs(1);
const INTERVAL: Duration = Duration::from_millis(500);
/// How long a pod may be not ready before it counts as stuck; three minutes on real hosts.
const GRACE: Duration = Duration::from_secs(3);

/// Runs the whole story; the exit code is that of the renewal, or of a fleet that is not well afterwards.
pub(crate) async fn run(args: &DemoArgs, global: &Global, terminal: Terminal) -> Result<Exit, CliError> {
    let started = Instant::now();
    let dir = tempfile::tempdir().map_err(CliError::io("cannot make a temporary directory"))?;
    let running = lab::start(&args.shape, &dir.path().join("lab")).await?;
    heading(
        terminal,
        1,
        &format!(
            "An embedded fleet in the state `{}`: {} masters, {} workers, SSH on loopback",
            args.shape.scenario, args.shape.masters, args.shape.workers
        ),
    );
    let target = Target {
        inventory: running.files.inventory(),
        limit: Selector::all(),
    };
    heading(terminal, 2, "certfleet check --only problems");
    check::run(&check_args(&target), terminal).await?;
    heading(
        terminal,
        3,
        &format!(
            "certfleet renew --yes   (quiet periods shortened to {}, pod grace to {})",
            duration::display(QUIET),
            duration::display(GRACE)
        ),
    );
    let global = Global {
        state_dir: Some(dir.path().join("state")),
        ..global.clone()
    };
    let renewed = renew(&target, &global, terminal).await?;
    heading(terminal, 4, "certfleet check --only problems");
    check::run(&check_args(&target), terminal).await?;
    let verdict = running.lab.status().healthy();
    running.shutdown().await;
    farewell(terminal, &verdict, started.elapsed());
    print(
        "The fleet, its ledger and its backups were made for this demonstration and are gone; `certfleet lab up` keeps a fleet.\n",
    );
    Ok(if verdict.is_err() && renewed == Exit::Done {
        Exit::GateFailed
    } else {
        renewed
    })
}

async fn renew(target: &Target, global: &Global, terminal: Terminal) -> Result<Exit, CliError> {
    let options = RunOptions {
        target: target.clone(),
        dry_run: false,
        out: None,
        yes: true,
        output: Output::Text,
        quiet: Some(QUIET),
        grace: Some(GRACE),
    };
    let tuning = Tuning {
        interval: Some(INTERVAL),
        ..Tuning::of(&options, false)
    };
    let session = Session::open(target, terminal)?;
    run::run_on(&session, (&Way::Strategy(None), &tuning), &options, global, terminal).await
}

fn check_args(target: &Target) -> CheckArgs {
    let day = Duration::from_secs(86_400);
    CheckArgs {
        target: target.clone(),
        warn: 30 * day,
        critical: 7 * day,
        by: CheckBy::Host,
        only: Some(CheckOnly::Problems),
        output: CheckOutput::Text,
        to: None,
        watch: None,
    }
}

fn heading(terminal: Terminal, number: u8, text: &str) {
    let style = terminal.out_style();
    print(&format!(
        "\n{}\n\n",
        style.paint(Tone::Heading, &format!("== {number}. {text}"))
    ));
}

fn farewell(terminal: Terminal, verdict: &Result<(), String>, elapsed: Duration) {
    let took = format!("{:.1} s", elapsed.as_secs_f64());
    let style = terminal.out_style();
    match verdict {
        Ok(()) => print(&format!(
            "\n{} Every node is Ready. The whole story took {took}.\n",
            style.paint(Tone::Good, "The cluster is back.")
        )),
        Err(why) => print(&format!(
            "\n{} {why} (after {took})\n",
            style.paint(Tone::Bad, "The cluster is not well:")
        )),
    }
}
