//! A plan on the screen: what would be done, in which order, what it costs, and what will be asked.

use crate::model::{HostName, Role};
use crate::plan::{Choice, Note, OutageForecast, Plan, Severity, Strategy};

use super::fold::{fold_hosts, hosts_and_count};
use super::plan_steps;
use super::style::{Style, Tone};
use super::text::{Page, count, took};

/// Everything that running the plan would do: the very object, not a description of it.
pub fn plan_text(plan: &Plan, style: &Style) -> String {
    let mut page = Page::new(style);
    header(&mut page, plan);
    notes(&mut page, plan);
    for number in 0..plan.phases.len() {
        plan_steps::phase(&mut page, plan, number);
    }
    footer(&mut page, plan);
    page.finish()
}

/// The first digits of a hash: enough to compare by eye.
pub(super) fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

fn header(page: &mut Page<'_>, plan: &Plan) {
    let title = format!("PLAN  {} on cluster {}", plan.playbook, plan.cluster);
    page.heading(&title);
    page.field("hosts", &hosts(plan));
    let made = plan.created.strftime("%Y-%m-%d %H:%M:%S UTC");
    page.field("plan", &format!("{}, made {made}", short(&plan.hash())));
    if let Some(choice) = &plan.choice {
        chosen(page, choice);
    }
    page.field("work", &work(plan));
    let outage = outage(plan);
    let tone = if plan.has_outage() { Tone::Warn } else { Tone::Plain };
    page.labelled(2, &format!("{:<9}", "outage"), Tone::Quiet, tone, &outage);
}

/// The order, why, and what the gentler one would have needed.
fn chosen(page: &mut Page<'_>, choice: &Choice) {
    let order = match choice.strategy {
        Strategy::Rolling => "rolling: one master at a time",
        Strategy::StopAll => "stop-all: all masters are renewed, stopped and started together",
    };
    let who = if choice.asked {
        "asked for"
    } else {
        "chosen from the facts"
    };
    page.field("strategy", &format!("{order} ({who})"));
    for reason in &choice.because {
        page.labelled(12, "because ", Tone::Quiet, Tone::Plain, reason);
    }
    let gentler: &[String] = match (choice.strategy, choice.asked, choice.against_rolling.as_slice()) {
        // What is in the way was just said.
        (Strategy::StopAll, false, _) | (Strategy::Rolling, ..) => &[],
        (Strategy::StopAll, true, against) => against,
    };
    for reason in gentler {
        page.labelled(12, "in the way of rolling ", Tone::Quiet, Tone::Plain, reason);
    }
    let advice = match (choice.strategy, choice.against_rolling.is_empty()) {
        (Strategy::Rolling, _) => return,
        (Strategy::StopAll, true) => "nothing: `--strategy rolling` would do it without an outage",
        (Strategy::StopAll, false) => "each of these otherwise; then one master at a time, without an outage",
    };
    page.labelled(12, "rolling would need ", Tone::Quiet, Tone::Plain, advice);
}

fn hosts(plan: &Plan) -> String {
    let roles = [Role::ControlPlane, Role::Etcd, Role::Worker];
    let groups = roles.into_iter().filter_map(|role| {
        let of_role = plan.hosts.iter().filter(|h| h.role == role);
        let names: Vec<HostName> = of_role.map(|h| h.name.clone()).collect();
        let noun = if role == Role::Etcd {
            "etcd host".to_owned()
        } else {
            role.to_string()
        };
        (!names.is_empty()).then(|| format!("{} ({})", count(names.len(), &noun), fold_hosts(&names)))
    });
    let groups: Vec<String> = groups.collect();
    if groups.is_empty() {
        "none".to_owned()
    } else {
        groups.join(", ")
    }
}

fn work(plan: &Plan) -> String {
    let all = plan.phases.iter().map(|p| p.steps.len()).sum::<usize>();
    let busy = plan.work().count();
    let phases = count(plan.phases.len(), "phase");
    match all - busy {
        0 => format!("{} in {phases}", count(busy, "step")),
        idle => format!(
            "{} in {phases}; {idle} more skipped, with the reason below",
            count(busy, "step")
        ),
    }
}

fn outage(plan: &Plan) -> String {
    plan.outage.as_ref().map_or_else(
        || "none expected: the Kubernetes API stays up".to_owned(),
        |o| {
            format!(
                "YES, {} will be away for about {} (from `{}` until `{}` is proven)",
                who_is_away(o),
                took(o.about),
                o.from,
                o.until
            )
        },
    )
}

/// Errors first; the same message on several hosts is said once.
fn notes(page: &mut Page<'_>, plan: &Plan) {
    if plan.notes.is_empty() {
        return;
    }
    page.heading(&notes_title(plan));
    for (note, hosts) in folded(&plan.notes) {
        one_note(page, note, &hosts);
    }
}

fn notes_title(plan: &Plan) -> String {
    let of = |severity, noun| {
        let number = plan.notes.iter().filter(|n| n.severity == severity).count();
        (number > 0).then(|| count(number, noun))
    };
    let parts = [
        of(Severity::Error, "error"),
        of(Severity::Warning, "warning"),
        of(Severity::Info, "remark"),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn folded(notes: &[Note]) -> Vec<(&Note, Vec<HostName>)> {
    let mut sorted: Vec<&Note> = notes.iter().collect();
    sorted.sort_by_key(|n| n.severity);
    let mut groups: Vec<(&Note, Vec<HostName>)> = Vec::new();
    for note in sorted {
        let same = |(n, _): &&mut (&Note, Vec<HostName>)| {
            (n.severity, &n.code, &n.message, &n.remedy) == (note.severity, &note.code, &note.message, &note.remedy)
        };
        match groups.iter_mut().find(same) {
            Some((_, hosts)) => hosts.extend(note.host.clone()),
            None => groups.push((note, note.host.iter().cloned().collect())),
        }
    }
    groups
}

fn one_note(page: &mut Page<'_>, note: &Note, hosts: &[HostName]) {
    let (word, tone) = match note.severity {
        Severity::Error => ("ERROR    ", Tone::Bad),
        Severity::Warning => ("WARNING  ", Tone::Warn),
        Severity::Info => ("remark   ", Tone::Quiet),
    };
    let place = hosts_and_count(hosts);
    // Many messages name their host themselves.
    let named = hosts.is_empty() || note.message.starts_with(place.as_str());
    let text = if named {
        note.message.clone()
    } else {
        format!("{place}: {}", note.message)
    };
    let body = if note.severity == Severity::Info {
        Tone::Quiet
    } else {
        Tone::Plain
    };
    page.labelled(2, word, tone, body, &format!("{text}  [{}]", note.code));
    if !note.remedy.is_empty() {
        page.labelled(11, "Do this: ", Tone::Heading, Tone::Plain, &note.remedy);
    }
}

fn footer(page: &mut Page<'_>, plan: &Plan) {
    page.blank();
    let errors = plan.errors().count();
    if errors > 0 {
        let text = format!(
            "This plan must not run: {} above. Nothing was changed on any host. Do what is said there and plan again.",
            count(errors, "error")
        );
        page.prose(0, Tone::Bad, &text);
    } else if plan.work().next().is_none() {
        page.prose(0, Tone::Good, idle(plan));
    } else {
        expected_outage(page, plan);
        page.prose(0, Tone::Heading, &question(plan));
    }
}

/// A plan that changes nothing may still ask.
fn idle(plan: &Plan) -> &'static str {
    let steps = plan.phases.iter().any(|p| !p.steps.is_empty());
    let gates = plan.phases.iter().any(|p| p.gate.is_some());
    match (steps, gates) {
        (false, true) => "Nothing is changed: this plan only asks its gates.",
        (_, false) => "Nothing to do: every step would be skipped, for the reasons above.",
        (true, true) => "Nothing is changed: every step would be skipped, for the reasons above; the gates are asked.",
    }
}

fn expected_outage(page: &mut Page<'_>, plan: &Plan) {
    if let Some(outage) = plan.outage.as_ref().filter(|o| o.masters == 0) {
        let text = format!(
            "Expected outage: what runs on {} stops for about {}; the API stays up.",
            count(outage.workers, "worker"),
            took(outage.about)
        );
        page.prose(0, Tone::Warn, &text);
    } else if let Some(outage) = &plan.outage {
        let text = format!(
            "Expected API outage: about {}, because {}. It touches {} and {}.",
            took(outage.about),
            outage.why,
            count(outage.masters, "master"),
            count(outage.workers, "worker")
        );
        page.prose(0, Tone::Warn, &text);
    }
}

/// Without a master in the plan the API stays, but workloads stop with their runtime.
fn who_is_away(outage: &OutageForecast) -> String {
    if outage.masters == 0 {
        format!("what runs on {}", count(outage.workers, "worker"))
    } else {
        "the Kubernetes API".to_owned()
    }
}

fn question(plan: &Plan) -> String {
    if plan.has_outage() {
        format!(
            "Without `--yes` you will be asked to type the name of the cluster before anything is changed: {}",
            plan.cluster
        )
    } else {
        "Without `--yes` you will be asked for a yes before anything is changed.".to_owned()
    }
}

#[cfg(test)]
mod tests;
