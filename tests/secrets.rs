//! Secrets are fed into everything that a host can say; none is found in anything that is kept or shown.

#![expect(clippy::expect_used, reason = "a helper of a test fails as the test does")]

#[path = "stories/harness.rs"]
mod harness;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use certfleet::check::{Thresholds, examine};
use certfleet::config::parse_playbook;
use certfleet::engine::{Ledger, inspect};
use certfleet::event::{Event, RunState};
use certfleet::lab::{LabConfig, Scenario};
use certfleet::model::{Output, RunId};
use certfleet::plan::SavedPlan;
use certfleet::probes::kubelet_journal::parse_line;
use certfleet::remote::Transport;
use certfleet::report::{self, CheckView, GroupBy, JournalLine, RunFiles, Style};
use harness::{Story, Told, Wish, meddler::Act};
use proptest::prelude::*;

/// The password of the French hosts' sudo.
const PASSWORD: &str = "labpass";
/// One line of a key's body, as it is in a PEM block.
const BODY: &str = "MHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY";
const BASE64_OF_A_KEY: &str = "LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQpNSUlFcEFJQkFBS0NBUUVB";
const BEARER: &str = "k3jH5lKq9WzXcVbNmAsDfGhJk";
const JWT: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6IiJ9.eyJzdWIiOiJzeXN0ZW0ifQ.c2lnbmF0dXJl";
const JOIN: &str = "abcdef.0123456789abcdef";

/// What a host says, and what of it must never be seen again.
fn secrets() -> Vec<(String, &'static str)> {
    let block = |kind: &str| {
        let lines = format!("{BODY}\n").repeat(90);
        format!("-----BEGIN {kind}PRIVATE KEY-----\n{lines}-----END {kind}PRIVATE KEY-----")
    };
    vec![
        (format!("sudo took {PASSWORD}, thank you"), PASSWORD),
        (block("EC "), BODY),
        (block(""), BODY),
        (format!("client-key-data: {BASE64_OF_A_KEY}"), "TlNJSUVw"),
        (
            format!("{{\"client-key-data\":\"{BASE64_OF_A_KEY}\"}}"),
            "LS0tLS1CRUdJTiBSU0Eg",
        ),
        (format!("x {BASE64_OF_A_KEY} y"), "LS0tLS1CRUdJTiBSU0Eg"),
        (format!("Authorization: Bearer {BEARER}"), BEARER),
        (format!("error: token {JWT} has expired"), "c2lnbmF0dXJl"),
        (format!("kubeadm join --token {JOIN}"), JOIN),
        ("password: \"correct-horse\"".to_owned(), "correct-horse"),
    ]
}

/// One step that says this, by its output or as it fails, and a gate that never opens and shows what it saw.
async fn run(output: Output, state: &Path) -> Told {
    let story = Story::new(LabConfig::new(Scenario::French).sized(1, 0));
    let text = "name: talk\ndescription: x\nphases:\n  - name: talk\n    hosts: masters\n    steps:\n      \
                - run: { command: \"tell me\", as: login }\n    gate: { probes: [api-server], quiet: 0s, interval: 1s, timeout: 3s }\n";
    let playbook = parse_playbook(text, "talk").expect("a playbook");
    let wish = Wish {
        ledger: Some(Ledger::create(state, &RunId::new("r1")).expect("a ledger")),
        ..Wish::default()
    };
    let (facts, plan) = story.plan(&playbook, "all").await;
    story.meddler().on("m1", "tell me", Act::Answer(output.clone()), 9);
    story.meddler().on("m1", "readyz", Act::Answer(output), 99);
    story.execute(facts, plan, wish).await
}

/// Everything that a run leaves behind or shows.
fn sinks(told: &Told, state: &Path) -> Vec<(&'static str, String)> {
    let directory = state.join("runs/r1");
    let events: Vec<Event> = Ledger::read(&directory).expect("the ledger is whole");
    let read = report::run_report(&RunFiles {
        events: &events,
        before: None,
        after: None,
        missing: Vec::new(),
    });
    let style = Style::plain(200);
    let mut lines = report::LineReporter::new(Vec::new(), style).verbose(true);
    let mut state = RunState::default();
    for event in &told.events {
        state.apply(event);
        lines.event(event);
    }
    let json: Vec<String> = told.events.iter().map(report::event_line).collect();
    let ledger = std::fs::read_to_string(directory.join("ledger.jsonl")).expect("a ledger");
    vec![
        ("the ledger", ledger),
        ("--output json", json.join("\n")),
        ("the screen", format!("{lines:?}")),
        ("the summary", report::summary(&state, &told.plan, None, &style)),
        ("the text report", report::run_text(&read, &style)),
        ("the JSON report", report::run_json(&read)),
        ("the JUnit report", report::run_junit(&read)),
        ("the HTML report", report::run_html(&read).expect("a page")),
    ]
}

fn played(output: Output, state: &Path) -> Told {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(run(output, state))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_secret_is_kept_or_shown(
        which in 0usize..10, before in 0usize..5000, after in 0usize..5000, code in 0u32..2, on_stderr in any::<bool>(), cut in 0usize..400,
    ) {
        let (text, secret) = secrets().swap_remove(which);
        let said = format!("{}\n{text}\n{}", "a ".repeat(before / 2), "b ".repeat(after / 2));
        // The wire keeps the end of what is too long: a block may have lost its head.
        let said = if secret == BODY { said[cut.min(before)..].to_owned() } else { said };
        let output = if on_stderr { Output::new(code, "", said) } else { Output::new(code, said, "") };
        let state = tempfile::tempdir().expect("a directory");
        let told = played(output, state.path());
        if after < 1000 {
            let ledger = std::fs::read_to_string(state.path().join("runs/r1/ledger.jsonl")).expect("a ledger");
            prop_assert!(ledger.contains("masked"), "it was never heard: {ledger}");
        }
        for (sink, text) in sinks(&told, state.path()) {
            prop_assert!(!text.contains(secret), "{secret} is in {sink}:\n{text}");
        }
    }
}

/// Where else a host can say something: a journal, kubectl, and the script of the facts.
#[derive(Debug, Clone, Copy)]
enum Source {
    Journal,
    ReadyZ,
    Nodes,
    NodeCondition,
    FactsFailed,
    Facts,
}

const SOURCES: [Source; 6] = [
    Source::Journal,
    Source::ReadyZ,
    Source::Nodes,
    Source::NodeCondition,
    Source::FactsFailed,
    Source::Facts,
];

/// Journal line of a kubelet that writes down what it was refused with.
fn journal_line(text: &str) -> String {
    let message = format!(
        "E1122 19:00:00.000000 1 reflector.go:125] Failed to list *v1.Node: x509: certificate has expired or is not yet valid: {text}"
    );
    serde_json::json!({"MESSAGE": message, "SYSLOG_IDENTIFIER": "kubelet", "_SYSTEMD_UNIT": "kubelet.service"})
        .to_string()
}

fn answers(source: Source, text: &str) -> (&'static str, Output) {
    let condition = serde_json::json!({"items": [{"metadata": {"name": "m1"}, "spec": {}, "status": {"addresses": [
        {"type": "Hostname", "address": "m1"}], "conditions": [{"type": "Ready", "status": "False", "message": text}]}}]});
    match source {
        Source::Journal => ("journalctl", Output::new(0, journal_line(text), "")),
        Source::ReadyZ => ("readyz", Output::new(1, "", text)),
        Source::Nodes => ("get nodes", Output::new(1, "", text)),
        Source::NodeCondition => ("get nodes", Output::new(0, condition.to_string(), "")),
        Source::FactsFailed => ("certfleet:facts", Output::new(1, "", text)),
        Source::Facts => (
            "certfleet:facts",
            Output::new(0, format!("uid\t0\nos\t{text}\nkubeadm\t{text}\n"), ""),
        ),
    }
}

/// Everything that `check`, `journal` and a dry run show or keep of such a host.
async fn looked_at(source: Source, text: &str) -> Vec<(&'static str, String)> {
    let story = Story::new(LabConfig::new(Scenario::Healthy).sized(1, 0));
    let (line, output) = answers(source, text);
    story.meddler().on("m1", line, Act::Answer(output), 999);
    let transport: Arc<dyn Transport> = Arc::new(story.meddler().clone());
    let (inventory, lab) = (story.lab.inventory(), story.lab.clone());
    let inspected = inspect(&transport, &inventory, &inventory.hosts, &move || lab.wall_clock()).await;
    let found = examine(&inspected, Thresholds::default(), "inventory.yaml");
    let (facts, plan) = story.plan_strategy(None, "all").await;
    let style = Style::plain(200);
    let view = |by| CheckView {
        by,
        only_problems: false,
    };
    let record = parse_line(journal_line(text).as_bytes());
    let entry = JournalLine {
        at: None,
        host: "m1",
        class: "expired",
        effect: "block",
        message: &record.message,
    };
    vec![
        (
            "what check has gathered",
            serde_json::to_string(&inspected).expect("JSON"),
        ),
        ("check by host", report::check_text(&found, view(GroupBy::Host), &style)),
        (
            "check by certificate",
            report::check_text(&found, view(GroupBy::Certificate), &style),
        ),
        ("check in JSON", report::check_json(&found)),
        ("check in HTML", report::check_html(&found).expect("a page")),
        ("check for Prometheus", report::check_prometheus(&found)),
        ("the journal", report::journal_line(&entry, 12, &style)),
        ("the journal in JSON", report::journal_row(&entry, None, None)),
        ("the plan", report::plan_text(&plan, &style)),
        ("the saved plan", SavedPlan::new(plan, facts).to_json()),
    ]
}

#[test]
fn no_secret_is_in_a_check_a_journal_or_a_saved_plan() {
    let mut heard = 0;
    for (text, secret) in secrets().into_iter().filter(|(_, s)| *s != PASSWORD) {
        for source in SOURCES {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build()
                .expect("a runtime");
            let shown = runtime.block_on(looked_at(source, &text));
            for (sink, told) in &shown {
                assert!(!told.contains(secret), "{source:?}: {secret} is in {sink}:\n{told}");
            }
            let own = shown.iter().filter(|(sink, _)| !sink.starts_with("the journal"));
            heard += usize::from(own.clone().any(|(_, told)| told.contains("masked]")));
        }
    }
    // Of kubectl's answers `check` asks for none of these, and a plan keeps the first trouble alone.
    assert!(heard >= 9 * (SOURCES.len() - 1), "only {heard} were ever heard");
}

#[test]
fn what_is_kept_is_for_its_owner_alone() {
    let state = tempfile::tempdir().expect("a directory");
    let told = played(Output::new(0, "fine", ""), state.path());
    assert!(!told.events.is_empty());
    let mode = |name: &str| {
        let path = state.path().join(name);
        std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    };
    assert_eq!(
        (mode("runs"), mode("runs/r1"), mode("runs/r1/ledger.jsonl")),
        (0o700, 0o700, 0o600)
    );
}
