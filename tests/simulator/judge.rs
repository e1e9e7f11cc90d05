//! What must hold whatever goes wrong.

use std::collections::{BTreeMap, BTreeSet};

use certfleet::event::{Event, EventKind, RunState};
use certfleet::model::exit::RunEnd;
use certfleet::model::{HostName, Outcome};
use certfleet::plan::{Plan, PlannedPhase};
use certfleet::report::{RunFiles, run_report};

use crate::case::Case;
use crate::world::{Part, World};

type Verdict = Result<(), String>;

/// An end that is not good names hosts, says what to do, and leaves no host of the plan without a state.
pub(crate) fn honest(part: Part, plan: &Plan, events: &[Event]) -> Verdict {
    let Part::Ended(end) = part else { return Ok(()) };
    every_host_has_a_state(plan, events)?;
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

/// The report of an ended run has each host of the plan, and none of them under way.
fn every_host_has_a_state(plan: &Plan, events: &[Event]) -> Verdict {
    let report = run_report(&RunFiles {
        events,
        before: None,
        after: None,
        missing: Vec::new(),
    });
    let mut said: BTreeSet<HostName> = report.untouched.iter().cloned().collect();
    said.extend(report.left_behind.iter().map(|l| l.host.clone()));
    for phase in &report.phases {
        let busy = phase.hosts.iter().find(|h| h.state == "running");
        if let Some(host) = busy {
            return Err(format!(
                "the run has ended, and {} still runs in `{}`",
                host.host, phase.name
            ));
        }
        said.extend(phase.hosts.iter().map(|h| h.host.clone()));
    }
    match plan.hosts.iter().find(|h| !said.contains(&h.name)) {
        Some(host) => Err(format!("the report has no state of {}", host.name)),
        None => Ok(()),
    }
}

/// The end state is that of a run without trouble.
pub(crate) fn as_if_nothing_had_been(world: &World, events: &[Event]) -> Verdict {
    world.lab.status().healthy()?;
    if !world.lab.alarms().is_empty() {
        return Err(format!("a key crossed the wire: {:?}", world.lab.alarms()));
    }
    if let Some(wrong) = world.wrong().first() {
        return Err(wrong.clone());
    }
    no_change_twice(world.case, events)?;
    renewed_once(world)?;
    crate::rotated::every_server(world)?;
    workers_after_masters(&world.plan, events)
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

/// Which phase must be proven before which, by playbook.
pub(crate) const ORDER: [(&str, &str, &str); 5] = [
    ("renew", "start-masters", "start-workers"),
    ("restart", "start-masters", "start-workers"),
    ("rolling", "masters", "workers"),
    ("k3s", "servers", "agents"),
    ("rke2", "servers", "agents"),
];

/// No worker is started before every master that the gate asks has passed it.
pub(crate) fn workers_after_masters(plan: &Plan, events: &[Event]) -> Verdict {
    let Some((_, first, second)) = ORDER.iter().find(|(name, ..)| *name == plan.playbook) else {
        return Ok(());
    };
    let asked = plan.phases.iter().filter(|p| p.name == *first).flat_map(asked);
    let masters: BTreeSet<&HostName> = asked.collect();
    let mut proven = BTreeSet::new();
    for event in events {
        match &event.kind {
            EventKind::GatePassed { phase, hosts, .. } if phase == first => proven.extend(hosts),
            EventKind::StepStarted { phase, step, .. } if phase == second && !masters.is_subset(&proven) => {
                return Err(format!("{step} was begun before `{first}` was proven on every host"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Hosts that have something to prove.
fn asked(phase: &PlannedPhase) -> impl Iterator<Item = &HostName> {
    phase.gate.iter().flat_map(|g| &g.probes).map(|p| &p.host)
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
