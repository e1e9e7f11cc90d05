//! `certfleet completions SHELL`.

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::terminal::print;

/// Prints the script.
pub(crate) fn run(shell: clap_complete::Shell) -> Result<Exit, CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::cli::grammar(), "certfleet", &mut script);
    print(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}
