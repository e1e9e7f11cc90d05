//! The question before anything is changed.

use crate::plan::Plan;

use super::error::CliError;
use super::terminal::{Terminal, print_err};

/// Returns when the person agreed. A plan with an outage wants the cluster's name typed out.
pub(crate) fn confirm(plan: &Plan, yes: bool, terminal: Terminal) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    if !terminal.interactive {
        return Err(CliError::usage(
            "there is no terminal to ask on, and `--yes` was not given; nothing was changed",
            "Add `--yes` after you have read the plan (`--dry-run` shows it).",
        ));
    }
    if plan.has_outage() { by_name(&plan.cluster) } else { by_yes() }
}

fn by_name(cluster: &str) -> Result<(), CliError> {
    print_err(&format!("This plan takes the API away for a while. Type the cluster's name (`{cluster}`) to go on, anything else to stop.\n"));
    let answer = ask("cluster name")?;
    if answer.trim() == cluster { Ok(()) } else { Err(declined(&format!("`{}` is not `{cluster}`", answer.trim()))) }
}

fn by_yes() -> Result<(), CliError> {
    let answer = ask("Go on? (yes/no)")?;
    if matches!(answer.trim(), "y" | "yes") { Ok(()) } else { Err(declined("the answer was no")) }
}

fn ask(prompt: &str) -> Result<String, CliError> {
    let answer = dialoguer::Input::<String>::new().with_prompt(prompt).allow_empty(true).interact_text();
    answer.map_err(|_| declined("no answer was given"))
}

fn declined(why: &str) -> CliError {
    CliError::Declined(format!("stopped before anything was changed: {why}"))
}
