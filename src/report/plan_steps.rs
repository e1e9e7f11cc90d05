//! One phase of a plan: hosts, commands, and what is skipped.

use crate::model::{Command, HostName, RunAs, duration};
use crate::plan::{Expect, Plan, PlannedPhase, PlannedStep, PodDeletion, Relay};

use super::fold::{fold_hosts, hosts_and_count};
use super::plan_gate;
use super::style::Tone;
use super::text::{Page, count};

/// Batches that are named one by one; of more, only their number and size are said.
const NAMED_BATCHES: usize = 4;

/// The phase and everything in it.
pub(super) fn phase(page: &mut Page<'_>, plan: &Plan, number: usize) {
    let phase = &plan.phases[number];
    page.blank();
    title(page, phase, number + 1, plan.phases.len());
    pace(page, phase);
    let groups = groups(phase);
    for (hosts, steps) in &groups {
        let indent = if groups.len() > 1 {
            page.prose(4, Tone::Host, &hosts_and_count(hosts));
            6
        } else {
            4
        };
        for (index, step) in steps.iter().filter(|s| !s.after_gate).enumerate() {
            one_step(page, indent, index + 1, step);
            forecasts(page, indent + 3, phase, hosts, step);
        }
    }
    plan_gate::gate(page, phase, number + 1 == plan.phases.len());
    after_gate(page, phase);
}

/// What is done with a host whose proof is there.
fn after_gate(page: &mut Page<'_>, phase: &PlannedPhase) {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for step in phase.steps.iter().filter(|s| s.after_gate) {
        match groups.iter_mut().find(|(_, other)| alike(other, &[step])) {
            Some((hosts, _)) => hosts.push(step.host.clone()),
            None => groups.push((vec![step.host.clone()], vec![step])),
        }
    }
    for (hosts, steps) in groups {
        page.labelled(2, "then  ", Tone::Heading, Tone::Host, &hosts_and_count(&hosts));
        for (index, step) in steps.iter().enumerate() {
            one_step(page, 4, index + 1, step);
            forecasts(page, 7, phase, &hosts, step);
        }
    }
}

fn title(page: &mut Page<'_>, phase: &PlannedPhase, number: usize, of: usize) {
    let text = format!("Phase {number} of {of}: {}", phase.name);
    let text = page.style.paint(Tone::Heading, &text);
    let mark = if phase.outage { "   [OUTAGE]" } else { "" };
    let mark = page.style.paint(Tone::Warn, mark);
    page.line(&format!("{text}{mark}"));
}

/// Who, how many at a time, and how much may fail.
fn pace(page: &mut Page<'_>, phase: &PlannedPhase) {
    let (hosts, batches) = (phase.hosts(), &phase.batches);
    let size = batches.iter().map(Vec::len).max().unwrap_or(0);
    let order = if batches.len() > NAMED_BATCHES {
        format!(", in {} batches of up to {}", batches.len(), count(size, "host"))
    } else if batches.len() > 1 {
        let named: Vec<String> = batches.iter().map(|b| fold_hosts(b)).collect();
        format!(", in {} batches: {}", batches.len(), named.join("; then "))
    } else if hosts.len() > 1 {
        ", all at the same time".to_owned()
    } else {
        String::new()
    };
    let text = format!("{}{order}", hosts_and_count(&hosts));
    page.labelled(2, "on    ", Tone::Quiet, Tone::Host, &text);
    if phase.max_failures > 0 {
        let text = format!(
            "{} may fail and be left behind; a master never",
            count(phase.max_failures, "worker")
        );
        page.labelled(2, "but   ", Tone::Quiet, Tone::Plain, &text);
    }
}

type Group<'a> = (Vec<HostName>, Vec<&'a PlannedStep>);

/// Hosts that do exactly the same, in the order of the phase.
fn groups(phase: &PlannedPhase) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for host in phase.hosts() {
        let steps: Vec<&PlannedStep> = phase.steps.iter().filter(|s| s.host == host).collect();
        match groups.iter_mut().find(|(_, others)| alike(others, &steps)) {
            Some((hosts, _)) => hosts.push(host),
            None => groups.push((vec![host], steps)),
        }
    }
    groups
}

/// The same to a reader: forecasts and baselines may differ.
fn alike(a: &[&PlannedStep], b: &[&PlannedStep]) -> bool {
    let same = |(x, y): (&&PlannedStep, &&PlannedStep)| {
        let (p, q) = (&x.planned, &y.planned);
        (&p.title, &p.commands, &p.skip, &p.left_out) == (&q.title, &q.commands, &q.skip, &q.left_out)
            && same_reading(&p.expect, &q.expect)
    };
    a.len() == b.len() && a.iter().zip(b).all(same)
}

/// A relay's commands are alike for all nodes; only the name that is put in differs.
fn same_reading(a: &Expect, b: &Expect) -> bool {
    match (a, b) {
        (Expect::Relay(a), Expect::Relay(b)) => a.signer == b.signer,
        (Expect::Cordon(a), Expect::Cordon(b)) => a.speaker == b.speaker,
        _ => a == b,
    }
}

fn one_step(page: &mut Page<'_>, indent: usize, number: usize, step: &PlannedStep) {
    let planned = &step.planned;
    let label = format!("{number}. ");
    if let Some(why) = &planned.skip {
        let text = format!("{}: skipped, {why}", planned.title);
        page.labelled(indent, &label, Tone::Quiet, Tone::Quiet, &text);
    } else {
        page.labelled(indent, &label, Tone::Plain, Tone::Plain, &planned.title);
        match &planned.expect {
            Expect::DeletePods(deletion) => pod_deletion(page, indent + 3, deletion),
            Expect::Cordon(cordon) => {
                let place = format!("on {}, on behalf of the node:", cordon.speaker);
                page.prose(indent + 3, Tone::Quiet, &place);
                commands(page, indent + 5, &planned.commands);
            }
            Expect::Relay(relay) => relayed(page, indent + 3, relay, &planned.commands),
            _ => commands(page, indent + 5, &planned.commands),
        }
    }
    for part in &planned.left_out {
        let text = format!("{}: {}", part.what, part.why);
        page.labelled(indent + 3, "leaves out ", Tone::Quiet, Tone::Quiet, &text);
    }
}

fn commands(page: &mut Page<'_>, indent: usize, commands: &[Command]) {
    for command in commands {
        page.command(indent, &shown(command));
    }
}

/// Who runs what: the key stays on the node, only request and certificate travel.
fn relayed(page: &mut Page<'_>, indent: usize, relay: &Relay, planned: &[Command]) {
    let places = [
        "on the node, which makes key and request:".to_owned(),
        format!("on {}, which signs the request:", relay.signer),
        "on the node, with the certificate:".to_owned(),
    ];
    for (index, command) in planned.iter().enumerate() {
        if let Some(place) = places.get(index) {
            page.prose(indent, Tone::Quiet, place);
        }
        page.command(indent + 2, &shown(command));
    }
}

/// root is the rule; the exception is said. Placeholders lose their quotes: they are for the eye.
fn shown(command: &Command) -> String {
    let mut line = command.to_string();
    for placeholder in [
        "{pod}",
        "--namespace={namespace}",
        "{node}",
        "{request}",
        "{certificate}",
    ] {
        line = line.replace(&format!("'{placeholder}'"), placeholder);
    }
    if line.contains("{run-id}") {
        let words = line.split(' ').map(|w| {
            if w.contains("{run-id}") {
                w.trim_matches('\'')
            } else {
                w
            }
        });
        line = words.collect::<Vec<_>>().join(" ");
    }
    match command.run_as {
        RunAs::Root => line,
        RunAs::Login => format!("{line}   # as the login user"),
    }
}

/// One query per label; the first stands for all, `--output json` has them in full.
fn pod_deletion(page: &mut Page<'_>, indent: usize, deletion: &PodDeletion) {
    let labels: Vec<&str> = deletion.queries.iter().map(|q| q.label.as_str()).collect();
    page.labelled(indent, "with labels ", Tone::Quiet, Tone::Plain, &labels.join(", "));
    if let Some(query) = deletion.queries.first() {
        let line = query.pods.to_string();
        page.command(
            indent + 2,
            &line.replace(&format!("--selector={}", query.label), "--selector={label}"),
        );
    }
    let stuck = format!(
        "each that is stuck, or not ready {} after its node became Ready, one node at a time:",
        duration::display(deletion.grace)
    );
    page.prose(indent, Tone::Quiet, &stuck);
    page.command(indent + 2, &shown(&deletion.delete));
    page.prose(indent, Tone::Quiet, "each that stays Terminating on a Ready node:");
    page.command(indent + 2, &shown(&deletion.force));
}

/// What the facts foretell, which may differ among hosts that do the same.
fn forecasts(page: &mut Page<'_>, indent: usize, phase: &PlannedPhase, hosts: &[HostName], step: &PlannedStep) {
    let number = |s: &PlannedStep| s.id.rsplit('/').next().unwrap_or_default().to_owned();
    let mine = number(step);
    let mut seen: Vec<(&str, Vec<HostName>)> = Vec::new();
    let peers = phase
        .steps
        .iter()
        .filter(|s| hosts.contains(&s.host) && number(s) == mine);
    for peer in peers {
        let Some(forecast) = peer.planned.forecast.as_deref() else {
            continue;
        };
        match seen.iter_mut().find(|(f, _)| *f == forecast) {
            Some((_, who)) => who.push(peer.host.clone()),
            None => seen.push((forecast, vec![peer.host.clone()])),
        }
    }
    for (forecast, who) in seen {
        let whose = if who.len() == hosts.len() {
            String::new()
        } else {
            format!("{}: ", fold_hosts(&who))
        };
        page.labelled(
            indent,
            "note: ",
            Tone::Quiet,
            Tone::Quiet,
            &format!("{whose}{forecast}"),
        );
    }
}
