//! From inventory, playbook, facts and time to a plan.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::host_words::unit_name;
use crate::model::playbook::{Operation, Phase, ServiceState};
use crate::model::{Host, HostFacts, HostName, Inventory, Playbook, RuntimeKind, Selector};
use crate::operations::types::{Fleet, OperationError, RunContext};

use super::batch::batches;
use super::forecast::forecast_outage;
use super::gates::plan_gate;
use super::lint;
use super::types::{Note, PLAN_FORMAT, Plan, PlannedHost, PlannedPhase, PlannedStep};

/// Everything a plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct PlanInput<'a> {
    pub inventory: &'a Inventory,
    pub playbook: &'a Playbook,
    pub facts: &'a BTreeMap<HostName, HostFacts>,
    /// `--limit`.
    pub limit: &'a Selector,
    pub now: Timestamp,
}

/// Makes the plan. Never fails: what forbids to run it is among its notes.
pub fn plan(input: &PlanInput<'_>) -> Plan {
    let mut notes = Vec::new();
    let phases: Vec<PlannedPhase> = (0..input.playbook.phases.len())
        .filter_map(|index| plan_phase(input, index, &mut notes))
        .collect();
    let mut plan = Plan {
        format: PLAN_FORMAT,
        cluster: input.inventory.cluster.clone(),
        playbook: input.playbook.name.clone(),
        created: input.now,
        hosts: input.members().map(|h| input.planned_host(h)).collect(),
        outage: None,
        phases,
        notes,
    };
    plan.outage = forecast_outage(input, &plan);
    plan.notes.extend(lint::lint(input, &plan));
    plan.notes.sort();
    plan.notes.dedup();
    plan
}

fn plan_phase(input: &PlanInput<'_>, index: usize, notes: &mut Vec<Note>) -> Option<PlannedPhase> {
    let phase = &input.playbook.phases[index];
    let hosts: Vec<&Host> = input.reachable().filter(|h| phase.hosts.matches(h)).collect();
    let unknown = phase.hosts.unmatched(&input.inventory.hosts);
    if !unknown.is_empty() {
        let message = format!(
            "phase `{}` is for {}, which the inventory does not have",
            phase.name,
            unknown.join(", ")
        );
        notes.push(Note::warning(
            "unknown-hosts",
            None,
            message,
            "Correct `hosts:` of the phase, or the inventory.",
        ));
    }
    if hosts.is_empty() {
        return None;
    }
    let names: Vec<HostName> = hosts.iter().map(|h| h.name.clone()).collect();
    let mut steps = Vec::new();
    for host in &hosts {
        for (number, operation) in phase.steps.iter().enumerate() {
            let context = input.context(index, number, host);
            match plan_step(input, phase, host, (number, operation), context) {
                Ok(step) => steps.push(step),
                Err(error) => notes.push(Note::error(
                    "cannot-plan",
                    Some(&host.name),
                    error.to_string(),
                    error.remedy(),
                )),
            }
        }
    }
    let missing = input.missing(phase);
    Some(PlannedPhase {
        name: phase.name.clone(),
        outage: phase.outage_accepted,
        max_failures: phase.max_failures.of(hosts.len() + missing.len()),
        missing,
        batches: batches(&names, phase.max_parallel),
        gate: phase
            .gate
            .as_ref()
            .filter(|_| !all_skipped(&steps))
            .map(|gate| plan_gate(input, index, gate, &hosts, &steps)),
        steps,
    })
}

/// A phase in which nothing is done has nothing to prove; one without any steps is there for its gate.
fn all_skipped(steps: &[PlannedStep]) -> bool {
    !steps.is_empty() && steps.iter().all(|s| s.planned.skip.is_some())
}

fn plan_step(
    input: &PlanInput<'_>,
    phase: &Phase,
    host: &Host,
    (number, operation): (usize, &Operation),
    context: RunContext<'_>,
) -> Result<PlannedStep, OperationError> {
    let planned = crate::operations::plan(operation, host, input.facts_of(host), context)?;
    let id = format!("{}/{}/{}-{}", phase.name, host.name, number + 1, operation.name());
    Ok(PlannedStep {
        id,
        host: host.name.clone(),
        operation: operation.name().to_owned(),
        planned,
    })
}

impl<'a> PlanInput<'a> {
    /// Hosts of this run, reachable or not.
    pub(super) fn members(&self) -> impl Iterator<Item = &'a Host> + use<'a> {
        let limit = self.limit;
        self.inventory.hosts.iter().filter(move |h| limit.matches(h))
    }

    /// Hosts of this run that answered.
    pub(super) fn reachable(&self) -> impl Iterator<Item = &'a Host> + use<'a> {
        let facts = self.facts;
        self.members()
            .filter(move |h| facts.get(&h.name).is_some_and(|f| f.unreachable.is_none()))
    }

    /// Hosts of a phase that did not answer, and why.
    pub(super) fn missing(&self, phase: &Phase) -> BTreeMap<HostName, String> {
        let silent = |h: &Host| self.facts.get(&h.name).and_then(|f| f.unreachable.clone());
        let members = self.members().filter(|h| phase.hosts.matches(h));
        members.filter_map(|h| Some((h.name.clone(), silent(h)?))).collect()
    }

    /// The facts of a host that answered. (`reachable` gives no others.)
    pub(super) fn facts_of(&self, host: &Host) -> &'a HostFacts {
        static NOTHING: std::sync::LazyLock<HostFacts> =
            std::sync::LazyLock::new(|| HostFacts::unknown(HostName::new("")));
        self.facts.get(&host.name).unwrap_or(&NOTHING)
    }

    /// The host that does what is done once per cluster: the first master that answers.
    pub(super) fn speaker(&self) -> Option<&'a Host> {
        let facts = self.facts;
        let masters = self.inventory.masters();
        masters
            .into_iter()
            .find(move |h| facts.get(&h.name).is_some_and(|f| f.unreachable.is_none()))
    }

    fn planned_host(&self, host: &Host) -> PlannedHost {
        let machine_id = self.facts.get(&host.name).and_then(|f| f.machine_id.clone());
        PlannedHost {
            name: host.name.clone(),
            role: host.role,
            address: host.address.clone(),
            machine_id,
        }
    }

    pub(super) fn context(&self, phase: usize, step: usize, host: &Host) -> RunContext<'a> {
        let stops_runtime =
            |p: &Phase, before: usize| p.hosts.matches(host) && p.steps.iter().take(before).any(stops_the_runtime);
        let all = &self.playbook.phases;
        // Stopping docker ends its containers whenever it happens: also in a later phase than the recycling.
        let anywhere = all.iter().any(|p| stops_runtime(p, usize::MAX)) || stops_runtime(&all[phase], step);
        RunContext {
            now: self.now,
            runtime_will_stop: anywhere,
            speaks_for_cluster: self.speaker().is_some_and(|s| s.name == host.name),
            fleet: Fleet {
                hosts: &self.inventory.hosts,
                facts: self.facts,
            },
        }
    }
}

/// A step that stops the container runtime, by our word or by its unit's own name.
pub(super) fn stops_the_runtime(operation: &Operation) -> bool {
    let named = |unit: &str| {
        [RuntimeKind::Docker, RuntimeKind::Containerd, RuntimeKind::CriO]
            .map(RuntimeKind::service)
            .contains(&unit_name(unit).as_str())
    };
    matches!(operation, Operation::Service { unit, state: ServiceState::Stopped } if unit == "runtime" || named(unit))
}
