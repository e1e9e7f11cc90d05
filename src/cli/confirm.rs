//! The question before anything is changed.

use crate::plan::Plan;

use super::error::CliError;
use super::terminal::{Terminal, print_err};

/// Returns when the person agreed. A plan with an outage wants the cluster's name typed out; one that changes nothing
/// needs no answer.
pub(crate) async fn confirm(plan: &Plan, yes: bool, terminal: Terminal) -> Result<(), CliError> {
    if yes || plan.work().next().is_none() {
        return Ok(());
    }
    if !terminal.interactive {
        return Err(CliError::usage(
            "there is no terminal to ask on, and `--yes` was not given; nothing was changed",
            "Add `--yes` after you have read the plan (`--dry-run` shows it).",
        ));
    }
    if plan.has_outage() {
        by_name(&plan.cluster).await
    } else {
        by_yes().await
    }
}

async fn by_name(cluster: &str) -> Result<(), CliError> {
    print_err(&format!(
        "This plan is an outage. Type the cluster's name (`{cluster}`) to go on, anything else to stop.\n"
    ));
    let answer = ask("cluster name").await?;
    if answer.trim() == cluster {
        Ok(())
    } else {
        Err(declined(&format!("`{}` is not `{cluster}`", answer.trim())))
    }
}

async fn by_yes() -> Result<(), CliError> {
    let answer = ask("Go on? (yes/no)").await?;
    if matches!(answer.trim(), "y" | "yes") {
        Ok(())
    } else {
        Err(declined("the answer was no"))
    }
}

/// On a thread of its own, so that Ctrl-C is heard meanwhile.
async fn ask(prompt: &'static str) -> Result<String, CliError> {
    let question = move || {
        dialoguer::Input::<String>::new()
            .with_prompt(prompt)
            .allow_empty(true)
            .interact_text()
    };
    match tokio::task::spawn_blocking(question).await {
        Ok(Ok(answer)) => Ok(answer),
        _ => Err(declined("no answer was given")),
    }
}

fn declined(why: &str) -> CliError {
    CliError::Declined(format!("stopped before anything was changed: {why}"))
}
