//! Text out: everything a person or a program reads of certfleet. Functions return text or write to what they are given;
//! where it goes, and what exit code follows, is decided by `cli`.

mod style;
mod text;
mod fold;
mod table;
mod narrator;
mod plan_steps;
mod plan_gate;
mod summary_troubles;
mod progress_view;
pub mod plan_text;
pub mod line;
pub mod progress;
pub mod summary;
pub mod json;
mod check_words;
pub mod check_text;
pub mod check_json;
pub mod check_prometheus;
pub mod check_html;
pub mod held;
mod inventory_text;
pub mod fold_output;
pub mod journal_text;
pub mod run_report;
pub mod runs_table;
#[cfg(test)]
mod fixtures;

pub use check_html::check_html;
pub use check_json::check_json;
pub use check_prometheus::check_prometheus;
pub use check_text::{CheckView, GroupBy, check_text};
pub use fold::{fold_hosts, hosts_and_count, natural_order};
pub use fold_output::{HostOutput, fold_output};
pub use inventory_text::{inventory_json, inventory_text};
pub use journal_text::{JournalLine, journal_line, journal_row};
pub use json::{event_line, plan_json};
pub use line::LineReporter;
pub use plan_text::plan_text;
pub use progress::Progress;
pub use run_report::{RunFiles, run_html, run_json, run_junit, run_report, run_text};
pub use runs_table::{RunRow, runs_json, runs_table};
pub use style::{Style, Tone};
pub use summary::summary;
pub use text::clean;
