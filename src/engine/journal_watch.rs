//! One kubelet's journal, followed from a cursor taken before the restart, folded line by line.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::event::JournalStart;
use crate::model::gate::ProbeSpec;
use crate::model::{Host, HostName, Role};
use crate::plan::{Baseline, PlannedProbe};
use crate::probes::kubelet_journal::{GateJournal, GateView, Kind, parse_line};
use crate::probes::verdict::Verdict;
use crate::remote::{Line, LineStream};

use super::context::Run;
use super::journal_start::Start;
use super::looks::{ClusterViews, look};

/// Between two attempts to follow again after the stream ended (a dropped connection, a restarted journald).
const FOLLOW_PAUSE: Duration = Duration::from_secs(2);

/// A journal being watched.
#[derive(Debug)]
pub(super) struct JournalWatch {
    host: HostName,
    quiet: Duration,
    /// The unit's state before the run: tells a new process from one that never ended.
    unit: PlannedProbe,
    restarted: bool,
    /// It has no API server (an etcd host's): there is no sign that it could give.
    alone: bool,
    from: Start,
    shared: Arc<Mutex<Shared>>,
    follower: Option<JoinHandle<()>>,
    started: Instant,
}

#[derive(Debug, Default)]
struct Shared {
    journal: GateJournal,
    /// Following right now; otherwise why not.
    trouble: Option<String>,
}

impl JournalWatch {
    /// Notes where the journal ends now.
    pub(super) async fn prepare(
        run: &Run,
        phase: &str,
        probe: &PlannedProbe,
        (quiet, emptied): (Duration, &BTreeSet<HostName>),
    ) -> Self {
        let (host, baseline) = (&probe.host, &probe.baseline);
        let unit = ProbeSpec::Unit {
            name: "kubelet".to_owned(),
            state: crate::model::gate::UnitState::Active,
        };
        let unit = PlannedProbe {
            host: host.clone(),
            probe: unit,
            baseline: baseline.clone(),
        };
        let from = Start::of(run, phase, &unit, emptied.contains(host)).await;
        Self {
            host: host.clone(),
            quiet,
            unit,
            alone: run.host(host).is_ok_and(|h| h.role == Role::Etcd) && run.facts_of(host).kubelet_server.is_none(),
            restarted: matches!(baseline, Baseline::Unit { since_us: Some(_), .. }),
            from,
            shared: Arc::default(),
            follower: None,
            started: Instant::now(),
        }
    }

    pub(super) fn host(&self) -> &HostName {
        &self.host
    }

    /// Starts to follow, in a task of its own; once. From where it was noted last in this phase.
    pub(super) fn follow(&mut self, run: &Run, phase: &str) {
        if self.follower.is_some() {
            return;
        }
        if let Some(JournalStart { cursor, since, .. }) = run.recorder.journal_start(phase, &self.host) {
            self.from = Start { cursor, since };
        }
        self.started = Instant::now();
        let Ok(settings) = run.host(&self.host).cloned() else {
            return;
        };
        let follower = Follower {
            run: run.clone(),
            host: settings,
            from: self.from.clone(),
            shared: Arc::clone(&self.shared),
            started: self.started,
        };
        self.follower = Some(tokio::spawn(follower.run_for_ever()));
    }

    /// Change first (a new process), then health (a quiet journal), then a positive sign.
    pub(super) async fn verdict(&self, run: &Run, views: &ClusterViews) -> Verdict {
        if let Some(renewed) = views.heartbeat(run, &self.host) {
            self.shared().journal.heartbeat(&renewed, self.started.elapsed());
        }
        let journal = self.journal_verdict();
        if matches!(journal, Verdict::Fail { .. }) {
            return journal;
        }
        let unit = look(run, &self.unit, &ClusterViews::default()).await;
        Verdict::all([unit, journal])
    }

    /// All is quiet, and only a sign of life is missing: the node's lease may give it.
    pub(super) fn lacks_only_a_sign(&self) -> bool {
        let lacks = || {
            self.shared()
                .journal
                .lacks_only_a_sign(self.started.elapsed(), self.quiet)
        };
        !self.alone && lacks()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn journal_verdict(&self) -> Verdict {
        let shared = self.shared();
        let now = self.started.elapsed();
        match shared.journal.judge(now, self.quiet) {
            GateView::Failed { reason, remedy } => Verdict::fail(reason, remedy),
            _ if shared.trouble.is_some() => Verdict::wait(shared.trouble.clone().unwrap_or_default()),
            GateView::Waiting { reason } if self.silence_is_enough(&shared.journal) => {
                self.quiet_long_enough(now, &reason)
            }
            GateView::Waiting { reason } => Verdict::wait(reason),
            GateView::Quiet { positive } => self.quiet_long_enough(now, &positive),
        }
    }

    /// A kubelet that this playbook does not restart says nothing when all is well, nor does one without an API server:
    /// other probes of the gate (nodes, static-pods) must then give the positive sign.
    fn silence_is_enough(&self, journal: &GateJournal) -> bool {
        (self.alone || !self.restarted) && journal.last_block().is_none() && journal.suppressed().is_none()
    }

    fn quiet_long_enough(&self, now: Duration, sign: &str) -> Verdict {
        if now < self.quiet {
            let left = self.quiet.saturating_sub(now).as_secs() + 1;
            return Verdict::wait(format!("quiet so far, {left} s to go; {sign}"));
        }
        Verdict::pass(format!(
            "no blocking line for {}; {sign}",
            crate::model::duration::display(self.quiet)
        ))
    }
}

impl Drop for JournalWatch {
    fn drop(&mut self) {
        if let Some(follower) = &self.follower {
            follower.abort();
        }
    }
}

/// The task behind a watch.
struct Follower {
    run: Run,
    host: Host,
    from: Start,
    shared: Arc<Mutex<Shared>>,
    started: Instant,
}

impl Follower {
    /// Ends by being aborted when the watch is dropped.
    async fn run_for_ever(mut self) {
        loop {
            let command = self.from.command(&self.host);
            let trouble = match self.run.transport.follow(&self.host.name, &command).await {
                Ok(stream) => {
                    self.say(None);
                    self.read(stream).await
                }
                Err(error) => error.to_string(),
            };
            if trouble.contains("cursor") {
                // Vacuumed, or of a journal that was replaced: journalctl names it and ends.
                self.from.cursor = None;
            }
            self.say(Some(format!("the journal cannot be followed: {trouble}")));
            sleep(FOLLOW_PAUSE).await;
        }
    }

    /// Reads to the end of the stream; gives what ended it.
    async fn read(&mut self, mut stream: LineStream) -> String {
        let mut last_error = "the stream ended".to_owned();
        while let Some(item) = stream.next().await {
            match item {
                Ok(Line::Out(line)) => self.take(&line),
                Ok(Line::Err(line)) => last_error = String::from_utf8_lossy(&line).into_owned(),
                Err(error) => return error.to_string(),
            }
        }
        last_error
    }

    fn take(&mut self, line: &[u8]) {
        let record = parse_line(line);
        if record.cursor.is_some() {
            self.from.cursor.clone_from(&record.cursor);
        }
        if matches!(record.kind, Kind::Record | Kind::Continuation) {
            let now = self.started.elapsed();
            self.shared
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .journal
                .observe(&record, now);
        }
    }

    fn say(&self, trouble: Option<String>) {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).trouble = trouble;
    }
}
