//! Rules about draining.

use crate::model::{Host, HostName, Operation, Phase, Role};

use super::super::planner::PlanInput;
use super::super::types::{Note, Plan, PlannedPhase};

fn draining<'a>(input: &PlanInput<'a>) -> impl Iterator<Item = &'a Phase> + use<'a> {
    input.playbook.phases.iter().filter(|p| p.drain.is_some())
}

/// Masters and etcd hosts keep their pods: nothing else could take over what runs there.
pub(super) fn drain_masters(input: &PlanInput<'_>, _: &Plan) -> Vec<Note> {
    let of = |phase: &Phase, worker: bool| -> Vec<&str> {
        let hosts = input.members().filter(|h| phase.hosts.matches(h));
        hosts
            .filter(|h| (h.role == Role::Worker) == worker)
            .map(|h| h.name.as_str())
            .collect()
    };
    let note = |phase: &Phase| {
        let others = of(phase, false);
        if others.is_empty() {
            return None;
        }
        let (name, others) = (&phase.name, others.join(", "));
        Some(if of(phase, true).is_empty() {
            let remedy = "Remove `drain:` from the phase, or write `hosts: workers`.";
            Note::error(
                "drain-masters",
                None,
                format!("phase `{name}` drains {others}: only workers are drained"),
                remedy,
            )
        } else {
            Note::info(
                "drain-masters",
                None,
                format!("phase `{name}` drains its workers, not {others}"),
            )
        })
    };
    draining(input).filter_map(note).collect()
}

/// Pods are moved for nothing.
pub(super) fn drain_for_nothing(input: &PlanInput<'_>, _: &Plan) -> Vec<Note> {
    let idle = draining(input).filter(|p| !p.steps.iter().any(Operation::may_stop_something));
    let remedy = "Write `drain:` in the phase that stops the kubelet or the container runtime.";
    let message = |p: &Phase| {
        format!(
            "phase `{}` has `drain:` and stops nothing: no node is drained in it",
            p.name
        )
    };
    idle.map(|p| Note::warning("drain-for-nothing", None, message(p), remedy))
        .collect()
}

/// Evicted pods need a node that takes them.
pub(super) fn drain_too_many(input: &PlanInput<'_>, plan: &Plan) -> Vec<Note> {
    let is_worker = |h: &&Host| h.role == Role::Worker;
    let workers = input.inventory.hosts.iter().filter(is_worker).count();
    let drained = |phase: &PlannedPhase, host: &HostName| {
        let drains = |o: &str| o == "drain";
        phase
            .steps_of(host)
            .any(|s| drains(&s.operation) && s.planned.skip.is_none())
    };
    let most = |phase: &PlannedPhase| {
        let at_once = phase
            .batches
            .iter()
            .map(|b| b.iter().filter(|h| drained(phase, h)).count());
        at_once.max().unwrap_or(0)
    };
    let crowded = plan
        .phases
        .iter()
        .map(|p| (p, most(p)))
        .filter(|(_, most)| most * 2 > workers);
    let note = |(phase, most): (&PlannedPhase, usize)| {
        let name = &phase.name;
        let message = format!(
            "phase `{name}` drains {most} of {workers} workers at the same time: the others must take their pods"
        );
        Note::warning(
            "drain-too-many",
            None,
            message,
            "Set a smaller `max-parallel`, such as 1 or 25%.",
        )
    };
    crowded.map(note).collect()
}
