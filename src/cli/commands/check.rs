//! `certfleet check`: the certificates of the whole fleet. Reads only; a host that fails is a row, not an abort.

use jiff::Timestamp;

use crate::cli::args::{CheckArgs, Output};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::terminal::{Terminal, print};
use crate::report::{self, CheckLevel, Thresholds};

/// Gathers, judges, prints.
pub(crate) async fn run(args: &CheckArgs, terminal: Terminal) -> Result<Exit, CliError> {
    let session = Session::open(&args.target, terminal)?;
    let facts = session.gather().await;
    let thresholds = Thresholds { warn: args.warn, critical: args.critical };
    let now = Timestamp::now();
    let rows = report::rows(&facts, now, thresholds);
    let text = match args.output {
        Output::Text => report::certificates_table(&rows, &terminal.out_style()),
        Output::Json => report::certificates_json(&rows, now),
    };
    print(&format!("{}\n", text.trim_end()));
    Ok(exit_of(report::worst(&rows)))
}

fn exit_of(level: CheckLevel) -> Exit {
    match level {
        CheckLevel::Ok => Exit::Done,
        CheckLevel::Warning => Exit::CheckWarning,
        CheckLevel::Critical => Exit::CheckCritical,
        CheckLevel::Unknown => Exit::CheckUnknown,
    }
}
