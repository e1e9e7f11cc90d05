//! What did the kubelet say in the last minutes, by class?

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{Command, Host, Output, mask};

use super::error::{ProbeError, text_of};
use super::kubelet_journal::{Class, Effect, classify_record, parse_line};

const WHAT: &str = "kubelet journal";
/// The newest lines of the last minutes: enough to tell what is wrong, little enough to ask 300 hosts for.
const LINES: u32 = 500;

/// How often each kind of trouble was logged; what says nothing is not counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalSummary {
    /// Lines looked at.
    pub lines: usize,
    /// Lines since the kubelet last registered that mean that it cannot work, by class (`expired`, `unauthorized` …).
    pub blocking: BTreeMap<String, usize>,
    /// Connection refused, timeouts, node not found.
    pub unreachable: usize,
    /// Trouble that is not the kubelet's own: CNI, registries, webhooks.
    pub foreign: usize,
    /// Registered, certificate rotated: the API answered.
    pub positive: usize,
    /// The last blocking message, cut, without secrets.
    pub last_blocking: Option<String>,
}

/// The last ten minutes by the host's own clock, which a relative time does not have to know; newest line first. Forwards `--lines` would be
/// the oldest of them (seen on systemd 252): a kubelet in a crash loop writes that many in a minute, and what it says since is what counts.
pub fn command(host: &Host) -> Command {
    let unit = format!("--unit={}", host.kubernetes.kubelet_unit);
    let lines = format!("--lines={LINES}");
    Command::root([
        "journalctl",
        &unit,
        "--no-pager",
        "--all",
        "--output=json",
        &lines,
        "--since=-10min",
        "--reverse",
    ])
}

/// Classifies every line. A cut answer is still an answer: the counts are then lower bounds.
///
/// # Errors
/// journalctl failed.
pub fn parse(output: &Output) -> Result<JournalSummary, ProbeError> {
    if output.truncated {
        return Ok(count(&output.stdout));
    }
    text_of(WHAT, output)?;
    Ok(count(&output.stdout))
}

impl JournalSummary {
    /// A kubelet that has just registered was accepted by the API: what it said before was about an earlier state.
    fn forget_what_was_overcome(&mut self) {
        self.blocking.clear();
        self.unreachable = 0;
        self.last_blocking = None;
    }
}

fn count(bytes: &[u8]) -> JournalSummary {
    let mut summary = JournalSummary::default();
    // Of a cut answer the end, which is the oldest, is missing.
    for line in bytes.split(|b| *b == b'\n').rev().filter(|l| !l.is_empty()) {
        let record = parse_line(line);
        let verdict = classify_record(&record);
        summary.lines += 1;
        match verdict.effect {
            Effect::Block | Effect::Fail => {
                *summary.blocking.entry(verdict.class.as_str().to_owned()).or_default() += 1;
                summary.last_blocking = Some(record.message);
            }
            Effect::Hold if matches!(verdict.class, Class::ConnRefused | Class::Timeout | Class::NodeNotFound) => {
                summary.unreachable += 1;
            }
            Effect::Foreign => summary.foreign += 1,
            Effect::Positive => {
                if verdict.class == Class::Registered {
                    summary.forget_what_was_overcome();
                }
                summary.positive += 1;
            }
            Effect::Hold | Effect::Neutral => {}
        }
    }
    // Masked whole, then cut: half a secret is one, too.
    let shown = |message: String| mask(&message).chars().take(300).collect();
    summary.last_blocking = summary.last_blocking.map(shown);
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_before_the_kubelet_registered_is_overcome() {
        let line = |m: &str| {
            format!(
                "{}\n",
                serde_json::json!({"MESSAGE": m, "SYSLOG_IDENTIFIER": "kubelet", "_SYSTEMD_UNIT": "kubelet.service"})
            )
        };
        let expired = line(
            "E0809 13:46:38.476674 1 reflector.go:125] k8s.io/client-go/informers/factory.go:133: Failed to list *v1.Node: Get https://192.168.140.66:6443/api/v1/nodes: x509: certificate has expired or is not yet valid",
        );
        let registered = line("I0809 13:50:00.000000 1 kubelet_node_status.go:75] Successfully registered node m1");
        let before = parse(&Output::new(0, format!("{registered}{expired}"), "")).expect("a journal");
        assert_eq!((before.blocking.len(), before.positive), (0, 1));
        let after = parse(&Output::new(0, format!("{expired}{registered}"), "")).expect("a journal");
        assert_eq!(after.blocking.len(), 1, "the newest line comes first");
    }

    #[test]
    fn counts_by_class_and_keeps_the_last_blocking_line() {
        let entry = |message: &str| {
            serde_json::json!({"MESSAGE": message, "SYSLOG_IDENTIFIER": "kubelet", "_SYSTEMD_UNIT": "kubelet.service"})
                .to_string()
        };
        let lines = [
            entry(
                "E1122 19:00:00.1 1 reflector.go:178] k8s.io/client-go: Failed to list *v1.Node: Get \"https://10.0.0.1:6443/x\": x509: certificate has expired or is not yet valid: current time 2020-11-22T19:00:00Z is after 2020-11-20T00:00:00Z",
            ),
            entry("I1122 18:59:59.1 1 kubelet_node_status.go:73] Successfully registered node m1"),
        ];
        let summary = parse(&Output::new(0, lines.join("\n"), "")).unwrap();
        assert_eq!(summary.blocking.get("expired"), Some(&1), "{summary:?}");
        assert_eq!((summary.positive, summary.lines), (1, 2));
        assert!(summary.last_blocking.is_some_and(|m| m.contains("x509")));
    }
}
