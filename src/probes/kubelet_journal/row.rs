//! One verdict as the JSON object `certfleet journal` prints.

use serde_json::{Value, json};

use super::class::Verdict;

/// `{"line": n, "class": "…", "effect": "…", "remedy": "…" | null}`; `line_no` counts from 1.
pub fn jsonl_row(line_no: usize, verdict: &Verdict) -> Value {
    json!({"line": line_no, "class": verdict.class.as_str(), "effect": verdict.effect.as_str(), "remedy": verdict.remedy})
}
