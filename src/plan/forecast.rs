//! How long the API will be away: from the first phase that stops it to the gate that proves it back.

use std::time::Duration;

use crate::model::Role;
use crate::model::gate::ProbeSpec;

use super::planner::PlanInput;
use super::types::{OutageForecast, Plan, PlannedPhase};

/// A step that stops or starts a unit, from the seed's procedure on real hosts: 30 s for all of it (measured on kubeadm 1.19).
const PER_STEP: Duration = Duration::from_secs(4);
/// From a started kubelet to a ready API server.
const API_START: Duration = Duration::from_secs(20);

/// The forecast, if any phase with something to do accepts an outage.
pub(super) fn forecast_outage(input: &PlanInput<'_>, plan: &Plan) -> Option<OutageForecast> {
    let busy = |p: &PlannedPhase| p.outage && p.steps.iter().any(|s| s.planned.skip.is_none());
    let first = plan.phases.iter().position(busy)?;
    let last = plan
        .phases
        .iter()
        .skip(first)
        .position(proves_the_api)
        .map_or(plan.phases.len() - 1, |i| first + i);
    let phases = &plan.phases[first..=last];
    let steps: u32 = phases.iter().map(rounds).sum();
    let quiet: Duration = phases
        .iter()
        .filter_map(|p| p.gate.as_ref().filter(|_| proves_the_api(p)).map(|g| g.quiet))
        .sum();
    let count = |role| input.reachable().filter(|h| h.role == role).count();
    Some(OutageForecast {
        from: plan.phases[first].name.clone(),
        until: plan.phases[last].name.clone(),
        about: PER_STEP * steps + API_START + quiet,
        masters: count(Role::ControlPlane),
        workers: count(Role::Worker),
        why: "every kubelet and container runtime is stopped before any is started again, so the API answers nobody in between".to_owned(),
    })
}

fn proves_the_api(phase: &PlannedPhase) -> bool {
    phase
        .gate
        .as_ref()
        .is_some_and(|g| g.probes.iter().any(|p| p.probe == ProbeSpec::ApiServer))
}

/// Steps of one host, times the batches that follow each other.
fn rounds(phase: &PlannedPhase) -> u32 {
    let most = phase
        .batches
        .iter()
        .flatten()
        .map(|h| phase.steps_of(h).filter(|s| s.planned.skip.is_none()).count())
        .max();
    u32::try_from(most.unwrap_or(0) * phase.batches.len()).unwrap_or(u32::MAX)
}
