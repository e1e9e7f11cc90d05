//! `certfleet unlock --reason TEXT`: frees the lock of a dead run. Kept on every master; marks of failed runs stay.

use crate::cli::args::{Target, UnlockArgs};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::Session;
use crate::cli::signals::{Ear, unless_told_to_stop};
use crate::cli::terminal::{Terminal, print};
use crate::engine::lease;
use crate::model::{Selector, duration};
use crate::report::clean;

/// Frees, and tells what was held where.
pub(crate) async fn run(args: &UnlockArgs, terminal: Terminal) -> Result<Exit, CliError> {
    if args.reason.trim().is_empty() {
        return Err(CliError::usage(
            "`--reason` is empty",
            "Say why the run that holds the lock is dead.",
        ));
    }
    let target = Target {
        inventory: args.inventory.clone(),
        limit: Selector::all(),
    };
    let session = Session::open(&target, terminal)?;
    let reason = format!("{}: {}", crate::cli::operator::operator().who, args.reason.trim());
    let mut failed = Vec::new();
    let freed = async { Ok(lease::unlock(&session.transport, &session.inventory, &reason).await) };
    let stopped = "stopped; some masters may be free already: run it again";
    for (master, told) in unless_told_to_stop(Ear::new().as_mut(), terminal, stopped, freed).await? {
        let line = match told {
            Ok(Some(holder)) => format!(
                "{master}: freed; run {} of {} held it since {}, last sign of life {} ago",
                holder.run,
                holder.who,
                holder.since,
                duration::display(holder.silent)
            ),
            Ok(None) => format!("{master}: was not locked"),
            Err(why) => {
                failed.push(master.to_string());
                format!("{master}: {why}")
            }
        };
        print(&format!("{}\n", clean(&line)));
    }
    if failed.is_empty() {
        Ok(Exit::Done)
    } else {
        Err(CliError::Unreachable(format!("not freed on {}", failed.join(", "))))
    }
}
