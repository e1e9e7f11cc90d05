//! One run per cluster, wherever its controller stands: a lock on every master, held by a majority of them.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use thiserror::Error;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::model::{Command, HostName, Inventory, Output, RunId, scripts};
use crate::remote::Transport;

/// Without a sign of life for so long, by the master's own clock, a lock counts as stale.
const STALE: Duration = Duration::from_secs(600);
/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(60);

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
}

/// The lock of a run, with its heartbeat. What is not given back stays, and is told to the next run.
#[derive(Debug)]
pub struct Lease {
    transport: Arc<dyn Transport>,
    masters: Vec<HostName>,
    run: RunId,
    heart: JoinHandle<()>,
    /// Runs whose mark was found: they did not end well.
    pub unfinished: Vec<String>,
}

impl Lease {
    /// Takes the lock on a majority of the masters (of the etcd hosts where there is no master); again for the same run.
    ///
    /// # Errors
    /// Another run holds it, or too few masters could be asked. What was taken is given back.
    pub async fn acquire(
        transport: &Arc<dyn Transport>,
        inventory: &Inventory,
        run: &RunId,
        who: &str,
    ) -> Result<Option<Self>, LeaseError> {
        let masters: Vec<HostName> = inventory.masters().map(|h| h.name.clone()).collect();
        if masters.is_empty() {
            return Ok(None);
        }
        let answers = ask_all(transport, &masters, "acquire", run.as_str(), who).await;
        let mut taken = Vec::new();
        let (mut held, mut troubles, mut unfinished) = (None, Vec::new(), Vec::new());
        let mut unwritable = Vec::new();
        for (master, answer) in answers {
            match answer {
                Ok(output) if output.status.success() => {
                    unfinished.extend(marks(&output));
                    taken.push(master);
                }
                Ok(output) => match holder(&master, &output) {
                    Some(holder) => held = held.or(Some(holder)),
                    None => unwritable.push(format!("{master}: {}", output.last_line())),
                },
                Err(why) => troubles.push(format!("{master}: {why}")),
            }
        }
        let (got, needed) = (taken.len(), masters.len() / 2 + 1);
        if held.is_some() || got < needed || !unwritable.is_empty() {
            ask_all(transport, &taken, "withdraw", run.as_str(), who).await;
        }
        if let Some(holder) = held {
            return Err(LeaseError::Held(Box::new(holder)));
        }
        if !unwritable.is_empty() {
            return Err(LeaseError::NotKept {
                why: unwritable.join("; "),
            });
        }
        if got < needed {
            return Err(LeaseError::NoMajority {
                got,
                needed,
                of: masters.len(),
                why: troubles.join("; "),
            });
        }
        unfinished.sort();
        unfinished.dedup();
        let heart = tokio::spawn(beat(
            Arc::clone(transport),
            masters.clone(),
            run.clone(),
            who.to_owned(),
        ));
        Ok(Some(Self {
            transport: Arc::clone(transport),
            masters,
            run: run.clone(),
            heart,
            unfinished,
        }))
    }

    /// Gives the lock back. The mark of an unfinished run goes only when the run ended well.
    pub async fn release(self, ended_well: bool) {
        self.heart.abort();
        let verb = if ended_well { "finish" } else { "release" };
        ask_all(&self.transport, &self.masters, verb, self.run.as_str(), "-").await;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.heart.abort();
    }
}

/// Frees the locks of a dead run, by a person with a reason that each master keeps. Marks stay.
pub async fn unlock(
    transport: &Arc<dyn Transport>,
    inventory: &Inventory,
    reason: &str,
) -> Vec<(HostName, Result<Option<Holder>, String>)> {
    let masters: Vec<HostName> = inventory.masters().map(|h| h.name.clone()).collect();
    let answers = ask_all(transport, &masters, "unlock", "-", reason).await;
    let read = |(master, answer): (HostName, Result<Output, String>)| {
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

/// Who holds the cluster now, by each master that answers.
pub async fn holders(transport: &Arc<dyn Transport>, inventory: &Inventory) -> Vec<Holder> {
    let masters: Vec<HostName> = inventory.masters().map(|h| h.name.clone()).collect();
    let answers = ask_all(transport, &masters, "show", "-", "-").await;
    let told = answers.into_iter().filter_map(|(m, a)| holder(&m, &a.ok()?));
    told.collect()
}

async fn beat(transport: Arc<dyn Transport>, masters: Vec<HostName>, run: RunId, who: String) {
    loop {
        sleep(BEAT).await;
        // A master that is just being restarted misses a beat; staleness is ten of them.
        ask_all(&transport, &masters, "refresh", run.as_str(), &who).await;
    }
}

async fn ask_all(
    transport: &Arc<dyn Transport>,
    masters: &[HostName],
    verb: &str,
    run: &str,
    who: &str,
) -> Vec<(HostName, Result<Output, String>)> {
    let stale = STALE.as_secs().to_string();
    // A tab or newline in a name or reason would be read as a field.
    let who: String = who.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let command = Command::script(&scripts::LOCK, [verb, run, who.as_str(), stale.as_str()]);
    let each = masters.iter().map(|master| async {
        let answer = transport.run(master, &command).await;
        (master.clone(), answer.map_err(|e| e.to_string()))
    });
    join_all(each).await
}

/// The line of `held` or `unlocked`.
fn holder(master: &HostName, output: &Output) -> Option<Holder> {
    let text = output.stdout_text();
    let fields: Vec<&str> = text.lines().find_map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        (matches!(fields[0], "held" | "unlocked") && fields.len() == 6).then_some(fields)
    })?;
    Some(Holder {
        master: master.clone(),
        run: fields[1].to_owned(),
        who: fields[2].to_owned(),
        since: fields[3].to_owned(),
        silent: Duration::from_secs(fields[4].parse().unwrap_or(0)),
        stale: fields[5] == "stale",
    })
}

fn marks(output: &Output) -> Vec<String> {
    let text = output.stdout_text();
    text.lines()
        .filter_map(|l| l.strip_prefix("unfinished\t"))
        .map(str::to_owned)
        .collect()
}
