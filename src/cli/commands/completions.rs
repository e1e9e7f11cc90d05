//! `certfleet completions SHELL`.

use crate::cli::exit::Exit;
use crate::cli::terminal::print;

/// Prints the script.
pub(crate) fn run(shell: clap_complete::Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut crate::cli::grammar(), "certfleet", &mut script);
    print(&String::from_utf8_lossy(&script));
    Exit::Done
}
