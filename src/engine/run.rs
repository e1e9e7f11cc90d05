//! A run from its first to its last event: phases in order, and how it ended.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use crate::event::{EventKind, HostState, RunState};
use crate::model::HostName;
use crate::model::exit::RunEnd;
use crate::model::gate::ProbeSpec;
use crate::plan::{Plan, PlannedPhase};

use super::context::Run;
use super::cordon;
use super::ledger::LedgerError;
use super::made::Made;
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
    run.recorder.record(run_started(run, plan, operator))?;
    record_boots(run);
    Ok(run_to_the_end(run, plan, Made::default()).await)
}

/// Which boot each host is in: what is below /run is only as old as that.
fn record_boots(run: &Run) {
    let known = run
        .facts
        .iter()
        .filter_map(|(h, f)| Some((h.clone(), f.boot_id.clone()?)));
    // Without it a resumed run is only more careful.
    let _ = run.recorder.record(EventKind::BootsSeen { boots: known.collect() });
}

/// The phases, and the last event.
pub(super) async fn run_to_the_end(run: &Run, plan: &Plan, made: Made) -> RunEnd {
    let started = Instant::now();
    let missing = left_out(run, plan);
    let mut course = Course {
        members: plan
            .hosts
            .iter()
            .map(|h| h.name.clone())
            .filter(|h| !missing.contains(h))
            .collect(),
        outage: Outage::known(run),
        made,
    };
    let end = run_until_the_end(&mut course, run, plan).await;
    let state = run.recorder.state();
    let kind = EventKind::RunFinished {
        end,
        tally: state.tally,
        outage_ms: course.outage.millis(),
        next: next_steps(run, plan, end)
            .into_iter()
            .chain(cordon::still_closed(run))
            .collect(),
        elapsed: started.elapsed(),
    };
    // The ledger may be what failed; the end is then known from the exit status and the screen.
    let _ = run.recorder.record(kind);
    end
}

/// Hosts that did not answer when the plan was made have no steps; they are told, and counted, as left behind.
fn left_out(run: &Run, plan: &Plan) -> BTreeSet<HostName> {
    let mut out = BTreeSet::new();
    for (phase, (host, why)) in plan.phases.iter().flat_map(|p| p.missing.iter().map(move |m| (p, m))) {
        if out.insert(host.clone()) {
            // Told again at the end; a full disk shows itself at the first phase.
            let _ = run.recorder.record(EventKind::HostExcluded {
                phase: phase.name.clone(),
                host: host.clone(),
                why: format!("it could not be reached when the plan was made: {why}"),
            });
        }
    }
    out
}

/// All phases; a wish to stop is an event of its own, at its time.
async fn run_until_the_end(course: &mut Course, run: &Run, plan: &Plan) -> RunEnd {
    let phases = course.run_phases(run, plan);
    tokio::pin!(phases);
    tokio::select! {
        biased;
        () = run.cancel.stopped() => {
            let _ = run.recorder.record(EventKind::StopRequested { why: run.cancel.why() });
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
    /// What an earlier part of the run did.
    made: Made,
}

impl Course {
    async fn run_phases(&mut self, run: &Run, plan: &Plan) -> RunEnd {
        if plan.work().next().is_none() && plan.phases.iter().all(|p| p.gate.is_none()) {
            return Self::end_of_last_phase(run, plan);
        }
        for phase in &plan.phases {
            let todo = self.todo(phase);
            // A phase of a new run whose hosts are all out is still told.
            if todo.is_empty() && phase.hosts().iter().any(|h| self.members.contains(h)) {
                self.outage.was(phase, &run.recorder.state());
                continue;
            }
            self.outage.before(phase);
            match run_phase(run, phase, &todo, &self.made).await {
                PhaseEnd::Done { excluded } => self.members.retain(|h| !excluded.contains(h)),
                PhaseEnd::Stopped(end) => return end,
            }
            self.outage.after(phase);
        }
        Self::end_of_last_phase(run, plan)
    }

    /// Hosts that still need the phase; all of them in a run that was never interrupted.
    fn todo(&self, phase: &PlannedPhase) -> BTreeSet<HostName> {
        let open = |h: &HostName| self.members.contains(h) && !self.made.is_behind(phase, h);
        phase.hosts().into_iter().filter(open).collect()
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
            (true, _) => RunEnd::LeftBehind,
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
    /// In an earlier part of the run.
    already: Duration,
}

impl Outage {
    /// What is known of a run that goes on; nothing of a new one.
    fn known(run: &Run) -> Self {
        let Some(from) = run.recorder.state().away_since else {
            return Self::default();
        };
        let already = Duration::try_from(run.recorder.now().duration_since(from)).unwrap_or_default();
        Self {
            since: Some(Instant::now()),
            lasted: None,
            already,
        }
    }

    /// A phase that lies behind a resumed run.
    fn was(&mut self, phase: &PlannedPhase, state: &RunState) {
        let finished = state
            .phases
            .iter()
            .find(|p| p.name == phase.name)
            .and_then(|p| p.finished);
        if let (true, Some(from), Some(to), None) = (proves_the_api(phase), state.away_since, finished, self.lasted) {
            self.lasted = Duration::try_from(to.duration_since(from)).ok();
        }
    }

    fn before(&mut self, phase: &PlannedPhase) {
        if phase.outage && phase.steps.iter().any(|s| s.planned.skip.is_none()) {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    fn after(&mut self, phase: &PlannedPhase) {
        if let (true, Some(since), None) = (proves_the_api(phase), self.since, self.lasted) {
            self.lasted = Some(since.elapsed() + self.already);
        }
    }

    fn millis(&self) -> Option<u64> {
        let length = self.lasted.or_else(|| self.since.map(|s| s.elapsed() + self.already))?;
        u64::try_from(length.as_millis()).ok()
    }
}

fn proves_the_api(phase: &PlannedPhase) -> bool {
    let gate = phase.gate.as_ref();
    gate.is_some_and(|g| {
        g.probes
            .iter()
            .any(|p| matches!(p.probe, ProbeSpec::ApiServer | ProbeSpec::Served { port: 6443 }))
    })
}

/// What the person should do now: concrete, in order.
fn next_steps(run: &Run, plan: &Plan, end: RunEnd) -> Vec<String> {
    let state = run.recorder.state();
    let failed: Vec<String> = state.failed_hosts().iter().map(ToString::to_string).collect();
    if let Some(why) = run.recorder.broken() {
        return vec![
            format!("The record of the run cannot be written ({why})."),
            FREE_THE_DISK.to_owned(),
        ];
    }
    let resume = format!("`certfleet resume {}`", run.id);
    match end {
        RunEnd::Succeeded | RunEnd::NothingToDo => vec!["Verify with `certfleet check`.".to_owned()],
        RunEnd::LeftBehind => vec![
            format!("Mend {} as shown above.", failed.join(", ")),
            format!(
                "Then bring them along: `{} --limit @failed`, with the same inventory.",
                words(plan)
            ),
        ],
        RunEnd::StepFailed | RunEnd::GateFailed => vec![format!(
            "Mend what is shown above, then {resume}: steps that are done are recognised and not repeated."
        )],
        RunEnd::Unreachable => vec!["Nothing was changed. Make the host reachable, then start again.".to_owned()],
        RunEnd::Aborted => vec![format!(
            "Hosts stay as they are now; units that were stopped stay stopped. {resume} goes on."
        )],
        RunEnd::Stuck => {
            let unsettled: Vec<String> = state.unsettled().map(|(id, _)| id.clone()).collect();
            let places = if unsettled.is_empty() { failed } else { unsettled };
            vec![format!(
                "Look at the named hosts by hand ({}), then {resume}: it looks before it acts.",
                places.join(", ")
            )]
        }
    }
}

/// How a person asks for this plan again; of an older plan, as far as its playbook's name tells.
fn words(plan: &Plan) -> String {
    if let Some(words) = &plan.asked_with {
        return words.clone();
    }
    match plan.playbook.as_str() {
        name @ ("renew" | "restart") => format!("certfleet {name}"),
        // Its files are back on the masters; what is left is to restart the others.
        "rollback" => "certfleet restart".to_owned(),
        other => format!("certfleet run {other}"),
    }
}
