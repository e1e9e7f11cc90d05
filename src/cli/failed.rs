//! `--limit @failed`: the hosts that the last run of this cluster left behind, or those of `@failed:RUN`.

use std::path::{Path, PathBuf};

use crate::config::load_inventory;
use crate::engine::runs::{find, list};
use crate::engine::{LedgerError, RunRecord};
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

/// The latest run of the cluster. A damaged one that may be the latest is not passed over: the hosts that an earlier one left behind
/// are others.
fn last_of(state: &Path, cluster: &str) -> Result<RunRecord, CliError> {
    for record in list(state).into_iter().rev() {
        match &record.events {
            Ok(_) if record.state().cluster == cluster => return Ok(record),
            Err(why) if may_be_of(&record, cluster) => return Err(damaged(&record, cluster, why)),
            _ => {}
        }
    }
    Err(CliError::usage(
        format!("no run of cluster {cluster} is recorded in {}", state.display()),
        HINT,
    ))
}

/// Its plan names the cluster; without one nobody knows.
fn may_be_of(record: &RunRecord, cluster: &str) -> bool {
    record.plan().map_or(true, |plan| plan.cluster == cluster)
}

fn damaged(record: &RunRecord, cluster: &str, why: &LedgerError) -> CliError {
    let id = &record.id;
    CliError::usage(
        format!("run {id} may be the last one of cluster {cluster}, and its ledger cannot be read: {why}"),
        format!(
            "`certfleet runs` lists the runs: `--limit @failed:RUN` takes one whose ledger is whole, `--limit HOST,HOST` takes hosts. \
             Or move the directory of {id} away."
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::fs;

    use jiff::Timestamp;

    use super::*;
    use crate::engine::Ledger;
    use crate::event::{Event, EventKind};
    use crate::model::RunId;
    use crate::plan::Plan;

    fn event(seq: u64, kind: EventKind) -> Event {
        Event {
            seq,
            at: Timestamp::UNIX_EPOCH,
            kind,
        }
    }

    /// A run of `prod` that left w1 behind, and then one whose ledger is damaged.
    fn recorded() -> tempfile::TempDir {
        let state = tempfile::tempdir().expect("a directory");
        let mut ledger = Ledger::create(state.path(), &RunId::new("1-good")).expect("a ledger");
        let started = EventKind::RunStarted {
            run: RunId::new("1-good"),
            cluster: "prod".to_owned(),
            playbook: "renew".to_owned(),
            plan: String::new(),
            version: String::new(),
            operator: String::new(),
            hosts: vec!["w1".into()],
        };
        let excluded = EventKind::HostExcluded {
            phase: "start".to_owned(),
            host: "w1".into(),
            why: "no answer".to_owned(),
        };
        for (seq, kind) in [(1, started), (2, excluded)] {
            ledger.append(&event(seq, kind)).expect("written");
        }
        drop(Ledger::create(state.path(), &RunId::new("2-damaged")).expect("a ledger"));
        fs::write(state.path().join("runs/2-damaged/ledger.jsonl"), "{}\n{}\n").expect("written");
        state
    }

    fn keep_plan_of(state: &Path, cluster: &str) {
        let plan = Plan {
            format: 1,
            cluster: cluster.to_owned(),
            playbook: "renew".to_owned(),
            created: Timestamp::UNIX_EPOCH,
            hosts: Vec::new(),
            phases: Vec::new(),
            choice: None,
            asked_with: None,
            outage: None,
            notes: Vec::new(),
        };
        let json = serde_json::to_vec(&plan).expect("JSON");
        fs::write(state.join("runs/2-damaged/plan.json"), json).expect("written");
    }

    #[test]
    fn a_damaged_run_that_may_be_the_last_is_not_passed_over() {
        let state = recorded();
        for plan in [None, Some("prod")] {
            if let Some(cluster) = plan {
                keep_plan_of(state.path(), cluster);
            }
            let error = left_behind(state.path(), None, "prod").expect_err("damaged");
            let said = error.to_string();
            assert!(
                said.contains("2-damaged") && said.contains("ledger.jsonl:1: not a ledger line"),
                "{said}"
            );
            assert!(error.hint().is_some_and(|h| h.contains("@failed:RUN")), "{error:?}");
        }
        let named = left_behind(state.path(), Some("1-good"), "prod").expect("hosts");
        assert_eq!(named, ["w1".into()]);
    }

    #[test]
    fn a_damaged_run_of_another_cluster_is_nobodys_business() {
        let state = recorded();
        keep_plan_of(state.path(), "staging");
        assert_eq!(left_behind(state.path(), None, "prod").expect("hosts"), ["w1".into()]);
    }
}
