//! `--limit @failed`: the hosts that the last run of this cluster left behind, or those of `@failed:RUN`.

use std::path::{Path, PathBuf};

use crate::config::load_inventory;
use crate::engine::RunRecord;
use crate::engine::runs::{find, list};
use crate::model::{HostName, Selector};

use super::args::{Commands, Global};
use super::error::CliError;
use super::session::{home, state_directory};

const HINT: &str = "`certfleet runs` lists the runs of this machine, `certfleet report RUN` tells one.";

/// Replaces `@failed` in the command's limit, if it is there, by host names.
pub(crate) fn resolve(command: &mut Commands, global: &Global) -> Result<(), CliError> {
    let Some((inventory, limit)) = limit_of(command).filter(|(_, l)| l.names_a_run()) else {
        return Ok(());
    };
    let cluster = load_inventory(&inventory, home().as_deref())?.cluster;
    let state = state_directory(global)?;
    *limit = limit.resolved(|run| left_behind(&state, run, &cluster))?;
    Ok(())
}

/// Where a command keeps its inventory and its limit.
fn limit_of(command: &mut Commands) -> Option<(PathBuf, &mut Selector)> {
    let target = match command {
        Commands::Renew(args) => &mut args.options.target,
        Commands::Restart(args) => &mut args.options.target,
        Commands::Run(args) => &mut args.options.target,
        Commands::Rollback(args) => &mut args.options.target,
        Commands::Check(args) => &mut args.target,
        Commands::Inventory(args) => &mut args.target,
        Commands::Exec(args) => &mut args.target,
        Commands::Journal(args) => return Some((args.inventory.clone()?, &mut args.limit)),
        _ => return None,
    };
    Some((target.inventory.clone(), &mut target.limit))
}

/// Hosts that failed, could not be reached, or were not proven.
fn left_behind(state: &Path, run: Option<&str>, cluster: &str) -> Result<Vec<HostName>, CliError> {
    let record = match run {
        Some(_) => find(state, run).map_err(|why| CliError::usage(why, HINT))?,
        None => last_of(state, cluster)?,
    };
    let id = record.id.clone();
    let events = record.events?;
    let told = crate::event::RunState::fold(&events);
    let mut hosts = told.failed_hosts();
    hosts.extend(told.unsettled().map(|(_, step)| step.host.clone()));
    if hosts.is_empty() {
        return Err(CliError::usage(format!("run {id} left no host behind"), HINT));
    }
    Ok(hosts.into_iter().collect())
}

fn last_of(state: &Path, cluster: &str) -> Result<RunRecord, CliError> {
    let here = |r: &RunRecord| r.state().cluster == cluster;
    list(state).into_iter().rfind(here).ok_or_else(|| {
        CliError::usage(
            format!("no run of cluster {cluster} is recorded in {}", state.display()),
            HINT,
        )
    })
}
