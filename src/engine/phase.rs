//! One phase: batch by batch, hosts in parallel (drains first), then the gate. A failed gate stops the run.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use tokio::time::Instant;

use crate::event::{EventKind, GateReason};
use crate::model::exit::RunEnd;
use crate::model::{HostName, Outcome, Role};
use crate::plan::{Expect, NodeState, PlannedPhase, PlannedStep};

use super::context::Run;
use super::gate::{GateEnd, Watch};
use super::journal_start::note_stopped;
use super::made::Made;
use super::quorum;
use super::step::run_step;

/// How a phase ended.
#[derive(Debug)]
pub(super) enum PhaseEnd {
    /// The next phase may start, without these hosts.
    Done { excluded: BTreeSet<HostName> },
    /// The run ends here.
    Stopped(RunEnd),
}

/// Runs a phase on the hosts that still take part.
pub(super) async fn run_phase(run: &Run, phase: &PlannedPhase, members: &BTreeSet<HostName>, made: &Made) -> PhaseEnd {
    let started = Instant::now();
    let hosts: Vec<HostName> = phase.hosts().into_iter().filter(|h| members.contains(h)).collect();
    let announced = EventKind::PhaseStarted {
        phase: phase.name.clone(),
        hosts,
        outage: phase.outage,
    };
    if run.recorder.record(announced).is_err() {
        return PhaseEnd::Stopped(RunEnd::StepFailed);
    }
    let mut budget = Budget::of(run, phase);
    for batch in &phase.batches {
        let batch: Vec<HostName> = batch.iter().filter(|h| members.contains(h)).cloned().collect();
        if let Err(end) = run_batch(run, phase, &batch, (&mut budget, made)).await {
            return PhaseEnd::Stopped(end);
        }
    }
    let finished = EventKind::PhaseFinished {
        phase: phase.name.clone(),
        elapsed: started.elapsed(),
    };
    match run.recorder.record(finished) {
        Ok(()) => PhaseEnd::Done {
            excluded: budget.excluded,
        },
        Err(_) => PhaseEnd::Stopped(RunEnd::StepFailed),
    }
}

async fn run_batch(
    run: &Run,
    phase: &PlannedPhase,
    batch: &[HostName],
    (budget, made): (&mut Budget, &Made),
) -> Result<(), RunEnd> {
    if batch.is_empty() {
        return Ok(());
    }
    if run.cancel.stopping() {
        return Err(RunEnd::Aborted);
    }
    if batch.iter().any(|h| has_work(phase, h, made)) {
        quorum::keep(run, phase, batch).await?;
    }
    let bad = run_steps(run, phase, batch, (budget, made, Stage::Emptying)).await?;
    if run.cancel.stopping() {
        return Err(worst(RunEnd::Aborted, run, &bad));
    }
    let batch = &budget.without_lost(batch);
    // The journal cursors are taken before the first step that stops something, so that no line of a restarted kubelet is
    // missed; and after the drains, about which the old kubelet has much to say.
    let mut watch = match &phase.gate {
        Some(gate) => {
            let emptied = batch.iter().filter(|h| Stage::Emptying.has_work(phase, h, made));
            let emptied = emptied.cloned().collect();
            Some(Watch::prepare(run, &phase.name, gate, (batch, &emptied)).await)
        }
        None => None,
    };
    let bad = run_steps(run, phase, batch, (budget, made, Stage::BeforeGate)).await?;
    if run.cancel.stopping() {
        return Err(worst(RunEnd::Aborted, run, &bad));
    }
    if let Some(watch) = watch.as_mut() {
        prove(run, phase, watch, budget).await?;
    }
    let proven = budget.without_lost(batch);
    let after = (budget, made, Stage::AfterGate);
    run_steps(run, phase, &proven, after).await.map(drop)
}

/// Which steps of a phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nodes are drained.
    Emptying,
    BeforeGate,
    AfterGate,
}

impl Stage {
    fn of(step: &PlannedStep) -> Self {
        let drains = |e: &Expect| matches!(e, Expect::Cordon(cordon) if cordon.aim == NodeState::Drained);
        match step.after_gate {
            true => Self::AfterGate,
            false if drains(&step.planned.expect) => Self::Emptying,
            false => Self::BeforeGate,
        }
    }

    /// Steps of the host that this part of the run has to do.
    fn open<'a>(
        self,
        phase: &'a PlannedPhase,
        host: &'a HostName,
        made: &'a Made,
    ) -> impl Iterator<Item = &'a PlannedStep> {
        let open = move |s: &&PlannedStep| Self::of(s) == self && made.outcome(&s.id).is_none();
        phase.steps_of(host).filter(open)
    }

    fn has_work(self, phase: &PlannedPhase, host: &HostName, made: &Made) -> bool {
        self.open(phase, host, made).next().is_some()
    }
}

/// The steps of a stage, hosts in parallel; hosts that failed within the budget.
async fn run_steps(
    run: &Run,
    phase: &PlannedPhase,
    hosts: &[HostName],
    (budget, made, stage): (&mut Budget, &Made, Stage),
) -> Result<BTreeMap<HostName, Outcome>, RunEnd> {
    let ends = join_all(hosts.iter().map(|host| run_host(run, phase, host, (made, stage)))).await;
    let ends = hosts.iter().cloned().zip(ends);
    let bad: BTreeMap<HostName, Outcome> = ends.filter_map(|(h, end)| end.map(|o| (h, o))).collect();
    if run.recorder.broken().is_some() {
        return Err(RunEnd::StepFailed);
    }
    for (host, outcome) in &bad {
        budget
            .spend(run, phase, host, &StepTrouble(outcome))
            .map_err(|end| worst(end, run, &bad))?;
    }
    Ok(bad)
}

/// Something is still to be done on the host.
fn has_work(phase: &PlannedPhase, host: &HostName, made: &Made) -> bool {
    let open = |s: &PlannedStep| s.planned.skip.is_none() && made.outcome(&s.id).is_none();
    phase.steps_of(host).any(open)
}

/// The gate. Hosts that may fail within the budget are taken out, and the others still have to be proven.
async fn prove(run: &Run, phase: &PlannedPhase, watch: &mut Watch, budget: &mut Budget) -> Result<(), RunEnd> {
    loop {
        watch.forget(&budget.excluded);
        if watch.is_empty() {
            return Ok(());
        }
        match watch.wait(run).await {
            GateEnd::Passed => return Ok(()),
            GateEnd::Aborted => return Err(RunEnd::Aborted),
            GateEnd::Failed(reasons) => budget.spend_gate(run, phase, &reasons)?,
        }
    }
}

/// The steps of one host, in order, up to the first that is not good. What follows the gate only undoes: it is done also when
/// a person has asked to stop.
async fn run_host(run: &Run, phase: &PlannedPhase, host: &HostName, (made, stage): (&Made, Stage)) -> Option<Outcome> {
    let after = stage == Stage::AfterGate;
    for step in stage.open(phase, host, made) {
        if run.cancel.stopping() && (!after || run.cancel.leaving()) {
            return None;
        }
        let outcome = run_step(run, &phase.name, step).await;
        if !outcome.is_good() {
            return Some(outcome);
        }
        note_stopped(run, phase, step).await;
    }
    None
}

/// An unknown state anywhere is worse than a refusal; an unreachable host before any change is milder.
fn worst(end: RunEnd, run: &Run, bad: &BTreeMap<HostName, Outcome>) -> RunEnd {
    if bad.values().any(|o| matches!(o, Outcome::Unknown { .. })) {
        return RunEnd::Stuck;
    }
    let unreachable = end == RunEnd::StepFailed
        && bad
            .values()
            .all(|o| matches!(o, Outcome::Failed { state, .. } if state == super::step::NOTHING_SENT));
    if unreachable && run.recorder.state().tally.changed == 0 {
        RunEnd::Unreachable
    } else {
        end
    }
}

/// How many workers may still fail, and which did.
struct Budget {
    left: usize,
    excluded: BTreeSet<HostName>,
}

/// Why a host is out.
trait Trouble {
    fn sentence(&self) -> String;
}

struct StepTrouble<'a>(&'a Outcome);

impl Trouble for StepTrouble<'_> {
    fn sentence(&self) -> String {
        match self.0 {
            Outcome::Failed { what, .. } | Outcome::Unknown { what, .. } => what.clone(),
            other => format!("{other:?}"),
        }
    }
}

impl Trouble for GateReason {
    fn sentence(&self) -> String {
        format!("{}: {}", self.probe, self.last)
    }
}

impl Budget {
    /// Each host counts once: one that was lost before has spent its part already.
    fn of(run: &Run, phase: &PlannedPhase) -> Self {
        let state = run.recorder.state();
        let hosts = phase.hosts();
        let lost = hosts
            .iter()
            .chain(phase.missing.keys())
            .filter(|h| state.excluded.contains_key(*h));
        Self {
            left: phase.max_failures.saturating_sub(lost.count()),
            excluded: BTreeSet::new(),
        }
    }

    fn without_lost(&self, batch: &[HostName]) -> Vec<HostName> {
        batch.iter().filter(|h| !self.excluded.contains(*h)).cloned().collect()
    }

    /// Takes the host out, or ends the run: a master always ends it.
    fn spend(&mut self, run: &Run, phase: &PlannedPhase, host: &HostName, trouble: &dyn Trouble) -> Result<(), RunEnd> {
        let worker = run.inventory.host(host).is_some_and(|h| h.role == Role::Worker);
        if !worker || (self.left == 0 && !self.excluded.contains(host)) {
            return Err(RunEnd::StepFailed);
        }
        if self.excluded.insert(host.clone()) {
            self.left -= 1;
            let kind = EventKind::HostExcluded {
                phase: phase.name.clone(),
                host: host.clone(),
                why: trouble.sentence(),
            };
            run.recorder.record(kind).map_err(|_| RunEnd::StepFailed)?;
        }
        Ok(())
    }

    fn spend_gate(&mut self, run: &Run, phase: &PlannedPhase, reasons: &[GateReason]) -> Result<(), RunEnd> {
        for reason in reasons {
            self.spend(run, phase, &reason.host, reason)
                .map_err(|_| RunEnd::GateFailed)?;
        }
        Ok(())
    }
}
