//! One run per cluster, wherever its controller stands: a lock on every master, held by a majority of them.
//!
//! What a run goes by is older than its lock. So the masters are looked at first ([`look`]); each end of a run is counted there,
//! and a count that has moved by the time the lock is taken means that somebody has worked on the cluster meanwhile.

mod ask;
mod told;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::model::{HostName, Inventory, RunId};
use crate::remote::Transport;

use self::ask::{LOST, Masters, holder, last_end};
use self::told::Told;
use super::cancel::Cancel;

/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(60);
/// How long a run that was refused waits for the masters to take its locks back.
const WITHDRAWAL: Duration = Duration::from_secs(30);
/// What a run is told whose lock somebody has taken away.
const TAKEN_AWAY: &str = "the masters say that this run does not hold their lock any more (`certfleet unlock` frees it for another run): \
                          steps in flight are finished, no other is started";

/// Who holds a lock, as a master tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub master: HostName,
    pub run: String,
    /// `user@host`.
    pub who: String,
    /// By the master's clock.
    pub since: String,
    /// Since its last sign of life.
    pub silent: Duration,
    pub stale: bool,
}

/// Why the cluster cannot be worked on.
#[derive(Debug, Error)]
pub enum LeaseError {
    #[error(
        "run {} of {} holds this cluster since {} (told by {}; last sign of life {} ago{})",
        .0.run, .0.who, .0.since, .0.master, crate::model::duration::display(.0.silent),
        if .0.stale { ", so it counts as stale" } else { "" }
    )]
    Held(Box<Holder>),
    /// A master that cannot keep a lock cannot keep a backup either.
    #[error("a master cannot write below /var/lib/certfleet: {why}")]
    NotKept { why: String },
    #[error("the lock needs {needed} of {of} masters, and only {got} gave it: {why}")]
    NoMajority {
        got: usize,
        needed: usize,
        of: usize,
        why: String,
    },
    /// The hosts were asked before that end, so what is known of them is old.
    #[error(
        "run {run} of {who} ended on this cluster while this plan was read (told by {master}): it may no longer fit"
    )]
    Overtaken { run: String, who: String, master: HostName },
    /// A good end takes the marks of all runs away, and this run's is gone.
    #[error("another run has ended well on this cluster since {run} stopped")]
    Over { run: RunId },
}

/// What the masters told before the hosts were asked. A master that did not answer is not here, and is not compared with later.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// The last end of a run on each master; empty where none was.
    ends: BTreeMap<HostName, String>,
    /// Who holds the cluster, by each master that knows it.
    pub holders: Vec<Holder>,
}

impl Seen {
    /// Whether this run may go on with its questions.
    ///
    /// # Errors
    /// Another run holds the cluster.
    pub fn free_for(&self, run: &RunId) -> Result<(), LeaseError> {
        let other = self.holders.iter().find(|h| h.run != run.as_str());
        other.map_or(Ok(()), |h| Err(LeaseError::Held(Box::new(h.clone()))))
    }
}

/// Looks at the masters: one command on each, at once.
pub async fn look(transport: &Arc<dyn Transport>, inventory: &Inventory) -> Seen {
    let mut seen = Seen::default();
    for (master, answer) in Masters::of(transport, inventory).ask("show", "-", "-").await {
        let Some(output) = answer.ok().filter(|o| o.status.success()) else {
            continue;
        };
        seen.holders.extend(holder(&master, &output));
        seen.ends.insert(master, last_end(&output));
    }
    seen
}

/// Who wants the lock, and what it goes by.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    pub run: &'a RunId,
    /// `user@host`.
    pub who: &'a str,
    /// From before the hosts were asked.
    pub seen: &'a Seen,
    /// The run had the lock before: its mark is on the masters, unless another run has ended well since.
    pub begun: bool,
}

/// The lock of a run, with its heartbeat. What is not given back stays, and is told to the next run.
#[derive(Debug)]
pub struct Lease {
    masters: Masters,
    run: RunId,
    who: String,
    heart: JoinHandle<()>,
    /// Runs whose mark was found: they did not end well.
    pub unfinished: Vec<String>,
}

impl Lease {
    /// Takes the lock on a majority of the masters (of the etcd hosts where there is no master); again for the same run.
    /// A run that loses it is told to stop.
    ///
    /// # Errors
    /// Another run holds it or ended on the cluster since the claim's look, or too few masters could be asked. What was taken is
    /// given back, also where the answer was lost.
    pub async fn acquire(
        transport: &Arc<dyn Transport>,
        inventory: &Inventory,
        claim: &Claim<'_>,
        cancel: &Cancel,
    ) -> Result<Option<Self>, LeaseError> {
        let masters = Masters::of(transport, inventory);
        if masters.names.is_empty() {
            return Ok(None);
        }
        let run = claim.run.as_str();
        let told = Told::of(masters.ask("acquire", run, claim.who).await, claim.seen);
        if let Err(refused) = told.judge(claim, masters.names.len()) {
            let _ = timeout(WITHDRAWAL, masters.ask("withdraw", run, claim.who)).await;
            return Err(refused);
        }
        let (run, who) = (claim.run.clone(), claim.who.to_owned());
        let beating = beat(masters.clone(), (run.clone(), who.clone()), told.taken, cancel.clone());
        Ok(Some(Self {
            masters,
            run,
            who,
            heart: tokio::spawn(beating),
            unfinished: told.unfinished,
        }))
    }

    /// Gives the lock back. The mark of an unfinished run goes only when the run ended well and the lock is still its own.
    pub async fn release(self, ended_well: bool) {
        self.heart.abort();
        let verb = if ended_well { "finish" } else { "release" };
        self.masters.ask(verb, self.run.as_str(), &self.who).await;
    }

    /// Leaves the lock on the masters, as a controller that died does: commands may still go on there. `resume` takes it again.
    pub fn leave(self) {
        self.heart.abort();
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.heart.abort();
    }
}

/// What a master says whose lock is to be freed: who held it, if anybody.
pub type Freed = (HostName, Result<Option<Holder>, String>);

/// Frees the locks of a dead run, by a person with a reason that each master keeps. Marks stay.
pub async fn unlock(transport: &Arc<dyn Transport>, inventory: &Inventory, reason: &str) -> Vec<Freed> {
    let answers = Masters::of(transport, inventory).ask("unlock", "-", reason).await;
    let read = |(master, answer): ask::Answer| {
        let told = answer.and_then(|output| {
            if output.status.success() {
                Ok(holder(&master, &output))
            } else {
                Err(output.last_line())
            }
        });
        (master, told)
    };
    answers.into_iter().map(read).collect()
}

async fn beat(masters: Masters, (run, who): (RunId, String), taken: Vec<HostName>, cancel: Cancel) {
    loop {
        sleep(BEAT).await;
        // A master that is just being restarted misses a beat; staleness is ten of them.
        let answers = masters.ask("refresh", run.as_str(), &who).await;
        if is_lost(&answers, &taken) {
            cancel.request_stop_because(TAKEN_AWAY);
            return;
        }
    }
}

/// Whether most of the masters that gave the lock, and answer, say that it is not this run's any more.
fn is_lost(answers: &[ask::Answer], taken: &[HostName]) -> bool {
    let asked = answers.iter().filter(|(master, _)| taken.contains(master));
    let answered: Vec<bool> = asked
        .filter_map(|(_, answer)| answer.as_ref().ok().map(|o| o.status == LOST))
        .collect();
    2 * answered.iter().filter(|lost| **lost).count() > answered.len()
}
