//! What must hold whatever goes wrong.

use std::collections::{BTreeMap, BTreeSet};

use certfleet::event::{Event, EventKind, RunState};
use certfleet::model::exit::RunEnd;
use certfleet::model::{HostName, Outcome};

use crate::case::Case;
use crate::world::{Part, World};

type Verdict = Result<(), String>;

/// An end that is not good names hosts and says what to do.
pub(crate) fn honest(part: Part, events: &[Event]) -> Verdict {
    let Part::Ended(end) = part else { return Ok(()) };
    let state = RunState::fold(events);
    let named = !state.failed_hosts().is_empty() || state.unsettled().next().is_some();
    match end {
        RunEnd::Succeeded | RunEnd::NothingToDo => Ok(()),
        _ if state.next.is_empty() => Err(format!("it ended as {end:?} without a word on what to do")),
        RunEnd::Stuck if state.unsettled().next().is_none() => Err("stuck, and no step is named".to_owned()),
        _ if !named => Err(format!("it ended as {end:?} and names no host")),
        _ => Ok(()),
    }
}

/// The end state is that of a run without trouble.
pub(crate) fn as_if_nothing_had_been(world: &World, events: &[Event]) -> Verdict {
    world.lab.status().healthy()?;
    if !world.lab.alarms().is_empty() {
        return Err(format!("a key crossed the wire: {:?}", world.lab.alarms()));
    }
    if let Some(wrong) = world.wrong.first() {
        return Err(wrong.clone());
    }
    no_change_twice(world.case, events)?;
    renewed_once(world)?;
    crate::rotated::every_server(world)?;
    workers_after_masters(world, events)
}

/// A step that changed something is not done again, unless its host was restarted or its clock bent.
fn no_change_twice(case: Case, events: &[Event]) -> Verdict {
    let mut changed = BTreeSet::new();
    for event in events {
        match &event.kind {
            EventKind::StepStarted { step, host, .. } if changed.contains(step) => {
                let excused = (case.reboots() || case.bends_the_clock()) && host.as_str() == case.host;
                if !excused {
                    return Err(format!("{step} was begun again after it had changed the host"));
                }
            }
            EventKind::StepFinished {
                step,
                outcome: Outcome::Changed { .. },
                ..
            } => {
                changed.insert(step.clone());
            }
            _ => {}
        }
    }
    Ok(())
}

/// What the hosts themselves saw: each certificate signed once, each backup made once.
fn renewed_once(world: &World) -> Verdict {
    if world.case.bends_the_clock() {
        return Ok(());
    }
    let mut seen: BTreeMap<(HostName, String), usize> = BTreeMap::new();
    for item in world.lab.full_history() {
        let changes = ["renew", "certfleet:backup", "etcd-certificates install"];
        if changes.iter().any(|c| item.command.contains(c)) {
            *seen.entry((item.host, item.command)).or_default() += 1;
        }
    }
    // A power cut can hit a kubeadm whose file is written and whose word was lost: it is signed again, once.
    let allowed = |host: &HostName| 1 + usize::from(world.case.reboots() && host.as_str() == world.case.host);
    match seen.iter().find(|((host, _), times)| **times > allowed(host)) {
        Some(((host, command), times)) => Err(format!("{host} ran `{command}` {times} times")),
        None => Ok(()),
    }
}

/// No worker is started before every master has passed its gate.
fn workers_after_masters(world: &World, events: &[Event]) -> Verdict {
    let masters: BTreeSet<HostName> = world.inventory.masters().map(|h| h.name.clone()).collect();
    let mut proven = BTreeSet::new();
    for event in events {
        match &event.kind {
            EventKind::GatePassed { phase, hosts, .. } if phase == "start-masters" => {
                proven.extend(hosts.iter().cloned());
            }
            EventKind::StepStarted { phase, step, .. } if phase == "start-workers" && !masters.is_subset(&proven) => {
                return Err(format!("{step} was begun before the masters were proven"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// The end of a ledger, for a person.
pub(crate) fn tail(events: &[Event]) -> String {
    let lines: Vec<String> = events.iter().map(certfleet::report::event_line).collect();
    let cut = |l: &String| l.chars().take(400).collect::<String>();
    lines[lines.len().saturating_sub(25)..]
        .iter()
        .map(cut)
        .collect::<Vec<_>>()
        .join("\n")
}
