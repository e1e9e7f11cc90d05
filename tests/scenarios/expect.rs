//! What a scenario says must be seen, against what was seen.

use certfleet::event::{EventKind, HostState};
use certfleet::model::Outcome;
use certfleet::plan::Plan;

use crate::harness::{Story, Told};
use crate::script::Script;

/// One sentence for each expectation that does not hold. `told`: `None` when the plan was refused.
/// `again`: the same run once more.
pub(crate) fn check(
    script: &Script,
    story: &Story,
    (plan, told): (&Plan, Option<&Told>),
    again: Option<&Told>,
) -> Vec<String> {
    let view = View {
        story,
        plan,
        told,
        again,
    };
    let mut wrong: Vec<String> = Vec::new();
    for (line, word, value) in &script.expectations {
        if let Err(seen) = view.holds(word, value) {
            wrong.push(format!("line {line}: `{word}: {value}`: {seen}"));
        }
    }
    if !story.lab.alarms().is_empty() {
        wrong.push(format!("secrets crossed the wire: {:?}", story.lab.alarms()));
    }
    if let (false, Some(told)) = (wrong.is_empty(), told) {
        wrong.push(format!("what happened:\n{}", told.text()));
    }
    wrong
}

struct View<'a> {
    story: &'a Story,
    plan: &'a Plan,
    told: Option<&'a Told>,
    again: Option<&'a Told>,
}

impl View<'_> {
    fn holds(&self, word: &str, value: &str) -> Result<(), String> {
        match word.split_once(' ').unwrap_or((word, "")) {
            ("end", _) => same(&end(self.told), value),
            ("again", _) => match self
                .again
                .map(|t| t.plan.work().map(|s| s.id.as_str()).collect::<Vec<_>>())
            {
                Some(work) if value == "nothing-to-do" && !work.is_empty() => Err(format!("it planned {work:?}")),
                _ => same(&end(self.again), value),
            },
            ("chosen", _) => {
                let choice = self.plan.choice.as_ref();
                same(&choice.map(|c| c.strategy.to_string()).unwrap_or_default(), value)
            }
            ("skipped", _) => some(&self.skipped(), value),
            ("planned", _) => some(&self.planned(), value),
            ("note", _) => some(&self.notes(), value),
            ("never-note", _) => none(&self.notes(), value),
            ("phase", name) => same(&self.phase(name), value),
            ("host", name) => same(&self.host(name), value),
            ("step", id) => same(&self.step(id), value),
            ("saw", _) => some(&self.events(), value),
            ("never", _) => none(&self.events(), value),
            ("ran", _) => some(&self.history(), value),
            ("never-ran", _) => none(&self.history(), value),
            ("order", _) => self.order(value),
            ("healthy", _) => {
                let found = self.story.lab.status().healthy();
                let word = if found.is_ok() { "yes" } else { "no" };
                same(word, value).map_err(|e| format!("{e}: {found:?}"))
            }
            _ => Err("there is no such word".to_owned()),
        }
    }

    /// `STEP: REASON` of every step of the plan that is skipped.
    fn skipped(&self) -> Vec<String> {
        let steps = self.plan.phases.iter().flat_map(|p| &p.steps);
        steps
            .filter_map(|s| Some(format!("{}: {}", s.id, s.planned.skip.as_ref()?.0)))
            .collect()
    }

    /// `STEP: FORECAST` of every step of the plan that has one.
    fn planned(&self) -> Vec<String> {
        let line = |s: &certfleet::plan::PlannedStep| Some(format!("{}: {}", s.id, s.planned.forecast.as_ref()?));
        self.plan.work().filter_map(line).collect()
    }

    /// `error CODE HOST: MESSAGE. REMEDY` of the plan.
    fn notes(&self) -> Vec<String> {
        let line = |n: &certfleet::plan::Note| {
            let host = n.host.as_ref().map(ToString::to_string).unwrap_or_default();
            format!("{:?} {} {host}: {}. {}", n.severity, n.code, n.message, n.remedy).to_lowercase()
        };
        self.plan.notes.iter().map(line).collect()
    }

    fn phase(&self, name: &str) -> String {
        let planned = self.plan.phases.iter().find(|p| p.name == name);
        let state = self.told.map(Told::state).unwrap_or_default();
        let (Some(planned), Some(phase)) = (planned, state.phases.iter().find(|p| p.name == name)) else {
            return "absent".to_owned();
        };
        let events = self.told.map(|t| t.events.as_slice()).unwrap_or_default();
        let passed = |k: &EventKind| matches!(k, EventKind::GatePassed { phase, .. } if phase == name);
        let all_skipped = !planned.steps.is_empty() && planned.steps.iter().all(|s| s.planned.skip.is_some());
        match phase.elapsed {
            _ if !phase.gate_reasons.is_empty() => "failed",
            None => "unfinished",
            Some(_) if events.iter().any(|e| passed(&e.kind)) => "proven",
            Some(_) if all_skipped => "skipped",
            Some(_) => "done",
        }
        .to_owned()
    }

    fn host(&self, name: &str) -> String {
        let Some(told) = self.told else {
            return "untouched".to_owned();
        };
        if told.excluded().contains_key(name) {
            return "excluded".to_owned();
        }
        let state = told.state();
        let last = state.phases.iter().rev().find_map(|p| p.hosts.get(&name.into()));
        match last {
            None => "untouched",
            Some(HostState::Failed) => "failed",
            Some(HostState::Unknown) => "unknown",
            Some(_) => "well",
        }
        .to_owned()
    }

    fn step(&self, id: &str) -> String {
        let outcome = self.told.and_then(|t| t.outcome(id));
        match outcome {
            None => "absent",
            Some(Outcome::Changed { .. }) => "changed",
            Some(Outcome::Unchanged { .. }) => "unchanged",
            Some(Outcome::Skipped { .. }) => "skipped",
            Some(Outcome::Failed { .. }) => "failed",
            Some(Outcome::Unknown { .. }) => "unknown",
        }
        .to_owned()
    }

    fn events(&self) -> Vec<String> {
        let events = self.told.map(|t| t.events.as_slice()).unwrap_or_default();
        events.iter().map(certfleet::report::event_line).collect()
    }

    /// `HOST COMMAND` of every change, in order.
    fn history(&self) -> Vec<String> {
        let all = self.story.lab.full_history();
        all.iter().map(|i| format!("{} {}", i.host, i.command)).collect()
    }

    /// `A before B`: the last A is over before the first B begins, and both happened.
    fn order(&self, value: &str) -> Result<(), String> {
        let (first, second) = value.split_once(" before ").ok_or("it needs `A before B`")?;
        let history = self.history();
        let a = history.iter().rposition(|l| l.contains(first.trim()));
        let b = history.iter().position(|l| l.contains(second.trim()));
        match (a, b) {
            (Some(a), Some(b)) if a < b => Ok(()),
            _ => Err(format!("at {a:?} and {b:?} of\n{}", history.join("\n"))),
        }
    }
}

fn end(told: Option<&Told>) -> String {
    let word = |t: &Told| serde_json::to_string(&t.end).unwrap_or_default();
    told.map_or("refused".to_owned(), |t| word(t).trim_matches('"').to_owned())
}

fn same(found: &str, wanted: &str) -> Result<(), String> {
    if found == wanted {
        Ok(())
    } else {
        Err(format!("it was `{found}`"))
    }
}

fn some(lines: &[String], wanted: &str) -> Result<(), String> {
    let seen = lines.iter().any(|l| l.contains(wanted));
    seen.then_some(())
        .ok_or_else(|| format!("not among {} lines", lines.len()))
}

fn none(lines: &[String], unwanted: &str) -> Result<(), String> {
    lines
        .iter()
        .find(|l| l.contains(unwanted))
        .map_or(Ok(()), |l| Err(l.clone()))
}
