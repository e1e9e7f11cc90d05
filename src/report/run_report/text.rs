//! The report for a terminal or a ticket.

use std::time::Duration;

use crate::report::fold::hosts_and_count;
use crate::report::style::{Style, Tone};
use crate::report::text::{Page, clean_line, count, took};

use super::types::{HostReport, PhaseReport, RunReport, StepReport};

/// Lines of output that are shown of each command.
const OUTPUT_LINES: usize = 12;

/// The whole report.
pub fn run_text(report: &RunReport, style: &Style) -> String {
    let mut page = Page::new(style);
    head(&mut page, report);
    for phase in &report.phases {
        one_phase(&mut page, phase);
    }
    certificates(&mut page, report);
    if !report.next.is_empty() {
        page.heading("What to do next");
        for (number, next) in report.next.iter().enumerate() {
            page.labelled(2, &format!("{}. ", number + 1), Tone::Plain, Tone::Plain, next);
        }
    }
    page.finish()
}

fn head(page: &mut Page<'_>, report: &RunReport) {
    let title = format!("{} on cluster {}: {}", report.playbook, report.cluster, report.verdict);
    page.heading(&title);
    page.field("run", &report.run);
    if let Some(started) = report.started {
        let at = started.strftime("%Y-%m-%d %H:%M:%S UTC");
        let text = format!("{at}, {}", took(Duration::from_millis(report.elapsed_ms)));
        page.field("started", &text);
    }
    page.field("by", &format!("{}, certfleet {}", report.operator, report.version));
    if report.resumed > 0 {
        page.field("resumed", &count(report.resumed as usize, "time"));
    }
    let outage = report.outage_ms.map_or_else(
        || "none measured".to_owned(),
        |ms| format!("the API was away for {}", took(Duration::from_millis(ms))),
    );
    page.field("outage", &outage);
    let tally = report.tally;
    let steps = format!(
        "{} changed, {} unchanged, {} skipped, {} failed, {} unknown",
        tally.changed, tally.unchanged, tally.skipped, tally.failed, tally.unknown
    );
    page.field("steps", &steps);
    for left in &report.left_behind {
        page.field("left behind", &format!("{}: {}", left.host, left.why));
    }
    if !report.untouched.is_empty() {
        let text = format!("{}: no phase of theirs was begun", hosts_and_count(&report.untouched));
        page.field("untouched", &text);
    }
    for closed in &report.cordoned {
        page.field(
            "cordoned",
            &format!(
                "{}: node {} takes no pods because of this run",
                closed.host, closed.node
            ),
        );
    }
    for missing in &report.missing {
        page.field("missing", missing);
    }
}

fn one_phase(page: &mut Page<'_>, phase: &PhaseReport) {
    let outage = if phase.outage { ", outage accepted" } else { "" };
    let time = phase
        .elapsed_ms
        .map_or_else(String::new, |ms| format!(", {}", took(Duration::from_millis(ms))));
    page.heading(&format!("{} ({}{outage}{time})", phase.name, phase.status));
    for host in &phase.hosts {
        one_host(page, host);
    }
    let Some(gate) = &phase.gate else { return };
    let time = gate
        .elapsed_ms
        .map_or_else(String::new, |ms| format!(" after {}", took(Duration::from_millis(ms))));
    page.line(&format!("  gate {}{time}", gate.status));
    for saw in &gate.saw {
        let word = if saw.passed { "good" } else { "not yet" };
        page.line(&format!(
            "    {} {} {}: {word}: {}",
            saw.at.strftime("%H:%M:%S"),
            saw.host,
            saw.probe,
            clean_line(&saw.detail)
        ));
    }
    for reason in &gate.reasons {
        page.prose(4, Tone::Bad, reason);
    }
}

fn one_host(page: &mut Page<'_>, host: &HostReport) {
    page.line(&format!("  {}: {}", host.host, host.state));
    if let Some(why) = &host.excluded {
        page.prose(4, Tone::Bad, &format!("took no further part: {why}"));
    }
    for step in &host.steps {
        one_step(page, step);
    }
}

fn one_step(page: &mut Page<'_>, step: &StepReport) {
    let tone = match step.outcome {
        "failed" | "unknown" => Tone::Bad,
        "started" => Tone::Warn,
        "changed" => Tone::Good,
        _ => Tone::Plain,
    };
    let tries = if step.tries > 1 {
        format!(" (begun {} times)", step.tries)
    } else {
        String::new()
    };
    let words = format!("{}: {}{tries}: ", step.title, step.outcome);
    page.labelled(4, &words, tone, Tone::Plain, &step.what);
    if let Some(state) = &step.state {
        page.prose(6, Tone::Plain, &format!("left as: {state}"));
    }
    if let Some(next) = &step.next {
        page.prose(6, Tone::Plain, &format!("next: {next}"));
    }
    for command in &step.commands {
        let time = took(Duration::from_millis(command.elapsed_ms));
        page.command(6, &format!("$ {}", command.command));
        page.line(&format!("        {} ({time})", command.status));
        let lines: Vec<&str> = command.output.lines().collect();
        for line in &lines[lines.len().saturating_sub(OUTPUT_LINES)..] {
            page.line(&format!("        {}", clean_line(line)));
        }
    }
}

fn certificates(page: &mut Page<'_>, report: &RunReport) {
    if report.certificates.is_empty() {
        return;
    }
    page.heading("Certificates");
    for row in &report.certificates {
        let date = |at: Option<jiff::Timestamp>| at.map_or_else(|| "?".to_owned(), |t| t.strftime("%F").to_string());
        let after = if row.renewed {
            format!("renewed, until {}", date(row.not_after_after))
        } else if row.serial_after.is_some() {
            "unchanged".to_owned()
        } else {
            "not read afterwards".to_owned()
        };
        page.line(&format!(
            "  {} {}: until {}; {after}",
            row.host,
            row.name,
            date(row.not_after_before)
        ));
    }
}
