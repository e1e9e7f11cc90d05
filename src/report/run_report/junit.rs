//! `JUnit` XML, as CI systems read it: a suite per phase, a case per step and per gate.

use std::fmt::Write as _;

use super::types::{GateReport, LeftBehindReport, PhaseReport, RunReport, StepReport};

/// The whole document.
pub fn run_junit(report: &RunReport) -> String {
    let suites: String = report.phases.iter().map(suite).collect();
    let suites = suites + &left_behind(report);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"{}\" time=\"{}\">\n{suites}{}</testsuites>\n",
        escape(&format!("certfleet {} {}", report.playbook, report.run)),
        seconds(report.elapsed_ms),
        unfinished(report)
    )
}

/// A run without an end must not look like a success.
fn unfinished(report: &RunReport) -> String {
    if report.end.is_some() {
        return String::new();
    }
    let hint = format!("the record has no end; `certfleet resume {}` goes on", report.run);
    format!(
        "  <testsuite name=\"run\" tests=\"1\" failures=\"0\" errors=\"1\" skipped=\"0\" time=\"0\">\n    \
         <testcase classname=\"run\" name=\"has an end\" time=\"0\"><error message=\"{}\"/></testcase>\n  </testsuite>\n",
        escape(&hint)
    )
}

/// Everything else was proven, and yet this is no success.
fn left_behind(report: &RunReport) -> String {
    if report.left_behind.is_empty() {
        return String::new();
    }
    let case = |left: &LeftBehindReport| {
        format!(
            "    <testcase classname=\"left behind\" name=\"{}\" time=\"0\"><failure message=\"{}\"/></testcase>\n",
            escape(left.host.as_str()),
            escape(&left.why)
        )
    };
    let cases: String = report.left_behind.iter().map(case).collect();
    let number = report.left_behind.len();
    format!(
        "  <testsuite name=\"left behind\" tests=\"{number}\" failures=\"{number}\" errors=\"0\" skipped=\"0\" time=\"0\">\n{cases}  </testsuite>\n"
    )
}

fn suite(phase: &PhaseReport) -> String {
    let steps: Vec<&StepReport> = phase.hosts.iter().flat_map(|h| &h.steps).collect();
    let failed = |s: &&&StepReport| s.outcome == "failed";
    let lost = |s: &&&StepReport| matches!(s.outcome, "unknown" | "started");
    let gate_bad = phase.gate.as_ref().is_some_and(|g| g.status == "failed");
    let gate_open = phase.gate.as_ref().is_some_and(|g| g.status == "open");
    let mut cases = String::new();
    for host in &phase.hosts {
        for step in &host.steps {
            cases.push_str(&step_case(&format!("{}.{}", phase.name, host.host), step));
        }
    }
    if let Some(gate) = &phase.gate {
        cases.push_str(&gate_case(&phase.name, gate));
    }
    format!(
        "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"{}\" timestamp=\"{}\">\n{cases}  </testsuite>\n",
        escape(&phase.name),
        steps.len() + usize::from(phase.gate.is_some()),
        steps.iter().filter(failed).count() + usize::from(gate_bad),
        steps.iter().filter(lost).count() + usize::from(gate_open),
        steps.iter().filter(|s| s.outcome == "skipped").count(),
        seconds(phase.elapsed_ms.unwrap_or(0)),
        phase.started
    )
}

fn step_case(class: &str, step: &StepReport) -> String {
    let verdict = match step.outcome {
        "failed" => format!("<failure message=\"{}\"/>", escape(&step.what)),
        "unknown" | "started" => format!("<error message=\"{}\"/>", escape(&step.what)),
        "skipped" => format!("<skipped message=\"{}\"/>", escape(&step.what)),
        _ => String::new(),
    };
    let mut log = String::new();
    for command in &step.commands {
        let _ = writeln!(log, "$ {}\n{}\n{}", command.command, command.status, command.output);
    }
    let out = if log.is_empty() {
        String::new()
    } else {
        format!("<system-out>{}</system-out>", escape(&log))
    };
    format!(
        "    <testcase classname=\"{}\" name=\"{}\" time=\"{}\">{verdict}{out}</testcase>\n",
        escape(class),
        escape(&step.title),
        seconds(step.elapsed_ms.unwrap_or(0))
    )
}

fn gate_case(phase: &str, gate: &GateReport) -> String {
    let verdict = match gate.status {
        "failed" => format!("<failure message=\"{}\"/>", escape(&gate.reasons.join("; "))),
        "open" => "<error message=\"the gate was not decided\"/>".to_owned(),
        _ => String::new(),
    };
    format!(
        "    <testcase classname=\"{}\" name=\"gate\" time=\"{}\">{verdict}</testcase>\n",
        escape(phase),
        seconds(gate.elapsed_ms.unwrap_or(0))
    )
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// XML 1.0: five characters are written as entities; control characters that it forbids become U+FFFD.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
