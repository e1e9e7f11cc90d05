//! A plan that was agreed to becomes a run: locks, ledger, screen, signals, and the report at the end. New runs and
//! runs that go on share everything but their beginning.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;

use crate::cli::args::{Global, Output};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::operator::operator;
use crate::cli::screen::Screen;
use crate::cli::session::{Session, state_directory};
use crate::cli::signals::{self, Ear};
use crate::cli::terminal::{Terminal, print, print_err};
use crate::engine::{self, Cancel, Claim, ClusterLock, Lease, Ledger, Recorder, Run, RunRecord, Seen};
use crate::model::exit::RunEnd;
use crate::model::{HostFacts, HostName, RunId};
use crate::plan::Plan;
use crate::report;

/// What was found on every host.
pub(super) type Facts = BTreeMap<HostName, HostFacts>;

/// The inventory file of a run, so that it can be resumed from anywhere.
pub(super) const INVENTORY_FILE: &str = "inventory.path";
/// The facts for the report are a courtesy: a host that hangs does not hold up the end.
const AFTERWARDS: Duration = Duration::from_secs(30);

/// Everything that a run needs beside its facts.
#[derive(Debug)]
pub(super) struct Launch<'a> {
    pub(super) session: &'a Session,
    pub(super) plan: &'a Plan,
    pub(super) output: Output,
    pub(super) inventory: &'a Path,
    pub(super) global: &'a Global,
    pub(super) terminal: Terminal,
    /// Hears from before the lock on the masters is taken.
    pub(super) ear: Option<Ear>,
    /// What the masters told before the facts were gathered.
    pub(super) seen: Seen,
}

impl Launch<'_> {
    /// A new run.
    pub(super) async fn fresh(mut self, id: RunId, facts: Arc<Facts>) -> Result<Exit, CliError> {
        let state = state_directory(self.global)?;
        let ledger = Ledger::create(&state, &id)?;
        ledger.keep(engine::runs::PLAN_FILE, report::plan_json(self.plan).as_bytes())?;
        let before = serde_json::to_vec(&*facts).unwrap_or_default();
        ledger.keep(engine::runs::FACTS_FILE, &before)?;
        let inventory = std::path::absolute(self.inventory).unwrap_or_else(|_| self.inventory.to_owned());
        ledger.keep(INVENTORY_FILE, inventory.to_string_lossy().as_bytes())?;
        let directory = ledger.directory().to_owned();
        let cancel = Cancel::new();
        let lease = match self.lease((&id, false), &cancel).await {
            Ok(lease) => lease,
            Err(error) => {
                // Nothing was begun: a run without a single event would only be in the way.
                let _ = std::fs::remove_dir_all(&directory);
                return Err(error);
            }
        };
        let mut screen = Screen::start(self.output, self.global.verbose, self.terminal);
        let recorder = Recorder::new(Some(ledger), screen.observers(), Arc::new(Timestamp::now));
        let run = self.engine_run((id, cancel), facts, recorder);
        let ended = engine::execute(&run, self.plan, &operator()).await;
        self.end(run, ended, (screen, lease, directory)).await
    }

    /// A run that goes on, or begins: one that was agreed to and died before its first line. Its facts are fresh.
    pub(super) async fn again(mut self, record: &RunRecord, facts: Arc<Facts>) -> Result<Exit, CliError> {
        let (ledger, events) = Ledger::reopen(&record.directory)?;
        let cancel = Cancel::new();
        // Its mark on the masters is older than its first event.
        let begun = !events.is_empty();
        let lease = self.lease((&record.id, begun), &cancel).await?;
        let mut screen = Screen::start(self.output, self.global.verbose, self.terminal);
        let clock = Arc::new(Timestamp::now);
        let recorder = Recorder::resumed(Some(ledger), &events, screen.observers(), clock);
        let run = self.engine_run((record.id.clone(), cancel), facts, recorder);
        let ended = if begun {
            engine::resume(&run, self.plan, &operator()).await
        } else {
            engine::execute(&run, self.plan, &operator()).await
        };
        self.end(run, ended, (screen, lease, record.directory.clone())).await
    }

    /// The lock on the masters, for a run that had it before or not.
    async fn lease(&self, (run, begun): (&RunId, bool), cancel: &Cancel) -> Result<Option<Lease>, CliError> {
        let (transport, inventory) = (&self.session.transport, &self.session.inventory);
        let claim = Claim {
            run,
            who: &operator().who,
            seen: &self.seen,
            begun,
        };
        let lease = Lease::acquire(transport, inventory, &claim, cancel).await?;
        for other in lease.iter().flat_map(|l| &l.unfinished) {
            let other = report::clean(other);
            print_err(&format!(
                "note: run {other} on this cluster did not end well. `certfleet report {other}` tells where it stopped.\n"
            ));
        }
        Ok(lease)
    }

    fn engine_run(&mut self, (id, cancel): (RunId, Cancel), facts: Arc<Facts>, recorder: Recorder) -> Run {
        signals::listen(self.ear.take(), &cancel, &id);
        let recorder = recorder.concealing(&self.session.transport);
        Run {
            id,
            inventory: Arc::clone(&self.session.inventory),
            facts,
            transport: Arc::clone(&self.session.transport),
            recorder,
            cancel,
        }
    }

    async fn end(
        self,
        run: Run,
        ended: Result<RunEnd, engine::LedgerError>,
        (screen, lease, directory): (Screen, Option<Lease>, PathBuf),
    ) -> Result<Exit, CliError> {
        let end = ended.as_ref().ok().copied();
        let well = matches!(end, Some(RunEnd::Succeeded | RunEnd::NothingToDo));
        let left = run.cancel.leaving();
        let (id, final_state) = (run.id.clone(), run.recorder.state());
        drop(run);
        screen.finish().await;
        if !left {
            self.keep_facts(&directory).await;
        }
        let under_way = (left || end == Some(RunEnd::Stuck)) && final_state.unsettled().next().is_some();
        let stays = give_back(lease, well, under_way).await;
        let end = ended?;
        if self.output == Output::Text {
            let style = self.terminal.out_style();
            print(&report::summary(&final_state, self.plan, Some(&directory), &style));
        }
        if stays {
            print_err(&lock_stays(&id));
        }
        Ok(Exit::from(end))
    }

    /// The certificates as they are now, for reports.
    async fn keep_facts(&self, directory: &Path) {
        let Ok(facts) = timeout(AFTERWARDS, self.session.gather()).await else {
            return;
        };
        if let Ok(bytes) = serde_json::to_vec(&facts) {
            let _ = engine::ledger::keep_file(directory, engine::runs::AFTER_FILE, &bytes);
        }
    }
}

/// Frees the masters, unless commands of the run may still go on at its hosts: nobody else is to work there meanwhile. Gives whether
/// the lock stays.
async fn give_back(lease: Option<Lease>, well: bool, under_way: bool) -> bool {
    match lease {
        Some(lease) if under_way => lease.leave(),
        Some(lease) => {
            let _ = timeout(AFTERWARDS, lease.release(well)).await;
        }
        None => return false,
    }
    under_way
}

fn lock_stays(id: &RunId) -> String {
    format!(
        "The lock on the masters stays: commands of this run may still go on. `certfleet resume {id}` takes it again; \
         `certfleet unlock -i INVENTORY --reason TEXT` frees it for another run.\n"
    )
}

/// `20201122T191500Z-renew-4f2a`: sortable, readable, unique enough for one machine (the directory must be new).
pub(super) fn new_run_id(playbook: &str) -> RunId {
    let stamp = Timestamp::now().strftime("%Y%m%dT%H%M%SZ");
    let playbook: String = playbook
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .collect();
    let noise = Timestamp::now().subsec_nanosecond().unsigned_abs() ^ std::process::id();
    RunId::new(format!("{stamp}-{playbook}-{:04x}", noise & 0xffff))
}

/// One run per cluster from this machine, held until dropped: from before the facts are gathered to the end.
pub(super) fn lock(global: &Global, cluster: &str, id: &RunId) -> Result<ClusterLock, CliError> {
    Ok(ClusterLock::acquire(&state_directory(global)?, cluster, id)?)
}
