//! The person: arguments in, text and an exit code out. Below this module nobody knows an exit code.

pub mod args;
mod commands;
mod confirm;
mod error;
mod exit;
mod failed;
mod ignored;
mod open_files;
mod operator;
mod screen;
mod secrets;
mod session;
mod signals;
mod terminal;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Cli, Commands};
use error::CliError;
use exit::Exit;
use terminal::{Terminal, print_err};

use crate::config::ErrorStyle;
use crate::report;

/// Everything from the process's arguments to its exit code.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage_exit(&error),
    };
    start_log(cli.global.verbose);
    open_files::raise_the_limit();
    let terminal = Terminal::detect(&cli.global);
    let check = matches!(cli.command, Commands::Check(_));
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            print_err(&format!("error: cannot start: {error}\n"));
            return Exit::Bug.into();
        }
    };
    let result = runtime.block_on(commands::dispatch(cli, terminal));
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    match result {
        Ok(exit) => exit.into(),
        Err(error) => {
            print_err(&error_text(&error, terminal.err_style().colour));
            if check {
                Exit::CheckUnknown.into()
            } else {
                error.exit().into()
            }
        }
    }
}

/// clap's own texts; help and version are no errors.
fn usage_exit(error: &clap::Error) -> ExitCode {
    let _ = error.print();
    if !error.use_stderr() {
        return Exit::Done.into();
    }
    // A monitoring system must not take a typing error for "critical".
    let check = std::env::args().nth(1).is_some_and(|first| first == "check");
    if check {
        Exit::CheckUnknown.into()
    } else {
        Exit::Usage.into()
    }
}

/// What happened and what to do. Most of it was said by hosts, which may lie: nothing of that moves the cursor.
fn error_text(error: &CliError, coloured: bool) -> String {
    let what = match error {
        CliError::Config(errors) if coloured => errors.render(ErrorStyle::Coloured),
        CliError::Config(errors) => errors.render(ErrorStyle::Plain),
        other => report::clean(&format!("error: {other}")),
    };
    let hint = error
        .hint()
        .map(|hint| format!("  what to do: {}\n", report::clean(&hint)));
    format!("{}\n{}", what.trim_end(), hint.unwrap_or_default())
}

/// Diagnostics of libraries, for bug reports: never on by default, since russh's debug log can hold agent payloads.
fn start_log(verbose: u8) {
    let level = if verbose >= 2 {
        "certfleet=debug,russh=info"
    } else {
        "certfleet=warn,russh=off"
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("CERTFLEET_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
}

/// The grammar, for completions and the manual page.
pub fn grammar() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::LeaseError;

    #[test]
    fn what_a_lying_host_says_does_not_move_the_cursor() {
        let error = CliError::Lease(LeaseError::Overtaken {
            run: "r1\u{1b}[2J\u{1b}[1;31m".to_owned(),
            who: "root\r@prod".to_owned(),
            master: "m1".into(),
        });
        let text = error_text(&error, true);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        assert!(text.contains("run r1") && text.ends_with("Plan again.\n"), "{text}");
    }
}
