//! A gate: every probe of every host must say yes before time is up. The last word of each is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout_at};

use crate::event::{EventKind, GateReason};
use crate::model::HostName;
use crate::model::gate::ProbeSpec;
use crate::plan::{PlannedGate, PlannedProbe};
use crate::probes::verdict::Verdict;

use super::context::Run;
use super::journal_watch::JournalWatch;
use super::looks::{ClusterViews, NO_ANSWER, look};

/// How a gate ended.
#[derive(Debug)]
pub(super) enum GateEnd {
    Passed,
    Failed(Vec<GateReason>),
    Aborted,
}

/// A gate being watched over one batch.
#[derive(Debug)]
pub(super) struct Watch {
    phase: String,
    probes: Vec<PlannedProbe>,
    quiet: Duration,
    interval: Duration,
    timeout: Duration,
    /// When its time is up; counted from the first wait.
    deadline: Option<Instant>,
    /// Since when every probe but the journals (which keep their own quiet period) has been good.
    good_since: Option<Instant>,
    journals: BTreeMap<HostName, JournalWatch>,
    /// The last word per probe; `None` until the first look.
    last: BTreeMap<(HostName, String), Verdict>,
}

impl Watch {
    /// Takes the journal cursors. Called before the batch's first step; `emptied` were drained just now.
    pub(super) async fn prepare(
        run: &Run,
        phase: &str,
        gate: &PlannedGate,
        (batch, emptied): (&[HostName], &BTreeSet<HostName>),
    ) -> Self {
        let probes: Vec<PlannedProbe> = gate
            .probes
            .iter()
            .filter(|p| batch.contains(&p.host))
            .cloned()
            .collect();
        let journals = probes.iter().filter(|p| p.probe == ProbeSpec::KubeletJournal);
        let prepare = |p| JournalWatch::prepare(run, phase, p, (gate.quiet, emptied));
        let watches = join_all(journals.map(prepare)).await;
        Self {
            phase: phase.to_owned(),
            probes,
            quiet: gate.quiet,
            interval: gate.interval,
            timeout: gate.timeout,
            deadline: None,
            good_since: None,
            journals: watches.into_iter().map(|w| (w.host().clone(), w)).collect(),
            last: BTreeMap::new(),
        }
    }

    /// Hosts that are out need not be proven.
    pub(super) fn forget(&mut self, hosts: &BTreeSet<HostName>) {
        self.probes.retain(|p| !hosts.contains(&p.host));
        self.journals.retain(|h, _| !hosts.contains(h));
        self.last.retain(|(h, _), _| !hosts.contains(h));
    }

    /// Nothing is left to be proven.
    pub(super) fn is_empty(&self) -> bool {
        self.probes.is_empty()
    }

    /// The gate's own; when hosts were taken out near its end, the others get the time to show their quiet period.
    fn deadline(&mut self) -> Instant {
        let now = Instant::now();
        let end = *self.deadline.get_or_insert(now + self.timeout);
        end.max((now + self.quiet + self.interval * 3).min(now + self.timeout))
    }

    /// Looks until all is proven, something can never be proven, time is up, or a person stops the run.
    pub(super) async fn wait(&mut self, run: &Run) -> GateEnd {
        let started = Instant::now();
        let deadline = self.deadline();
        // A gate is a watch, not a change: that its start is on disk is not essential.
        let _ = run.recorder.record(self.announced());
        for journal in self.journals.values_mut() {
            journal.follow(run, &self.phase);
        }
        loop {
            let looked = tokio::select! {
                looked = self.round(run, deadline) => looked,
                () = run.cancel.stopped() => return GateEnd::Aborted,
            };
            if self.is_open() && looked {
                let hosts = self.hosts();
                let _ = run.recorder.record(EventKind::GatePassed {
                    phase: self.phase.clone(),
                    hosts,
                    elapsed: started.elapsed(),
                });
                return GateEnd::Passed;
            }
            let hopeless = self.last.values().any(|v| matches!(v, Verdict::Fail { .. }));
            if hopeless || Instant::now() + self.interval >= deadline {
                return self.failed(run, started.elapsed(), hopeless);
            }
            tokio::select! {
                () = sleep(self.pause()) => {}
                () = run.cancel.stopped() => return GateEnd::Aborted,
            }
        }
    }

    /// All good now, and the quiet period of everything has passed.
    fn is_open(&mut self) -> bool {
        let good = |p: &PlannedProbe| self.word(p).is_some_and(Verdict::passed);
        let (journals, others): (Vec<&PlannedProbe>, Vec<&PlannedProbe>) =
            self.probes.iter().partition(|p| p.probe == ProbeSpec::KubeletJournal);
        let (journals, others) = (journals.into_iter().all(good), others.into_iter().all(good));
        self.good_since = if others {
            self.good_since.or_else(|| Some(Instant::now()))
        } else {
            None
        };
        journals && self.good_since.is_some_and(|since| since.elapsed() >= self.quiet)
    }

    /// Until the next look: no longer than what is left of the quiet period, which nobody need wait for twice.
    fn pause(&self) -> Duration {
        let left = self.good_since.map(|since| self.quiet.saturating_sub(since.elapsed()));
        // Nothing left, and not open: a journal is not quiet yet, which may take its time.
        left.filter(|l| !l.is_zero())
            .map_or(self.interval, |l| l.min(self.interval))
    }

    fn announced(&self) -> EventKind {
        let names: BTreeSet<&str> = self.probes.iter().map(|p| p.probe.name()).collect();
        EventKind::GateStarted {
            phase: self.phase.clone(),
            hosts: self.hosts(),
            probes: names.into_iter().map(str::to_owned).collect(),
            timeout: self.timeout,
        }
    }

    fn hosts(&self) -> Vec<HostName> {
        let mut hosts: Vec<HostName> = Vec::new();
        for probe in &self.probes {
            if !hosts.contains(&probe.host) {
                hosts.push(probe.host.clone());
            }
        }
        hosts
    }

    /// One look at everything, all at once. False when some answer did not come in time; the others are kept all the same.
    async fn round(&mut self, run: &Run, deadline: Instant) -> bool {
        // An API that does not answer must not use up the time of the hosts.
        let half = Instant::now() + deadline.duration_since(Instant::now()) / 2;
        let leases = self.journals.values().any(JournalWatch::lacks_only_a_sign);
        let views = timeout_at(half, ClusterViews::gather(run, &self.probes, leases)).await;
        let views = views.unwrap_or_else(|_| ClusterViews::late());
        let looks = self
            .probes
            .iter()
            .map(|p| timeout_at(deadline, self.one(run, p, &views)));
        let verdicts = join_all(looks).await;
        let in_time = verdicts.iter().all(Result::is_ok);
        for (index, verdict) in verdicts.into_iter().enumerate() {
            self.take(run, index, verdict.unwrap_or_else(|_| Verdict::wait(NO_ANSWER)));
        }
        in_time
    }

    async fn one(&self, run: &Run, probe: &PlannedProbe, views: &ClusterViews) -> Verdict {
        match self.journals.get(&probe.host) {
            Some(journal) if probe.probe == ProbeSpec::KubeletJournal => journal.verdict(run, views).await,
            _ => look(run, probe, views).await,
        }
    }

    /// Keeps the verdict, and tells it when it is news.
    fn take(&mut self, run: &Run, index: usize, verdict: Verdict) {
        let probe = &self.probes[index];
        let key = key(probe);
        let news = self.last.get(&key).is_none_or(|old| {
            old.passed() != verdict.passed() || without_numbers(old.seen()) != without_numbers(verdict.seen())
        });
        if news {
            let kind = EventKind::GateProgress {
                phase: self.phase.clone(),
                host: probe.host.clone(),
                probe: key.1.clone(),
                passed: verdict.passed(),
                detail: verdict.seen().to_owned(),
            };
            let _ = run.recorder.record(kind);
        }
        self.last.insert(key, verdict);
    }

    fn word(&self, probe: &PlannedProbe) -> Option<&Verdict> {
        self.last.get(&key(probe))
    }

    fn failed(&self, run: &Run, elapsed: Duration, hopeless: bool) -> GateEnd {
        let open = self.probes.iter().filter(|p| match self.word(p) {
            Some(Verdict::Fail { .. }) => true,
            Some(Verdict::Wait(_)) | None => !hopeless,
            Some(Verdict::Pass(_)) => false,
        });
        let mut reasons: Vec<GateReason> = open.map(|p| reason(p, self.word(p))).collect();
        if reasons.is_empty() {
            // All good at the last look, and yet not for long enough: that is no proof.
            reasons = self.probes.iter().map(|p| self.too_short(p)).collect();
        }
        let _ = run.recorder.record(EventKind::GateFailed {
            phase: self.phase.clone(),
            reasons: reasons.clone(),
            elapsed,
        });
        GateEnd::Failed(reasons)
    }

    fn too_short(&self, probe: &PlannedProbe) -> GateReason {
        let seen = self.word(probe).map_or("", Verdict::seen);
        let quiet = crate::model::duration::display(self.quiet);
        GateReason {
            last: format!("good at last, but not all of the gate for {quiet}: {seen}"),
            ..reason(probe, self.word(probe))
        }
    }
}

/// A probe's key: two `unit` probes of one gate differ by their unit, two `served` by their port.
fn key(probe: &PlannedProbe) -> (HostName, String) {
    let name = match &probe.probe {
        ProbeSpec::Unit { name, .. } => format!("unit {name}"),
        ProbeSpec::Served { port } => format!("served {port}"),
        other => other.name().to_owned(),
    };
    (probe.host.clone(), name)
}

/// Counters and ages change at every look; they are no news.
fn without_numbers(text: &str) -> String {
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}

fn reason(probe: &PlannedProbe, word: Option<&Verdict>) -> GateReason {
    let (last, remedy) = match word {
        Some(Verdict::Fail { reason, remedy }) => (reason.clone(), Some(remedy.clone())),
        Some(other) => (other.seen().to_owned(), None),
        None => (NO_ANSWER.to_owned(), None),
    };
    GateReason {
        host: probe.host.clone(),
        probe: key(probe).1,
        last,
        remedy,
    }
}
