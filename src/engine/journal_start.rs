//! From where on a gate reads a kubelet's journal: noted in the ledger, so that a resumed run misses no line and blames none of before.

use std::time::Duration;

use jiff::Timestamp;

use crate::event::{EventKind, JournalStart};
use crate::model::gate::ProbeSpec;
use crate::model::{Command, Host, HostName};
use crate::plan::{Baseline, PlannedPhase, PlannedProbe, PlannedStep, Postcondition};
use crate::probes::{journal_cursor, units, uptime};

use super::context::Run;
use super::looks::{ClusterViews, look, now_on_host};

/// Where reading begins: after the cursor; without one (never got, or unknown to the host by now) at a moment. What a
/// kubelet wrote in earlier years says nothing about this step.
#[derive(Debug, Clone)]
pub(super) struct Start {
    pub(super) cursor: Option<String>,
    /// The host's clock just before the cursor was asked for.
    pub(super) since: Timestamp,
}

impl Start {
    /// Now, or in a resumed run before the first step of the phase, so that no line is missed. A kubelet that is up
    /// already as a new process (its host was restarted meanwhile) has said what counts: from its start on, then. What a
    /// gate has failed over was told to a person, who has mended it since: only what comes after that counts.
    /// And where a node was drained just now, what an earlier part of the run noted before that no longer counts: a kubelet
    /// whose pods go says much that would be taken for the new one's.
    pub(super) async fn of(run: &Run, phase: &str, unit: &PlannedProbe, emptied: bool) -> Self {
        let host = &unit.host;
        let noted = run.recorder.journal_start(phase, host).filter(|_| !emptied);
        if let Some(noted) = noted.clone().filter(|n| n.judged.is_none()) {
            let JournalStart { cursor, since, .. } = noted;
            return Self { cursor, since };
        }
        let start = match already_up(run, unit).await {
            Some(age)
                if noted
                    .and_then(|n| n.judged)
                    .is_none_or(|told| ago(run.recorder.now(), age) > told) =>
            {
                Self {
                    cursor: None,
                    since: ago(now_on_host(run, host), age),
                }
            }
            _ => Self::now(run, host).await,
        };
        start.note(run, phase, host);
        start
    }

    /// Unrecorded, a resumed run reads from its own start: it may wait longer for a sign.
    fn note(&self, run: &Run, phase: &str, host: &HostName) {
        let _ = run.recorder.record(EventKind::JournalNoted {
            phase: phase.to_owned(),
            host: host.clone(),
            cursor: self.cursor.clone(),
            since: self.since,
        });
    }

    async fn now(run: &Run, host: &HostName) -> Self {
        let since = now_on_host(run, host);
        let answer = match run.host(host) {
            Ok(settings) => run.ask(host, &journal_cursor::command(settings)).await,
            Err(error) => Err(error),
        };
        Self {
            cursor: answer
                .ok()
                .and_then(|output| journal_cursor::parse(&output).ok().flatten()),
            since,
        }
    }

    pub(super) fn command(&self, host: &Host) -> Command {
        let mut command = journal_cursor::follow(host, self.cursor.as_deref());
        if self.cursor.is_none() {
            command.words.push(format!("--since=@{}", self.since.as_second() - 1));
        }
        command
    }
}

/// Reading begins here and not before: the phase has just stopped this kubelet. One in a crash loop writes up to its end about the
/// certificate that is replaced next, and that says nothing of the process to come.
pub(super) async fn note_stopped(run: &Run, phase: &PlannedPhase, step: &PlannedStep) {
    let watched = phase.gate.iter().flat_map(|g| &g.probes);
    let watched = watched
        .filter(|p| p.host == step.host)
        .any(|p| p.probe == ProbeSpec::KubeletJournal);
    let Postcondition::UnitsStopped { units } = &step.planned.postcondition else {
        return;
    };
    let kubelet = run.host(&step.host).is_ok_and(|h| units.contains(&h.kubelet_service()));
    if watched && kubelet && step.planned.skip.is_none() {
        Start::now(run, &step.host).await.note(run, &phase.name, &step.host);
    }
}

/// For how long its kubelet is up, if that is a new process already; a host that cannot tell is none.
async fn already_up(run: &Run, unit: &PlannedProbe) -> Option<Duration> {
    let Baseline::Unit {
        units: names,
        since_us: Some(_),
        ..
    } = &unit.baseline
    else {
        return None;
    };
    if !look(run, unit, &ClusterViews::default()).await.passed() {
        return None;
    }
    let output = run.ask(&unit.host, &units::command(names)).await.ok()?;
    let since_boot = units::parse(names, &output).ok()?.get(names.last()?)?.active_since_us;
    let uptime = uptime::parse(&run.ask(&unit.host, &uptime::command()).await.ok()?).ok()?;
    Some(uptime.saturating_sub(Duration::from_micros(since_boot)))
}

fn ago(now: Timestamp, age: Duration) -> Timestamp {
    now.checked_sub(age).unwrap_or(now)
}
