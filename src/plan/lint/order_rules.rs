//! Rules about the order of the playbook.

use crate::model::host_words::unit_name;
use crate::model::playbook::{Operation, Phase, ServiceState};
use crate::model::{Host, HostName, Role};

use super::super::gates::has_etcd;
use super::super::leftovers::is_idle;
use super::super::planner::{PlanInput, stops_the_runtime};
use super::super::types::{Note, Plan, PlannedPhase};

fn starts_kubelet(phase: &Phase) -> bool {
    has_kubelet(phase, ServiceState::Started)
}

fn stops_kubelet(phase: &Phase) -> bool {
    has_kubelet(phase, ServiceState::Stopped)
}

fn has_kubelet(phase: &Phase, wanted: ServiceState) -> bool {
    let steps = phase.steps.iter();
    steps
        .filter(|op| matches!(op, Operation::Service { state, .. } if *state == wanted))
        .any(|op| matches!(op, Operation::Service { unit, .. } if unit_name(unit) == "kubelet.service"))
}

/// A worker that starts while the masters are down finds nobody; and a worker that starts beside them was never ordered.
pub(super) fn workers_before_masters(input: &PlanInput<'_>, plan: &Plan) -> Vec<Note> {
    let phases = &input.playbook.phases;
    let masters: Vec<&Host> = input.members().filter(|h| h.role == Role::ControlPlane).collect();
    let mut notes = Vec::new();
    for (index, phase) in phases.iter().enumerate().filter(|(_, p)| starts_kubelet(p)) {
        if !input
            .members()
            .any(|h| h.role == Role::Worker && phase.hosts.matches(h))
        {
            continue;
        }
        let waiting = masters.iter().find(|m| down_at(phases, index, m));
        if let Some(master) = waiting {
            notes.push(Note::error(
                "workers-before-masters",
                None,
                format!(
                    "phase `{}` starts workers while {} is stopped or not proven yet",
                    phase.name, master.name
                ),
                WORKERS_LATER,
            ));
        } else if starts_beside(input, plan, phase) {
            notes.push(Note::error(
                "workers-before-masters",
                None,
                format!(
                    "phase `{}` restarts workers beside masters whose control plane goes away",
                    phase.name
                ),
                WORKERS_LATER,
            ));
        }
    }
    notes
}

const WORKERS_LATER: &str = "Start the masters in an earlier phase with a gate, then the workers.";

/// The phase itself takes the control plane away, and one of its batches holds masters and workers.
fn starts_beside(input: &PlanInput<'_>, plan: &Plan, phase: &Phase) -> bool {
    let role = |name: &HostName| input.inventory.host(name).map(|h| h.role);
    let has = |batch: &[HostName], wanted| batch.iter().any(|h| role(h) == Some(wanted));
    let planned = plan.phases.iter().filter(|p| p.name == phase.name);
    let mixed = planned
        .flat_map(|p| &p.batches)
        .any(|b| has(b, Role::Worker) && has(b, Role::ControlPlane));
    takes_down(phase) && mixed
}

/// The master was stopped before this phase, and no gated phase in between started it.
fn down_at(phases: &[Phase], index: usize, master: &Host) -> bool {
    let mut down = false;
    for phase in phases[..index].iter().filter(|p| p.hosts.matches(master)) {
        if stops_kubelet(phase) {
            down = true;
        }
        if starts_kubelet(phase) && phase.gate.is_some() {
            down = false;
        }
    }
    down
}

/// Hosts of which some must stay up for the API to answer.
struct Group {
    noun: &'static str,
    members: Vec<HostName>,
    /// How many may be away.
    spare: usize,
    remedy: &'static str,
}

/// Losing more than (n-1)/2 etcd members takes the API away, and so does losing the last API server, wherever its etcd is.
pub(super) fn outage_not_accepted(input: &PlanInput<'_>, plan: &Plan) -> Vec<Note> {
    let members = etcd_members(input);
    let masters: Vec<HostName> = input.inventory.masters().map(|h| h.name.clone()).collect();
    let etcd = Group {
        noun: "etcd members",
        spare: members.len().saturating_sub(1) / 2,
        members,
        remedy: "Write `outage: accepted` in that phase if that is meant, or set `max-parallel: 1` with a gate (three masters or more).",
    };
    let api = Group {
        noun: "masters",
        spare: masters.len().saturating_sub(1),
        members: masters,
        remedy: "Write `outage: accepted` in that phase if that is meant, or set `max-parallel: 1` with a gate (two masters or more).",
    };
    let mut notes = outages(input, plan, &etcd);
    for (phase, note) in outages(input, plan, &api) {
        if notes.iter().all(|(said, _)| *said != phase) {
            notes.push((phase, note));
        }
    }
    notes.into_iter().map(|(_, note)| note).collect()
}

/// Phases that take more of a group away than it can spare.
fn outages<'a>(input: &PlanInput<'a>, plan: &Plan, group: &Group) -> Vec<(&'a str, Note)> {
    let silent = |h: &HostName| input.facts.get(h).is_some_and(|f| f.unreachable.is_some());
    let mut down: Vec<HostName> = group.members.iter().filter(|h| silent(h)).cloned().collect();
    let mut notes = Vec::new();
    for (planned, phase) in plan.phases.iter().filter_map(|p| source(input, p).map(|s| (p, s))) {
        let here = most_stopped(input, planned, phase, &group.members, &down);
        let stopped = here + down.len();
        if here > 0 && stopped > group.spare && !phase.outage_accepted && takes_down(phase) {
            notes.push((phase.name.as_str(), outage_note(phase, stopped, group)));
        }
        if takes_down(phase) && !comes_back(input, phase) {
            let stopped = planned.hosts().into_iter().filter(|h| works_on(planned, h));
            down.extend(stopped.filter(|h| group.members.contains(h)));
        } else if starts_kubelet(phase) {
            down.retain(|h| !planned.hosts().contains(h));
        }
    }
    notes
}

/// Who must be asked before this phase touches a member; nobody where it touches none or accepts the outage.
pub(in crate::plan) fn quorum_to_keep(input: &PlanInput<'_>, phase: &Phase) -> Vec<HostName> {
    if phase.outage_accepted || !takes_down(phase) {
        return Vec::new();
    }
    etcd_members(input)
}

fn etcd_members(input: &PlanInput<'_>) -> Vec<HostName> {
    let members = input.inventory.hosts.iter().filter(|h| is_member(input, h));
    members.map(|h| h.name.clone()).collect()
}

/// Also a host that was not asked (`--limit`) or did not answer may be a member: quorum counts it. A master is taken for
/// one unless the inventory has etcd hosts of its own.
fn is_member(input: &PlanInput<'_>, host: &Host) -> bool {
    let known = input.facts.get(&host.name).filter(|f| f.unreachable.is_none());
    if let Some(facts) = known {
        return has_etcd(host, facts);
    }
    let external = input.inventory.with_role(Role::Etcd).next().is_some();
    host.role == Role::Etcd || (host.role == Role::ControlPlane && !external)
}

fn takes_down(phase: &Phase) -> bool {
    phase
        .steps
        .iter()
        .any(|op| stops_the_runtime(op) || matches!(op, Operation::RecycleStaticPods))
}

/// Within the phase: its steps start the kubelet, or recycle under one that nobody has stopped (where no client can, the
/// kubelet itself ends and starts the containers).
fn comes_back(input: &PlanInput<'_>, phase: &Phase) -> bool {
    let until = input.playbook.phases.iter().take_while(|p| p.name != phase.name);
    let stopped = until
        .chain([phase])
        .any(|p| stops_kubelet(p) || p.steps.iter().any(stops_the_runtime));
    starts_kubelet(phase) || !stopped
}

/// Whether anything is done there: a member whose every step is left out stays up.
fn works_on(planned: &PlannedPhase, host: &HostName) -> bool {
    planned
        .steps
        .iter()
        .any(|s| s.host == *host && s.planned.skip.is_none())
}

/// Members that this phase takes away at the same time, beside those that are away already.
fn most_stopped(
    input: &PlanInput<'_>,
    planned: &PlannedPhase,
    phase: &Phase,
    members: &[HostName],
    down: &[HostName],
) -> usize {
    let touched = |hosts: &[HostName]| {
        hosts
            .iter()
            .filter(|h| members.contains(h) && !down.contains(h) && works_on(planned, h))
            .count()
    };
    if comes_back(input, phase) {
        planned.batches.iter().map(|b| touched(b)).max().unwrap_or(0)
    } else {
        touched(&planned.hosts())
    }
}

fn outage_note(phase: &Phase, stopped: usize, group: &Group) -> Note {
    let message = format!(
        "phase `{}` stops {stopped} of {} {} at a time: the API goes away",
        phase.name,
        group.members.len(),
        group.noun
    );
    Note::error("outage-not-accepted", None, message, group.remedy)
}

fn source<'a>(input: &PlanInput<'a>, planned: &PlannedPhase) -> Option<&'a Phase> {
    input.playbook.phases.iter().find(|p| p.name == planned.name)
}

/// Without a gate nothing proves that a change helped. Making and removing backups changes nothing that a process reads.
pub(super) fn no_gate(input: &PlanInput<'_>, plan: &Plan) -> Vec<Note> {
    let changes = |p: &Phase| {
        p.steps
            .iter()
            .any(|op| !matches!(op, Operation::Backup | Operation::PruneBackups { .. }))
    };
    let busy = |p: &&PlannedPhase| !p.steps.iter().all(is_idle);
    let ungated = |p: &&PlannedPhase| p.gate.as_ref().is_none_or(|g| g.probes.is_empty());
    let open = plan.phases.iter().filter(busy).filter(ungated);
    let open = open.filter_map(|p| source(input, p)).filter(|p| changes(p));
    let note = |p: &Phase| {
        Note::error(
            "no-gate",
            None,
            format!("phase `{}` changes hosts and proves nothing: it has no gate", p.name),
            "Add `gate: { probes: [ … ], timeout: 5m }` to the phase.",
        )
    };
    open.map(note).collect()
}
