//! How long the API will be away: from the first phase that stops it to the gate that proves it back.

use std::time::Duration;

use crate::model::gate::ProbeSpec;
use crate::model::{Host, Role};
use crate::operations::types::Postcondition;

use super::leftovers::is_idle;
use super::planner::PlanInput;
use super::types::{OutageForecast, Plan, PlannedPhase, PlannedStep};

/// A step that stops or starts a unit, from the seed's procedure on real hosts: 30 s for all of it (measured on kubeadm 1.19).
const PER_STEP: Duration = Duration::from_secs(4);
/// From a started kubelet to a ready API server.
const API_START: Duration = Duration::from_secs(20);

/// The forecast, if any phase with something to do accepts an outage.
pub(super) fn forecast_outage(input: &PlanInput<'_>, plan: &Plan) -> Option<OutageForecast> {
    let busy = |p: &PlannedPhase| p.outage && !p.steps.iter().all(is_idle);
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
    let touched = |role| touched(input, phases, role);
    let (masters, workers) = (touched(Role::ControlPlane) + touched(Role::Etcd), touched(Role::Worker));
    let why = if masters > 0
        && input
            .reachable()
            .any(|h| input.facts_of(h).shape.distribution.is_some())
    {
        WITH_SERVERS
    } else if masters > 0 {
        WITH_MASTERS
    } else if phases.iter().flat_map(|p| &p.steps).any(|s| stops_a_runtime(input, s)) {
        WORKERS_ONLY
    } else {
        return None;
    };
    Some(OutageForecast {
        from: plan.phases[first].name.clone(),
        until: plan.phases[last].name.clone(),
        about: PER_STEP * steps + if masters > 0 { API_START } else { Duration::ZERO } + quiet,
        masters,
        workers,
        why: why.to_owned(),
    })
}

const WITH_MASTERS: &str = "on every master kubelet and container runtime are stopped before any is started again, so the API answers nobody in between";
const WITH_SERVERS: &str =
    "all servers are stopped and started together, so the API answers nobody until their etcd has its quorum again";
const WORKERS_ONLY: &str = "their containers stop with the container runtime and start with it again";

/// Hosts with something to do in these phases.
fn touched(input: &PlanInput<'_>, phases: &[PlannedPhase], role: Role) -> usize {
    let of_role = input.reachable().filter(|h| h.role == role);
    let busy = |h: &&Host| {
        let steps = phases.iter().flat_map(|p| p.steps_of(&h.name));
        !steps.into_iter().all(is_idle)
    };
    of_role.filter(busy).count()
}

/// A kubelet that is stopped leaves its containers alone.
fn stops_a_runtime(input: &PlanInput<'_>, step: &PlannedStep) -> bool {
    let kubelet = input.inventory.host(&step.host).map(Host::kubelet_service);
    let Postcondition::UnitsStopped { units } = &step.planned.postcondition else {
        return false;
    };
    step.planned.skip.is_none() && units.last() != kubelet.as_ref()
}

fn proves_the_api(phase: &PlannedPhase) -> bool {
    phase.gate.as_ref().is_some_and(|g| {
        g.probes
            .iter()
            .any(|p| matches!(p.probe, ProbeSpec::ApiServer | ProbeSpec::Served { port: 6443 }))
    })
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
