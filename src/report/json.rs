//! What a program reads: the same values as in the ledger, one JSON object a line.

use crate::event::Event;
use crate::plan::Plan;

/// One line of `--output json`, without its newline; the same text as in the ledger.
pub fn event_line(event: &Event) -> String {
    // Events are made of text, numbers and lists: they always have a JSON form.
    serde_json::to_string(event).unwrap_or_default()
}

/// The plan for `--dry-run --output json`: the very object that would run, its format number first.
pub fn plan_json(plan: &Plan) -> String {
    serde_json::to_string_pretty(plan).unwrap_or_default()
}
