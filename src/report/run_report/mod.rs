//! One run, finished or not, as a document: text, JSON, `JUnit` XML and one self-contained HTML file.

mod collect;
mod html;
mod junit;
mod pages;
mod text;
mod types;

pub(super) use collect::verdict;
pub use collect::{RunFiles, run_report};
pub use html::run_html;
pub use junit::run_junit;
pub use text::run_text;
pub use types::{
    CertificateReport, CommandReport, GateReport, HostReport, LeftBehindReport, PhaseReport, RunReport, SawReport,
    StepReport,
};

/// The JSON form.
pub fn run_json(report: &RunReport) -> String {
    // A report is made of text, numbers and lists: it always has a JSON form.
    format!("{}\n", serde_json::to_string_pretty(report).unwrap_or_default())
}

#[cfg(test)]
mod tests;
