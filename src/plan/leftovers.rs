//! What earlier runs have left on nodes: cordons, undone once the node is proven, and marks on nodes that somebody has opened
//! (docs/adr/0013).

use std::collections::BTreeMap;

use crate::model::{Host, HostName, NodeObject, Role};
use crate::operations::drain::{uncordon, unmark};
use crate::probes::cordon::{by_hand, unmark_by_hand};

use super::drain::{UNCORDONED, last, proofs, speaker};
use super::planner::{Draft, PlanInput};
use super::types::{Note, PlannedStep};

/// The operation, as ids and reports name it.
const UNMARKED: &str = "unmark";

/// Adds the steps; `drained` are hosts that this run drains itself. The notes say what is left as it is.
pub(super) fn add(input: &PlanInput<'_>, drafts: &mut [Draft<'_>], drained: &BTreeMap<HostName, usize>) -> Vec<Note> {
    let Some(speaker) = speaker(input) else {
        return Vec::new();
    };
    let mut notes = Vec::new();
    for host in input.reachable().filter(|h| !drained.contains_key(&h.name)) {
        let Some(mark) = mark_on(input, host) else { continue };
        notes.extend(if mark.node.cordoned {
            let_back(input, drafts, (host, &mark), speaker)
        } else {
            clear(input, drafts, (host, &mark), speaker)
        });
    }
    notes
}

/// A step that touches nothing of its host: it makes nothing of a phase busy, and needs no proof.
pub(super) fn is_idle(step: &PlannedStep) -> bool {
    step.planned.skip.is_some() || step.operation == UNMARKED
}

/// The mark of a run on the node of a worker.
struct Mark<'a> {
    node: &'a NodeObject,
    run: &'a str,
}

fn mark_on<'a>(input: &PlanInput<'a>, host: &Host) -> Option<Mark<'a>> {
    let node = input.facts_of(host).live.as_ref()?.object.as_ref()?;
    let run = node.cordoned_by.as_deref()?;
    (host.role == Role::Worker).then_some(Mark { node, run })
}

/// The run that cordoned the node of a worker and left it so.
pub(super) fn left_cordoned<'a>(input: &PlanInput<'a>, host: &Host) -> Option<&'a str> {
    let mark = mark_on(input, host)?;
    mark.node.cordoned.then_some(mark.run)
}

fn let_back(
    input: &PlanInput<'_>,
    drafts: &mut [Draft<'_>],
    (host, mark): (&Host, &Mark<'_>),
    speaker: &Host,
) -> Option<Note> {
    let (node, run) = (&mark.node.name, mark.run);
    let Some(back) = proofs(input, drafts, 0, host).last().copied() else {
        let remedy = format!(
            "`certfleet renew` lets it back once it is proven; or by hand: {}.",
            by_hand(node)
        );
        let message = format!("node {node} was cordoned by run {run} and is left so");
        return Some(Note::warning("left-cordoned", Some(&host.name), message, remedy));
    };
    let planned = uncordon(node, speaker).with_forecast(Some(format!("run {run} left it cordoned")));
    last(&mut drafts[back], input, (host, UNCORDONED), planned);
    None
}

/// Somebody has uncordoned the node; with the mark that is left, the next cordon of a person would look like ours.
fn clear(
    input: &PlanInput<'_>,
    drafts: &mut [Draft<'_>],
    (host, mark): (&Host, &Mark<'_>),
    speaker: &Host,
) -> Option<Note> {
    let (node, run) = (&mark.node.name, mark.run);
    let has_steps = |d: &Draft<'_>| d.steps.iter().any(|s| s.host == host.name);
    let Some(at) = drafts.iter().rposition(has_steps) else {
        let remedy = format!("`certfleet renew` takes it away; or by hand: {}.", unmark_by_hand(node));
        let message = format!(
            "node {node} takes pods, and has still the mark of run {run}: a cordon would look like certfleet's"
        );
        return Some(Note::warning("left-marked", Some(&host.name), message, remedy));
    };
    let planned =
        unmark(node, speaker).with_forecast(Some(format!("somebody has uncordoned what run {run} had closed")));
    last(&mut drafts[at], input, (host, UNMARKED), planned);
    None
}
