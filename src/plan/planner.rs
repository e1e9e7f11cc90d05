//! From inventory, playbook, facts and time to a plan.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::host_words::unit_name;
use crate::model::playbook::{Operation, Phase, ServiceState};
use crate::model::{Host, HostFacts, HostName, Inventory, Playbook, RuntimeKind, Selector};
use crate::operations::types::{Fleet, OperationError, RunContext};

use super::batch::batches;
use super::drain;
use super::forecast::forecast_outage;
use super::gates::{Place, plan_gate};
use super::in_turn;
use super::leftovers::is_idle;
use super::lint;
use super::lint::order_rules::quorum_to_keep;
use super::lint::strategy_rules::rolling_cannot_work;
use super::needed;
use super::strategy::Choice;
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
    let mut drafts: Vec<Draft<'_>> = (0..input.playbook.phases.len())
        .filter_map(|index| draft_phase(input, index, &mut notes))
        .collect();
    needed::spare(input, &mut drafts);
    notes.extend(drain::add(input, &mut drafts));
    let spared = spared(input, &drafts);
    let phases = drafts
        .into_iter()
        .map(|draft| finish_phase(input, draft, &spared))
        .collect();
    let mut plan = Plan {
        format: PLAN_FORMAT,
        cluster: input.inventory.cluster.clone(),
        playbook: input.playbook.name.clone(),
        created: input.now,
        hosts: input.members().map(|h| input.planned_host(h)).collect(),
        choice: None,
        asked_with: None,
        outage: None,
        phases,
        notes,
    };
    plan.outage = forecast_outage(input, &plan);
    plan.notes.extend(in_turn::notes(input));
    plan.notes.extend(lint::lint(input, &plan));
    plan.notes.sort();
    plan.notes.dedup();
    plan
}

/// As [`plan`], for a strategy: the choice is part of the plan, and of its hash.
pub fn plan_chosen(input: &PlanInput<'_>, choice: Choice) -> Plan {
    let mut plan = plan(input);
    plan.notes.extend(rolling_cannot_work(&choice));
    plan.notes.sort();
    plan.choice = Some(choice.told(&plan));
    plan
}

/// A phase whose steps are planned, before it is known which of them are needed.
pub(super) struct Draft<'a> {
    /// Of the phase in the playbook.
    pub(super) index: usize,
    pub(super) hosts: Vec<&'a Host>,
    pub(super) steps: Vec<PlannedStep>,
}

impl Draft<'_> {
    /// The host has something to do in it.
    pub(super) fn is_busy(&self, host: &Host) -> bool {
        self.steps.iter().any(|s| s.host == host.name && !is_idle(s))
    }
}

fn draft_phase<'a>(input: &PlanInput<'a>, index: usize, notes: &mut Vec<Note>) -> Option<Draft<'a>> {
    let phase = &input.playbook.phases[index];
    let hosts: Vec<&'a Host> = input.reachable().filter(|h| phase.hosts.matches(h)).collect();
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
    let mut steps = Vec::new();
    for host in &hosts {
        let facts = input.facts_of(host);
        let steps_here = phase.steps.iter().enumerate();
        for (number, operation) in steps_here.filter(|(_, op)| crate::operations::concerns(op, host, facts)) {
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
    Some(Draft { index, hosts, steps })
}

/// Hosts that do nothing in a phase `when: needed`.
fn spared(input: &PlanInput<'_>, drafts: &[Draft<'_>]) -> BTreeSet<(usize, HostName)> {
    let sparing = |d: &&Draft<'_>| input.playbook.phases[d.index].only_needed && !d.steps.is_empty();
    let idle = |d: &Draft<'_>| -> Vec<(usize, HostName)> {
        let hosts = d.hosts.iter().filter(|h| !d.is_busy(h));
        hosts.map(|h| (d.index, h.name.clone())).collect()
    };
    drafts.iter().filter(sparing).flat_map(idle).collect()
}

/// Batches and gate. Hosts that need nothing in a phase `when: needed` come last and have nothing to prove.
fn finish_phase(input: &PlanInput<'_>, draft: Draft<'_>, spared: &BTreeSet<(usize, HostName)>) -> PlannedPhase {
    let phase = &input.playbook.phases[draft.index];
    let is_spared = |h: &&&Host| spared.contains(&(draft.index, h.name.clone()));
    let (idle, busy): (Vec<&Host>, Vec<&Host>) = draft.hosts.iter().partition(is_spared);
    let place = Place {
        phase: draft.index,
        spared,
    };
    let missing = input.missing(phase);
    let names = |hosts: &[&Host]| -> Vec<HostName> { hosts.iter().map(|h| h.name.clone()).collect() };
    let pace = in_turn::pace(input, phase);
    let mut cut = batches(&names(&busy), &phase.waves, pace.most);
    cut.extend(Some(names(&idle)).filter(|i| !i.is_empty()));
    PlannedPhase {
        name: phase.name.clone(),
        outage: pace.outage,
        max_failures: phase.max_failures.of(draft.hosts.len() + missing.len()),
        missing,
        quorum: quorum_to_keep(input, phase),
        batches: cut,
        gate: phase
            .gate
            .as_ref()
            .filter(|_| !all_idle(&draft.steps))
            .map(|gate| plan_gate(input, place, gate, &busy, &draft.steps))
            .map(|gate| drain::proven(gate, &draft.steps)),
        steps: draft.steps,
    }
}

/// A phase in which nothing is done has nothing to prove; one without any steps is there for its gate.
fn all_idle(steps: &[PlannedStep]) -> bool {
    !steps.is_empty() && steps.iter().all(is_idle)
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
        after_gate: false,
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

    /// The host that does what is done once per cluster: the first master that answers, of those that take part if any does.
    pub(super) fn speaker(&self) -> Option<&'a Host> {
        let (facts, limit) = (self.facts, self.limit);
        let answers = |h: &&Host| facts.get(&h.name).is_some_and(|f| f.unreachable.is_none());
        let mut masters = self.inventory.masters().filter(answers);
        let first = masters.next()?;
        let taking_part = [first].into_iter().chain(masters).find(|h| limit.matches(h));
        taking_part.or(Some(first))
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
            outage_accepted: all[phase].outage_accepted,
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
