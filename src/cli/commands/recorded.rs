//! `certfleet runs` and `certfleet report`: what the ledgers of this machine tell.

use crate::cli::args::{Global, Output, ReportArgs, ReportForm, RunsArgs};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::state_directory;
use crate::cli::terminal::{Terminal, print};
use crate::engine::runs::{find, list};
use crate::report::{self, RunFiles, RunRow};

/// One row per run.
pub(crate) fn runs(args: &RunsArgs, global: &Global, terminal: Terminal) -> Result<Exit, CliError> {
    let records = list(&state_directory(global)?);
    let rows: Vec<RunRow> = records
        .iter()
        .map(|r| match &r.events {
            Ok(_) => RunRow::new(r.id.clone(), &r.state()),
            Err(why) => RunRow::damaged(r.id.clone(), why.to_string()),
        })
        .collect();
    print(&match args.output {
        Output::Text => report::runs_table(&rows, &terminal.out_style()),
        Output::Json => report::runs_json(&rows),
    });
    Ok(Exit::Done)
}

/// One run.
pub(crate) fn report(args: &ReportArgs, global: &Global, terminal: Terminal) -> Result<Exit, CliError> {
    let hint = "`certfleet runs` lists the runs of this machine.";
    let record = find(&state_directory(global)?, args.run.as_deref()).map_err(|why| CliError::usage(why, hint))?;
    let (before, after) = (record.facts(), record.facts_after());
    let events = record.events?;
    let missing = before.as_ref().err().cloned().into_iter().collect();
    let told = report::run_report(&RunFiles {
        events: &events,
        before: before.as_ref().ok(),
        after: after.as_ref().ok(),
        missing,
    });
    print(&match args.output {
        ReportForm::Text => report::run_text(&told, &terminal.out_style()),
        ReportForm::Json => report::run_json(&told),
        ReportForm::Junit => report::run_junit(&told),
        ReportForm::Html => report::run_html(&told).map_err(CliError::Bug)?,
    });
    Ok(Exit::Done)
}
