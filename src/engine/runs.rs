//! The runs of this machine: which there are, and what lies in their directories.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::event::{Event, RunState};
use crate::model::{HostFacts, HostName, RunId};
use crate::plan::Plan;

use super::ledger::{Ledger, LedgerError, runs_directory};

/// The plan, beside the ledger.
pub const PLAN_FILE: &str = "plan.json";
/// The facts that the plan was made from.
pub const FACTS_FILE: &str = "facts.json";
/// The facts after the run, for reports.
pub const AFTER_FILE: &str = "facts-after.json";

/// One recorded run.
#[derive(Debug)]
pub struct RunRecord {
    pub id: RunId,
    pub directory: PathBuf,
    pub events: Result<Vec<Event>, LedgerError>,
}

impl RunRecord {
    /// Reads the run in a directory.
    pub fn read(directory: &Path) -> Self {
        let name = directory.file_name().map(|n| n.to_string_lossy().into_owned());
        Self {
            id: RunId::new(name.unwrap_or_default()),
            directory: directory.to_owned(),
            events: Ledger::read(directory),
        }
    }

    /// The state of the run; nothing of a ledger that cannot be read.
    pub fn state(&self) -> RunState {
        self.events
            .as_ref()
            .map_or_else(|_| RunState::default(), RunState::fold)
    }

    /// The plan that it ran.
    ///
    /// # Errors
    /// The file is missing or of another form; a sentence.
    pub fn plan(&self) -> Result<Plan, String> {
        self.file(PLAN_FILE)
    }

    /// What was found on the hosts before.
    pub fn facts(&self) -> Result<BTreeMap<HostName, HostFacts>, String> {
        self.file(FACTS_FILE)
    }

    /// What was found on the hosts afterwards.
    pub fn facts_after(&self) -> Result<BTreeMap<HostName, HostFacts>, String> {
        self.file(AFTER_FILE)
    }

    fn file<T: DeserializeOwned>(&self, name: &str) -> Result<T, String> {
        let path = self.directory.join(name);
        let said = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        let bytes = fs::read(&path).map_err(|e| said(&e))?;
        serde_json::from_slice(&bytes).map_err(|e| said(&e))
    }
}

/// All runs, oldest first. A state directory that is not there yet has none.
pub fn list(state: &Path) -> Vec<RunRecord> {
    let Ok(entries) = fs::read_dir(runs_directory(state)) else {
        return Vec::new();
    };
    let mut directories: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(|p| p.is_dir()).collect();
    directories.sort();
    directories.iter().map(|d| RunRecord::read(d)).collect()
}

/// The run whose id is, or begins with, or ends in these words; without any, the latest.
///
/// # Errors
/// None, or several; a sentence.
pub fn find(state: &Path, words: Option<&str>) -> Result<RunRecord, String> {
    let mut all = list(state);
    let Some(words) = words else {
        return all
            .pop()
            .ok_or_else(|| format!("no run is recorded in {}", runs_directory(state).display()));
    };
    if let Some(exact) = all.iter().position(|r| r.id.as_str() == words) {
        return Ok(all.swap_remove(exact));
    }
    all.retain(|r| r.id.as_str().starts_with(words) || r.id.as_str().ends_with(words));
    match (all.pop(), all.len()) {
        (Some(one), 0) => Ok(one),
        (Some(_), more) => Err(format!("`{words}` fits {} runs; write more of the id", more + 1)),
        (None, _) => Err(format!("no run `{words}` in {}", runs_directory(state).display())),
    }
}
