//! What most commands need: the inventory, the way to its hosts, and their facts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::load_inventory;
use crate::engine::{self, Seen, lease};
use crate::model::{Host, HostFacts, HostName, Inventory, Role, RunId, Selector};
use crate::remote::{FleetOptions, SshFleet, Transport};

use super::args::{Global, Target};
use super::error::CliError;
use super::secrets::TerminalSecrets;
use super::terminal::Terminal;

/// An inventory and the connections to it.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub inventory: Arc<Inventory>,
    pub limit: Selector,
    pub transport: Arc<dyn Transport>,
}

impl Session {
    /// Reads the inventory and prepares the fleet; no connection is opened yet.
    pub(crate) fn open(target: &Target, terminal: Terminal) -> Result<Self, CliError> {
        let inventory = read_inventory(&target.inventory, &target.limit)?;
        let secrets = Arc::new(TerminalSecrets {
            interactive: terminal.interactive,
        });
        let fleet = SshFleet::new(inventory.hosts.clone(), secrets, FleetOptions::default());
        Ok(Self {
            inventory: Arc::new(inventory),
            limit: target.limit.clone(),
            transport: Arc::new(fleet),
        })
    }

    /// Hosts of this call.
    pub(crate) fn hosts(&self) -> Vec<Host> {
        self.inventory
            .hosts
            .iter()
            .filter(|h| self.limit.matches(h))
            .cloned()
            .collect()
    }

    /// What the masters know of runs, before their hosts are asked anything else. Refuses a cluster that another run holds: said now, and
    /// not after the question.
    pub(crate) async fn look_at_locks(&self, run: &RunId) -> Result<Seen, CliError> {
        let seen = lease::look(&self.transport, &self.inventory).await;
        seen.free_for(run)?;
        Ok(seen)
    }

    /// Asks every host of this call, and every master and etcd host: one of them may have to sign for a host. Partial answers
    /// are normal.
    pub(crate) async fn gather(&self) -> BTreeMap<HostName, HostFacts> {
        let wanted = |h: &&Host| self.limit.matches(h) || h.role != Role::Worker;
        let hosts: Vec<Host> = self.inventory.hosts.iter().filter(wanted).cloned().collect();
        let mut facts = engine::gather(&self.transport, &hosts, &Timestamp::now).await;
        for told in facts
            .values_mut()
            .flat_map(|f| f.problems.iter_mut().chain(&mut f.unreachable))
        {
            *told = self.transport.conceal(told);
        }
        facts
    }

    /// As [`Session::gather`], and what runs there now.
    pub(crate) async fn gather_alive(&self) -> BTreeMap<HostName, HostFacts> {
        let clock = Arc::new(Timestamp::now);
        engine::look_alive(&self.transport, &self.inventory, self.gather().await, clock).await
    }
}

/// Reads an inventory and checks that the limit means something.
pub(crate) fn read_inventory(file: &Path, limit: &Selector) -> Result<Inventory, CliError> {
    let inventory = load_inventory(file, home().as_deref())?;
    let unknown = limit.unmatched(&inventory.hosts);
    if !unknown.is_empty() {
        return Err(CliError::usage(
            format!("`--limit` names no host of {}: {}", file.display(), unknown.join(", ")),
            "`certfleet inventory -i FILE` lists the hosts.",
        ));
    }
    if !inventory.hosts.iter().any(|h| limit.matches(h)) {
        return Err(CliError::usage(
            format!("`--limit {limit}` leaves no host"),
            "`certfleet inventory -i FILE` lists the hosts.",
        ));
    }
    Ok(inventory)
}

/// The person's home, for `~` in inventories.
pub(crate) fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from)
}

/// Where runs are recorded: `--state-dir`, else the XDG state directory.
pub(crate) fn state_directory(global: &Global) -> Result<PathBuf, CliError> {
    use etcetera::BaseStrategy;
    if let Some(dir) = &global.state_dir {
        return Ok(dir.clone());
    }
    let strategy = etcetera::choose_base_strategy().map_err(|e| {
        CliError::usage(
            format!("no home directory: {e}"),
            "Set HOME, or name a directory with `--state-dir`.",
        )
    })?;
    Ok(strategy
        .state_dir()
        .unwrap_or_else(|| strategy.data_dir())
        .join("certfleet"))
}
