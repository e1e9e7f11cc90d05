//! `certfleet:lock` on every master at once, and the lines of its answers.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;

use crate::model::{Command, ExitStatus, HostName, Inventory, Output, scripts};
use crate::remote::Transport;

use super::Holder;

/// Without a sign of life for so long, by the master's own clock, a lock counts as stale.
const STALE: Duration = Duration::from_secs(600);
/// The answer to a sign of life: the lock is somebody else's, or nobody's.
pub(super) const LOST: ExitStatus = ExitStatus::Code(6);

/// A master and what it said; a sentence where it could not be asked.
pub(super) type Answer = (HostName, Result<Output, String>);

/// The masters of a cluster (its etcd hosts where there is no master), and the way to them.
#[derive(Debug, Clone)]
pub(super) struct Masters {
    transport: Arc<dyn Transport>,
    pub(super) names: Vec<HostName>,
}

impl Masters {
    pub(super) fn of(transport: &Arc<dyn Transport>, inventory: &Inventory) -> Self {
        Self {
            transport: Arc::clone(transport),
            names: inventory.masters().map(|h| h.name.clone()).collect(),
        }
    }

    pub(super) async fn ask(&self, verb: &str, run: &str, who: &str) -> Vec<Answer> {
        let stale = STALE.as_secs().to_string();
        // A tab or newline in a name or reason would be read as a field.
        let who: String = who.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let command = Command::script(&scripts::LOCK, [verb, run, who.as_str(), stale.as_str()]);
        let each = self.names.iter().map(|master| async {
            let answer = self.transport.run(master, &command).await;
            (master.clone(), answer.map_err(|e| e.to_string()))
        });
        join_all(each).await
    }
}

/// The line of `held` or `unlocked`.
pub(super) fn holder(master: &HostName, output: &Output) -> Option<Holder> {
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

/// `NUMBER<TAB>RUN<TAB>WHO` of the last end of a run there; empty where none was.
pub(super) fn last_end(output: &Output) -> String {
    lines(output, "last\t").pop().unwrap_or_default()
}

/// Runs other than the asking one that have left their mark.
pub(super) fn unfinished(output: &Output) -> Vec<String> {
    lines(output, "unfinished\t")
}

/// Whether the asking run's own mark was there already.
pub(super) fn is_marked(output: &Output) -> bool {
    output.stdout_text().lines().any(|line| line == "marked")
}

fn lines(output: &Output, word: &str) -> Vec<String> {
    let text = output.stdout_text();
    let found = text.lines().filter_map(|line| line.strip_prefix(word));
    found.map(str::to_owned).collect()
}
