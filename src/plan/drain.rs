//! Draining: which workers are emptied before their units stop, and after which gate each is let back (docs/adr/0013).

use std::collections::{BTreeMap, BTreeSet};

use crate::model::gate::{ProbeSpec, UnitState};
use crate::model::playbook::{DrainSettings, Phase};
use crate::model::{Health, Host, HostName, NodeObject, Role};
use crate::operations::drain::{DRAIN, drain, uncordon};
use crate::operations::types::{Planned, Postcondition};

use super::leftovers;
use super::planner::{Draft, PlanInput};
use super::types::{Baseline, Note, PlannedGate, PlannedProbe, PlannedStep};

/// The operations, as ids and reports name them.
const DRAINED: &str = "drain";
pub(super) const UNCORDONED: &str = "uncordon";

/// Adds the steps of phases with `drain:`, and undoes what an earlier run has left. The notes say what cannot work.
pub(super) fn add(input: &PlanInput<'_>, drafts: &mut [Draft<'_>]) -> Vec<Note> {
    let mut course = Course {
        input,
        drained: BTreeMap::new(),
        notes: Vec::new(),
    };
    for at in 0..drafts.len() {
        if let Some(settings) = &input.playbook.phases[drafts[at].index].drain {
            course.phase(drafts, at, settings);
        }
    }
    let mut notes = course.notes;
    notes.extend(leftovers::add(input, drafts, &course.drained));
    notes
}

/// A node is let back when it is Ready: asked of each host that is, whatever else its gate asks.
pub(super) fn proven(mut gate: PlannedGate, steps: &[PlannedStep]) -> PlannedGate {
    let let_back = |s: &&PlannedStep| s.operation == UNCORDONED && s.planned.skip.is_none();
    for step in steps.iter().filter(let_back) {
        let asked = |p: &PlannedProbe| p.host == step.host && p.probe == ProbeSpec::Nodes;
        if !gate.probes.iter().any(asked) {
            gate.probes.push(PlannedProbe {
                host: step.host.clone(),
                probe: ProbeSpec::Nodes,
                baseline: Baseline::None,
            });
        }
    }
    gate
}

struct Course<'a> {
    input: &'a PlanInput<'a>,
    /// By host: the position of the phase after whose gate it is let back.
    drained: BTreeMap<HostName, usize>,
    notes: Vec<Note>,
}

impl<'a> Course<'a> {
    fn phase(&mut self, drafts: &mut [Draft<'_>], at: usize, settings: &DrainSettings) {
        let workers: Vec<&Host> = drafts[at]
            .hosts
            .iter()
            .copied()
            .filter(|h| h.role == Role::Worker)
            .collect();
        let away = api_away(self.input, drafts, at);
        for host in workers {
            let planned = match self.way(drafts, (at, host), away.as_deref()) {
                Ok(way) => {
                    self.let_back(drafts, &way, host);
                    drain(&way.node.name, way.speaker, settings).with_forecast(foretold(way.node))
                }
                Err(why) => Planned::skipped(DRAIN, why),
            };
            first(&mut drafts[at], self.input, host, planned);
        }
    }

    /// How the node can be drained here, else why it is not.
    fn way(&mut self, drafts: &[Draft<'_>], (at, host): (usize, &Host), away: Option<&str>) -> Result<Way<'a>, String> {
        if !drafts[at].steps.iter().any(|s| s.host == host.name && stops(s)) {
            return Err("nothing is stopped on this host".to_owned());
        }
        if self.drained.get(&host.name).is_some_and(|until| *until >= at) {
            return Err("an earlier phase has drained it".to_owned());
        }
        if let Some(phase) = away {
            return Err(format!("the API is away from `{phase}` on: nobody could evict a pod"));
        }
        let speaker = speaker(self.input).ok_or("the API is not known to answer: nobody could evict a pod")?;
        let live = self.input.facts_of(host).live.as_ref();
        let node = live.and_then(|l| l.object.as_ref());
        let node = node.ok_or("the API knows no node of this host")?;
        if !live.and_then(|l| l.node.as_ref()).is_some_and(Health::is_well) {
            return Err("its node is not Ready: nobody there would end a pod that is evicted".to_owned());
        }
        let back = proofs(self.input, drafts, at, host).first().copied();
        let back = back.ok_or_else(|| self.never_proven(drafts, at, host))?;
        Ok(Way { node, speaker, back })
    }

    fn never_proven(&mut self, drafts: &[Draft<'_>], at: usize, host: &Host) -> String {
        let phase = &self.input.playbook.phases[drafts[at].index].name;
        let message = format!("phase `{phase}` drains workers that no later gate proves: they would stay cordoned");
        let remedy = "Start again what the phase stops, in it or in a later one, with a gate.";
        if !self.notes.iter().any(|n| n.message == message) {
            self.notes
                .push(Note::error("drain-without-proof", None, message, remedy));
        }
        format!("no gate proves {} afterwards", host.name)
    }

    fn let_back(&mut self, drafts: &mut [Draft<'_>], way: &Way<'_>, host: &Host) {
        self.drained.insert(host.name.clone(), way.back);
        let planned = uncordon(&way.node.name, way.speaker);
        last(&mut drafts[way.back], self.input, (host, UNCORDONED), planned);
    }
}

/// The first master whose API server is ready.
pub(super) fn speaker<'a>(input: &PlanInput<'a>) -> Option<&'a Host> {
    let well = |h: &&Host| {
        let live = input.facts_of(h).live.as_ref();
        live.and_then(|l| l.api.as_ref()).is_some_and(Health::is_well)
    };
    let masters = input.inventory.masters();
    masters.into_iter().find(well)
}

struct Way<'a> {
    node: &'a NodeObject,
    speaker: &'a Host,
    /// The position of the phase after whose gate it is let back.
    back: usize,
}

fn foretold(node: &NodeObject) -> Option<String> {
    match (&node.cordoned_by, node.cordoned) {
        (Some(run), true) => Some(format!("run {run} left it cordoned; it is let back")),
        (None, true) => Some("it is cordoned already, not by certfleet: it stays so".to_owned()),
        (_, false) => None,
    }
}

/// Something that pods need may stop.
fn stops(step: &PlannedStep) -> bool {
    let may = matches!(step.planned.postcondition, Postcondition::UnitsStopped { .. }) || step.operation == "run";
    may && step.planned.skip.is_none()
}

/// The phase, up to this one, that takes the control plane away and whose gate has not brought it back before this one.
fn api_away(input: &PlanInput<'_>, drafts: &[Draft<'_>], at: usize) -> Option<String> {
    let mut away = None;
    for (position, draft) in drafts.iter().enumerate().take(at + 1) {
        let phase = &input.playbook.phases[draft.index];
        let master = |s: &PlannedStep| input.inventory.host(&s.host).is_some_and(|h| h.role != Role::Worker);
        let takes = |s: &PlannedStep| master(s) && (stops(s) || s.operation == "recycle-static-pods");
        let skipped = |s: &PlannedStep| s.planned.skip.is_some();
        if phase.outage_accepted && draft.steps.iter().any(|s| takes(s) && !skipped(s)) {
            away.get_or_insert_with(|| phase.name.clone());
        }
        // The gate comes after the steps: also of the phase that takes it away.
        if position < at && proves_the_api(phase, draft) {
            away = None;
        }
    }
    away
}

/// Its gate asks an API server.
fn proves_the_api(phase: &Phase, draft: &Draft<'_>) -> bool {
    let gate = phase.gate.as_ref();
    gate.is_some_and(|g| g.probes.contains(&ProbeSpec::ApiServer))
        && draft.hosts.iter().any(|h| h.role == Role::ControlPlane)
}

/// The phases from this one on with a gate for the host, after which no unit of it is stopped any more.
pub(super) fn proofs(input: &PlanInput<'_>, drafts: &[Draft<'_>], from: usize, host: &Host) -> Vec<usize> {
    let mut down: BTreeSet<&str> = BTreeSet::new();
    let mut found = Vec::new();
    for (position, draft) in drafts.iter().enumerate().skip(from) {
        let mine = draft.steps.iter();
        for step in mine.filter(|s| s.host == host.name && s.planned.skip.is_none()) {
            match &step.planned.postcondition {
                Postcondition::UnitsStopped { units } => down.extend(units.last().map(String::as_str)),
                Postcondition::UnitState {
                    unit,
                    state: UnitState::Active,
                } => {
                    down.remove(unit.as_str());
                }
                _ => {}
            }
        }
        let gated = input.playbook.phases[draft.index].gate.is_some();
        if down.is_empty() && gated && draft.is_busy(host) {
            found.push(position);
        }
    }
    found
}

/// Before everything that the host does in the phase.
fn first(draft: &mut Draft<'_>, input: &PlanInput<'_>, host: &Host, planned: Planned) {
    let at = draft
        .steps
        .iter()
        .position(|s| s.host == host.name)
        .unwrap_or(draft.steps.len());
    let step = step(draft, input, (host, 0, DRAINED), planned);
    draft.steps.insert(at, step);
}

/// After its gate.
pub(super) fn last(draft: &mut Draft<'_>, input: &PlanInput<'_>, (host, operation): (&Host, &str), planned: Planned) {
    let at = draft
        .steps
        .iter()
        .rposition(|s| s.host == host.name)
        .map_or(draft.steps.len(), |i| i + 1);
    let number = input.playbook.phases[draft.index].steps.len() + 1;
    let mut step = step(draft, input, (host, number, operation), planned);
    step.after_gate = true;
    draft.steps.insert(at, step);
}

fn step(
    draft: &Draft<'_>,
    input: &PlanInput<'_>,
    (host, number, operation): (&Host, usize, &str),
    planned: Planned,
) -> PlannedStep {
    let phase = &input.playbook.phases[draft.index].name;
    PlannedStep {
        id: format!("{phase}/{}/{number}-{operation}", host.name),
        host: host.name.clone(),
        operation: operation.to_owned(),
        after_gate: false,
        planned,
    }
}
