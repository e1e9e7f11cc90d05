//! `certfleet check`: which process uses which certificate, and what breaks next. Reads only; a host that fails is a row, not an abort.

use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::sleep;

use crate::check::{Findings, Level, Thresholds, examine};
use crate::cli::args::{CheckArgs, CheckBy, CheckOnly, CheckOutput};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::signals::{Ear, told_to_stop, unless_told_to_stop};
use crate::cli::terminal::{Terminal, print};
use crate::engine;
use crate::report::{self, CheckView, GroupBy};

/// Inspects, judges, prints: once, or until Ctrl-C.
pub(crate) async fn run(args: &CheckArgs, terminal: Terminal) -> Result<Exit, CliError> {
    if args.critical > args.warn {
        let hint = "`--critical` is the shorter of the two: for example `--warn 30d --critical 7d`.";
        return Err(CliError::usage("`--critical` is longer than `--warn`", hint));
    }
    let session = Session::open(&args.target, terminal)?;
    let Some(pause) = args.watch else {
        let looked = once(args, &session, terminal, false);
        return unless_told_to_stop(
            Ear::new().as_mut(),
            terminal,
            "stopped before all was looked at",
            looked,
        )
        .await;
    };
    let mut ear = Ear::new();
    tokio::select! {
        ended = watch(args, &session, terminal, pause) => ended,
        () = told_to_stop(ear.as_mut()) => {
            terminal.restore();
            Ok(Exit::Done)
        }
    }
}

async fn watch(args: &CheckArgs, session: &Session, terminal: Terminal, pause: Duration) -> Result<Exit, CliError> {
    loop {
        Box::pin(once(args, session, terminal, true)).await?;
        // Never a busy loop, whatever was asked for.
        sleep(pause.max(Duration::from_secs(1))).await;
    }
}

async fn once(args: &CheckArgs, session: &Session, terminal: Terminal, again: bool) -> Result<Exit, CliError> {
    let hosts = session.hosts();
    let inspected = engine::inspect(&session.transport, &session.inventory, &hosts, &Timestamp::now).await;
    let thresholds = Thresholds {
        warn: args.warn,
        critical: args.critical,
    };
    let findings = examine(&inspected, thresholds, &args.target.inventory.to_string_lossy());
    let text = render(args, &findings, terminal)?;
    match &args.to {
        Some(path) => write_whole(path, &text)?,
        None if again && terminal.stdout => print(&format!("\u{1b}[2J\u{1b}[H{text}")),
        None => print(&text),
    }
    Ok(exit_of(findings.level))
}

fn render(args: &CheckArgs, findings: &Findings, terminal: Terminal) -> Result<String, CliError> {
    let text = match args.output {
        CheckOutput::Text => {
            let by = match args.by {
                CheckBy::Host => GroupBy::Host,
                CheckBy::Certificate => GroupBy::Certificate,
            };
            let view = CheckView {
                by,
                only_problems: args.only == Some(CheckOnly::Problems),
            };
            let mut style = terminal.out_style();
            style.colour &= args.to.is_none();
            report::check_text(findings, view, &style)
        }
        CheckOutput::Json => report::check_json(findings),
        CheckOutput::Prometheus => report::check_prometheus(findings),
        CheckOutput::Html => {
            report::check_html(findings).map_err(|e| CliError::Bug(format!("the page cannot be made: {e}")))?
        }
    };
    Ok(format!("{}\n", text.trim_end()))
}

/// A new file beside the old one, then renamed over it. World-readable, as the node exporter needs it; nothing in it is secret.
fn write_whole(path: &Path, text: &str) -> Result<(), CliError> {
    use std::os::unix::fs::PermissionsExt;
    let doing = || format!("cannot write {}", path.display());
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".certfleet-")
        .permissions(std::fs::Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(CliError::io(doing()))?;
    file.write_all(text.as_bytes()).map_err(CliError::io(doing()))?;
    file.as_file().sync_data().map_err(CliError::io(doing()))?;
    file.persist(path).map_err(|e| e.error).map_err(CliError::io(doing()))?;
    Ok(())
}

fn exit_of(level: Level) -> Exit {
    match level {
        Level::Ok => Exit::Done,
        Level::Warning => Exit::CheckWarning,
        Level::Critical => Exit::CheckCritical,
        Level::Unknown => Exit::CheckUnknown,
    }
}
