//! A run from its first to its last event: phases in order, and how it ended.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::event::{EventKind, HostState};
use crate::model::exit::RunEnd;
use crate::model::gate::ProbeSpec;
use crate::model::{HostName, Role};
use crate::plan::{Plan, PlannedPhase};

use super::context::Run;
use super::ledger::LedgerError;
use super::phase::{PhaseEnd, run_phase};
use super::step::FREE_THE_DISK;

/// Who started the run, for the record.
#[derive(Debug, Clone)]
pub struct Operator {
    /// `user@host` of the controller.
    pub who: String,
}

/// Executes the plan and returns how it ended. Everything else is in the events.
///
/// # Errors
/// Only when the ledger could not take the first event: then nothing was done.
pub async fn execute(run: &Run, plan: &Plan, operator: &Operator) -> Result<RunEnd, LedgerError> {
    let started = Instant::now();
    run.recorder.record(run_started(run, plan, operator))?;
    let mut course = Course {
        members: plan.hosts.iter().map(|h| h.name.clone()).collect(),
        outage: Outage::default(),
    };
    let end = run_until_the_end(&mut course, run, plan).await;
    let state = run.recorder.state();
    let kind = EventKind::RunFinished {
        end,
        tally: state.tally,
        outage_ms: course.outage.millis(),
        next: next_steps(run, end),
        elapsed: started.elapsed(),
    };
    // The ledger may be what failed; the end is then known from the exit status and the screen.
    let _ = run.recorder.record(kind);
    Ok(end)
}

/// All phases; a person's wish to stop is an event of its own, at its time.
async fn run_until_the_end(course: &mut Course, run: &Run, plan: &Plan) -> RunEnd {
    let phases = course.run_phases(run, plan);
    tokio::pin!(phases);
    tokio::select! {
        biased;
        () = run.cancel.stopped() => {
            let _ = run.recorder.record(EventKind::StopRequested);
            phases.await
        }
        end = &mut phases => end,
    }
}

fn run_started(run: &Run, plan: &Plan, operator: &Operator) -> EventKind {
    EventKind::RunStarted {
        run: run.id.clone(),
        cluster: plan.cluster.clone(),
        playbook: plan.playbook.clone(),
        plan: plan.hash(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        operator: operator.who.clone(),
        hosts: plan.hosts.iter().map(|h| h.name.clone()).collect(),
    }
}

/// The run's way through the phases.
struct Course {
    /// Hosts that still take part.
    members: BTreeSet<HostName>,
    outage: Outage,
}

impl Course {
    async fn run_phases(&mut self, run: &Run, plan: &Plan) -> RunEnd {
        if plan.work().next().is_none() && plan.phases.iter().all(|p| p.gate.is_none()) {
            return RunEnd::NothingToDo;
        }
        for phase in &plan.phases {
            self.outage.before(phase);
            match run_phase(run, phase, &self.members).await {
                PhaseEnd::Done { excluded } => self.members.retain(|h| !excluded.contains(h)),
                PhaseEnd::Stopped(end) => return end,
            }
            self.outage.after(phase);
        }
        Self::end_of_last_phase(run, plan)
    }

    /// A run in which hosts were left behind within the budget has not done all that was asked.
    fn end_of_last_phase(run: &Run, plan: &Plan) -> RunEnd {
        let state = run.recorder.state();
        let left_behind = plan.hosts.iter().any(|h| state.excluded.contains_key(&h.name));
        let nothing = state.tally.changed == 0;
        match (left_behind, nothing) {
            (true, _)
                if state
                    .phases
                    .iter()
                    .any(|p| p.hosts.values().any(|s| *s == HostState::Unknown)) =>
            {
                RunEnd::Stuck
            }
            (true, _) => RunEnd::StepFailed,
            (false, true) => RunEnd::NothingToDo,
            (false, false) => RunEnd::Succeeded,
        }
    }
}

/// Measures how long the API was away: from the first phase that takes it away to the gate that proves it back.
#[derive(Default)]
struct Outage {
    since: Option<Instant>,
    lasted: Option<Duration>,
}

impl Outage {
    fn before(&mut self, phase: &PlannedPhase) {
        if phase.outage && phase.steps.iter().any(|s| s.planned.skip.is_none()) {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    fn after(&mut self, phase: &PlannedPhase) {
        let proves = phase
            .gate
            .as_ref()
            .is_some_and(|g| g.probes.iter().any(|p| p.probe == ProbeSpec::ApiServer));
        if let (true, Some(since), None) = (proves, self.since, self.lasted) {
            self.lasted = Some(since.elapsed());
        }
    }

    fn millis(&self) -> Option<u64> {
        let length = self.lasted.or_else(|| self.since.map(|s| s.elapsed()))?;
        u64::try_from(length.as_millis()).ok()
    }
}

/// What the person should do now: concrete, in order.
fn next_steps(run: &Run, end: RunEnd) -> Vec<String> {
    let state = run.recorder.state();
    let failed: Vec<String> = state.failed_hosts().iter().map(ToString::to_string).collect();
    let hosts = failed.join(",");
    let masters = state
        .failed_hosts()
        .iter()
        .any(|h| run.inventory.host(h).is_some_and(|h| h.role == Role::ControlPlane));
    if let Some(why) = run.recorder.broken() {
        return vec![
            format!("The record of the run cannot be written ({why})."),
            FREE_THE_DISK.to_owned(),
        ];
    }
    match end {
        RunEnd::Succeeded | RunEnd::NothingToDo => vec!["Verify with `certfleet check`.".to_owned()],
        RunEnd::StepFailed | RunEnd::GateFailed if !hosts.is_empty() && !masters => {
            vec![format!("Mend {hosts} as shown above, then run the playbook again with `--limit {hosts}`.")]
        }
        RunEnd::StepFailed | RunEnd::GateFailed => vec![
            "Mend what is shown above, then start the same command again: steps that are done are recognised and not repeated.".to_owned(),
        ],
        RunEnd::Unreachable => vec!["Nothing was changed. Make the host reachable, then start again.".to_owned()],
        RunEnd::Aborted => vec!["Hosts stay as they are now; units that were stopped stay stopped. Start the same command again to go on.".to_owned()],
        RunEnd::Stuck => {
            let unsettled: Vec<String> = state.unsettled().map(|(id, _)| id.clone()).collect();
            vec![format!(
                "Look at the named hosts by hand ({}), then start the same command again: it looks before it acts.",
                if unsettled.is_empty() { hosts } else { unsettled.join(", ") }
            )]
        }
    }
}
