//! `certfleet runs`: one row per recorded run.

use jiff::Timestamp;
use serde::Serialize;

use crate::event::RunState;
use crate::model::RunId;
use crate::model::exit::RunEnd;

use super::run_report::verdict;
use super::style::{Style, Tone};
use super::table::{Cell, cell, row, widths};
use super::text::took;

/// One run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct RunRow {
    pub run: RunId,
    pub cluster: String,
    pub playbook: String,
    pub started: Option<Timestamp>,
    pub end: Option<RunEnd>,
    /// Why the ledger cannot be read.
    pub damage: Option<String>,
    pub resumed: u32,
    pub elapsed_ms: u64,
    pub outage_ms: Option<u64>,
}

impl RunRow {
    /// The row of a run whose ledger could be read.
    pub fn new(run: RunId, state: &RunState) -> Self {
        let wall = match (state.started, state.last) {
            (Some(from), Some(to)) => to.duration_since(from).as_millis(),
            _ => 0,
        };
        Self {
            run,
            cluster: state.cluster.clone(),
            playbook: state.playbook.clone(),
            started: state.started,
            end: state.end,
            damage: None,
            resumed: state.resumed,
            elapsed_ms: u64::try_from(wall).unwrap_or(0),
            outage_ms: state.outage.and_then(|o| u64::try_from(o.as_millis()).ok()),
        }
    }

    /// The row of a run whose ledger is damaged.
    pub fn damaged(run: RunId, why: String) -> Self {
        Self {
            damage: Some(why),
            ..Self::new(run, &RunState::default())
        }
    }

    fn cells(&self) -> Vec<Cell> {
        let time = |ms: u64| took(std::time::Duration::from_millis(ms));
        let outcome = match (&self.damage, self.end) {
            (Some(_), _) => ("damaged".to_owned(), Tone::Bad),
            (None, Some(RunEnd::Succeeded | RunEnd::NothingToDo)) => (verdict(self.end).to_owned(), Tone::Good),
            (None, Some(_)) => (verdict(self.end).to_owned(), Tone::Bad),
            (None, None) => (verdict(None).to_owned(), Tone::Warn),
        };
        vec![
            cell(self.run.to_string()),
            cell(self.cluster.clone()),
            cell(self.playbook.clone()),
            outcome,
            cell(time(self.elapsed_ms)),
            cell(self.outage_ms.map_or_else(|| "-".to_owned(), time)),
        ]
    }
}

/// The table, latest run last.
pub fn runs_table(rows: &[RunRow], style: &Style) -> String {
    if rows.is_empty() {
        return "No run is recorded yet.\n".to_owned();
    }
    let head = ["RUN", "CLUSTER", "PLAYBOOK", "OUTCOME", "TOOK", "OUTAGE"].map(|t| (t.to_owned(), Tone::Heading));
    let all: Vec<Vec<Cell>> = std::iter::once(head.to_vec())
        .chain(rows.iter().map(RunRow::cells))
        .collect();
    let widths = widths(all.iter().map(Vec::as_slice));
    let mut text = String::new();
    for cells in &all {
        text.push_str(row(style, &widths, cells).trim_start());
        text.push('\n');
    }
    for damaged in rows.iter().filter_map(|r| r.damage.as_ref()) {
        text.push_str(damaged);
        text.push('\n');
    }
    text
}

/// The JSON form.
pub fn runs_json(rows: &[RunRow]) -> String {
    format!("{}\n", serde_json::to_string_pretty(rows).unwrap_or_default())
}
