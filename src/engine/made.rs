//! What a run has already made: which steps need not be done again, and which hosts still need a phase.

use std::collections::{BTreeMap, BTreeSet};

use crate::event::{HostState, RunState, StepStatus};
use crate::model::{HostName, Outcome};
use crate::plan::{NodeState, Plan, PlannedPhase, PlannedStep, Postcondition};

use super::step::NOTHING_SENT;

/// The part of a run that lies behind it. Empty for a new run.
#[derive(Debug, Clone, Default)]
pub struct Made {
    steps: BTreeMap<String, Outcome>,
    /// Begun, and not known to be done: what they are about is in between.
    begun: BTreeSet<String>,
    /// Of which something may have reached the host.
    touched: BTreeSet<String>,
    /// Phase and host.
    proven: BTreeSet<(String, HostName)>,
}

impl Made {
    /// What the events tell.
    pub fn of(state: &RunState) -> Self {
        let steps = state.steps.iter().filter_map(|(id, record)| match &record.status {
            StepStatus::Finished(outcome) if outcome.is_good() => Some((id.clone(), outcome.clone())),
            _ => None,
        });
        let proven = state.phases.iter().flat_map(|p| {
            let hosts = p.hosts.iter().filter(|(_, s)| **s == HostState::Proven);
            hosts.map(|(h, _)| (p.name.clone(), h.clone()))
        });
        let touched = state.steps.iter().filter(|(_, r)| !left_the_host_alone(&r.status));
        let touched = touched.map(|(id, _)| id.clone()).collect();
        let steps: BTreeMap<String, Outcome> = steps.collect();
        let begun = state.steps.keys().filter(|id| !steps.contains_key(*id)).cloned();
        Self {
            begun: begun.collect(),
            touched,
            steps,
            proven: proven.collect(),
        }
    }

    /// The outcome of a step that need not be done again.
    pub fn outcome(&self, step: &str) -> Option<&Outcome> {
        self.steps.get(step)
    }

    /// A step that no longer holds, and with it the proof of its phase.
    pub fn forget(&mut self, phase: &str, step: &PlannedStep) {
        self.steps.remove(&step.id);
        self.proven.remove(&(phase.to_owned(), step.host.clone()));
    }

    /// Whether the host has nothing left to do and to prove in the phase.
    pub fn is_behind(&self, phase: &PlannedPhase, host: &HostName) -> bool {
        let done = phase.steps_of(host).all(|s| self.steps.contains_key(&s.id));
        let asked = phase
            .gate
            .as_ref()
            .is_some_and(|g| g.probes.iter().any(|p| p.host == *host));
        let some = phase.steps_of(host).next().is_some() || asked;
        done && some && (!asked || self.proven.contains(&(phase.name.clone(), host.clone())))
    }

    /// The last word of this run on each thing that it changed: a stopped kubelet that was started again later is not
    /// expected to be stopped, and a node that was drained is, until something else was begun on its host.
    pub fn last_words<'a>(&self, plan: &'a Plan) -> Vec<(&'a str, &'a PlannedStep)> {
        let mut last: BTreeMap<(HostName, String), (&str, &PlannedStep)> = BTreeMap::new();
        for phase in &plan.phases {
            for step in &phase.steps {
                if self.touched.contains(&step.id) {
                    last.remove(&(step.host.clone(), EMPTY.to_owned()));
                }
                let Some(thing) = subject(step) else { continue };
                let key = (step.host.clone(), thing);
                if self.changed_or_seen(&step.id) {
                    last.insert(key, (phase.name.as_str(), step));
                } else if self.begun.contains(&step.id) {
                    last.remove(&key);
                }
            }
        }
        last.into_values().collect()
    }

    fn changed_or_seen(&self, step: &str) -> bool {
        matches!(
            self.steps.get(step),
            Some(Outcome::Changed { .. } | Outcome::Unchanged { .. })
        )
    }
}

/// Nothing of the step has reached its host.
fn left_the_host_alone(status: &StepStatus) -> bool {
    match status {
        StepStatus::Finished(Outcome::Skipped { .. }) => true,
        StepStatus::Finished(Outcome::Failed { state, .. }) => state == NOTHING_SENT,
        _ => false,
    }
}

const EMPTY: &str = "an empty node";

/// What a step is about, where that can be looked at later.
fn subject(step: &PlannedStep) -> Option<String> {
    match &step.planned.postcondition {
        Postcondition::UnitState { unit, .. } => Some(unit.clone()),
        Postcondition::UnitsStopped { units } => units.last().cloned(),
        Postcondition::CertificatesRenewed { before } => {
            let names: Vec<&str> = before.iter().map(|b| b.name.as_str()).collect();
            Some(names.join(" "))
        }
        Postcondition::KubeletCertificates { .. } => Some("the kubelet's certificates".to_owned()),
        Postcondition::Node {
            aim: NodeState::Drained,
            ..
        } => Some(EMPTY.to_owned()),
        _ => None,
    }
}
