//! One HTML file without a single request to anywhere: what goes to the auditor, or to the colleague of the next shift.

use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, context};
use serde::Serialize;

use super::types::RunReport;

const TEMPLATE: &str = include_str!("report.html");

/// One bar of the timeline, in percent of the run.
#[derive(Debug, Serialize)]
struct Bar {
    row: String,
    phase: String,
    outcome: &'static str,
    left: String,
    width: String,
    label: String,
}

/// The whole file. Everything that came from a host is escaped by the template engine.
///
/// # Errors
/// A template that does not fit the report: a bug, told in the engine's words.
pub fn run_html(report: &RunReport) -> Result<String, String> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_filter("ms", |ms: Option<u64>| {
        ms.map_or_else(String::new, |ms| {
            crate::report::text::took(std::time::Duration::from_millis(ms))
        })
    });
    environment
        .add_template("report.html", TEMPLATE)
        .and_then(|()| environment.get_template("report.html"))
        .and_then(|template| {
            template.render(context! { report => Value::from(Serde(report)), bars => Value::from(Serde(bars(report))) })
        })
        .map_err(|e| format!("{e:#}"))
}

/// Host by host, every step at its time.
fn bars(report: &RunReport) -> Vec<(String, Vec<Bar>)> {
    let mut rows: Vec<(String, Vec<Bar>)> = Vec::new();
    for phase in &report.phases {
        for host in &phase.hosts {
            for step in &host.steps {
                let bar = bar(report, host.host.as_str(), &phase.name, step);
                match rows.iter_mut().find(|(name, _)| *name == bar.row) {
                    Some((_, bars)) => bars.push(bar),
                    None => rows.push((bar.row.clone(), vec![bar])),
                }
            }
        }
    }
    rows
}

fn bar(report: &RunReport, host: &str, phase: &str, step: &super::types::StepReport) -> Bar {
    let total = report.elapsed_ms.max(1);
    let elapsed = step.elapsed_ms.unwrap_or(0);
    let offset = report
        .started
        .and_then(|from| u64::try_from(step.started.duration_since(from).as_millis()).ok())
        .unwrap_or(0);
    let percent = |ms: u64| format!("{}.{:02}", ms * 100 / total, ms * 10_000 / total % 100);
    Bar {
        row: host.to_owned(),
        phase: phase.to_owned(),
        outcome: step.outcome,
        left: percent(offset.min(total)),
        width: percent(elapsed.min(total)),
        label: format!("{phase}: {}: {}", step.title, step.outcome),
    }
}
