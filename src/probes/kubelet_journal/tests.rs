//! Small tests of the parsers, the table, the stream and the gate's fold.

use std::time::Duration;

use jiff::Timestamp;
use proptest::prelude::*;

use super::facts::{FACTS, MOST_ROWS};
use super::*;

const X509: &str = "E0809 13:46:38.476674   16214 reflector.go:125] k8s.io/kubernetes/pkg/kubelet/config/apiserver.go:47: Failed to list *v1.Pod: Get https://192.168.140.66:6443/api/v1/pods?limit=500: x509: certificate has expired or is not yet valid";
const REGISTERED: &str = "I0809 13:47:38.476674   16214 kubelet_node_status.go:73] Successfully registered node m1";
const REFUSED: &str = "E0809 13:46:39.476674   16214 reflector.go:125] k8s.io/kubernetes/pkg/kubelet/kubelet.go:444: Failed to list *v1.Service: Get https://10.0.0.1:6443/api/v1/services: dial tcp 10.0.0.1:6443: connect: connection refused";
const QUIET: Duration = Duration::from_secs(30);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn record(message: &str) -> Record {
    parse_line(format!("Aug 09 13:46:38 m1 kubelet[16214]: {message}").as_bytes())
}

fn all(text: &str) -> Vec<Verdict> {
    let mut out = Vec::new();
    classify_stream(text.as_bytes(), |line| out.push(line.verdict)).unwrap();
    out
}

#[test]
fn every_needle_compiles_and_has_a_bit() {
    let (needles, bits) = FACTS.size();
    assert!(needles > 100, "the set did not compile");
    assert!(needles <= bits, "{needles} needles in {bits} bits");
    assert!(FACTS.longest() <= MOST_ROWS, "{} rows in one table", FACTS.longest());
}

#[test]
fn blocking_rows_carry_a_remedy() {
    for row in super::phrases::phrases() {
        let needs = matches!(row.effect, Effect::Block | Effect::Fail);
        assert!(!needs || row.remedy.is_some(), "{}", row.rule);
    }
}

#[test]
fn prefixes_of_every_form_give_the_same_message() {
    let forms = include_str!("../../../tests/fixtures/journal/formats/forms.txt");
    let mut seen = 0;
    for line in forms.lines().filter(|line| !line.starts_with('#') && !line.is_empty()) {
        let record = parse_line(line.as_bytes());
        assert_eq!(
            record.message, "E0221 13:46:38.532150   16214 kubelet.go:2248] node \"kubemaster\" not found",
            "{line}"
        );
        assert_eq!(record.host.as_deref(), Some("KubeMaster"), "{line}");
        assert!(
            record
                .ident
                .as_deref()
                .is_some_and(|ident| ident.starts_with("kubelet")),
            "{line}"
        );
        assert_eq!(record.pid, Some(16214), "{line}");
        seen += 1;
    }
    assert!(seen >= 24);
}

#[test]
fn times_are_absolute_where_the_form_carries_year_and_zone() {
    for line in [
        "2020-02-21T14:46:38.536000+0100 h kubelet[1]: x",
        "2020-02-21T13:46:38.536000Z h kubelet[1]: x",
        "1582292798.536000 h kubelet[1]: x",
    ] {
        assert_eq!(
            parse_line(line.as_bytes()).realtime_us,
            Some(1_582_292_798_536_000),
            "{line}"
        );
    }
    assert_eq!(parse_line(b"Feb 21 14:46:38 h kubelet[1]: x").realtime_us, None);
}

#[test]
fn journal_json_gives_all_fields() {
    let line = br#"{"MESSAGE":"hello","__CURSOR":"s=1;i=2","__REALTIME_TIMESTAMP":"1582292798656000","_HOSTNAME":"m1","SYSLOG_IDENTIFIER":"kubelet","_PID":"42","PRIORITY":"3"}"#;
    let record = parse_line(line);
    assert_eq!(
        (record.message.as_str(), record.cursor.as_deref(), record.priority),
        ("hello", Some("s=1;i=2"), Some(3))
    );
    assert_eq!(
        (record.realtime_us, record.pid, record.host.as_deref()),
        (Some(1_582_292_798_656_000), Some(42), Some("m1"))
    );
}

#[test]
fn message_may_be_bytes_values_or_null() {
    let json = |message: &str| format!("{{\"SYSLOG_IDENTIFIER\":\"kubelet\",\"MESSAGE\":{message}}}");
    assert_eq!(parse_line(json("[104,105,255]").as_bytes()).message, "hi\u{fffd}");
    assert_eq!(parse_line(json("[\"a\",\"b\"]").as_bytes()).message, "a\nb");
    let hidden = parse_line(json("null").as_bytes());
    assert_eq!(classify_record(&hidden).effect, Effect::Hold);
}

#[test]
fn notices_are_no_records_and_the_cursor_is_read() {
    let notices = include_str!("../../../tests/fixtures/journal/formats/notices.txt");
    for line in notices.lines().filter(|line| !line.is_empty()) {
        assert_eq!(parse_line(line.as_bytes()).kind, Kind::Notice, "{line}");
    }
    assert_eq!(
        parse_line(b"-- cursor: s=9d18;i=1").cursor.as_deref(),
        Some("s=9d18;i=1")
    );
}

#[test]
fn verbose_and_export_records_are_judged_by_their_message_line() {
    let verbose = format!(
        "Thu 2020-01-09 14:46:38.476000 CET [s=9d;i=1;b=01]\n    _HOSTNAME=m1\n    SYSLOG_IDENTIFIER=kubelet\n    MESSAGE={X509}\n    _PID=1\n"
    );
    let effects: Vec<Effect> = all(&verbose).iter().map(|verdict| verdict.effect).collect();
    assert_eq!(
        effects,
        [
            Effect::Neutral,
            Effect::Neutral,
            Effect::Neutral,
            Effect::Block,
            Effect::Neutral
        ]
    );
    let pretty = "{\n\t\"_PID\" : \"1\",\n\t\"MESSAGE\" : \"Failed while requesting a signed certificate from the master: cannot create certificate signing request: Unauthorized\"\n}\n";
    assert_eq!(
        all(pretty)
            .iter()
            .filter(|verdict| verdict.effect == Effect::Block)
            .count(),
        1
    );
}

#[test]
fn a_units_message_is_never_taken_for_the_rest_of_a_wrapped_line() {
    let fatal = "F1211 18:17:03.334953 14346 server.go:273] failed to run Kubelet: unable to load bootstrap kubeconfig: \
                 stat /etc/kubernetes/bootstrap-kubelet.conf: no such file or directory";
    let text = format!("{fatal}\nkubelet.service: Service RestartSec=600ms expired, scheduling restart.\n");
    let effects: Vec<Effect> = all(&text).iter().map(|v| v.effect).collect();
    assert_eq!(effects, [Effect::Block, Effect::Neutral]);
}

#[test]
fn wrapped_records_are_judged_as_a_whole() {
    let (head, tail) = X509.split_at(X509.len() - 20);
    let verdicts = all(&format!("Aug 09 13:46:38 m1 kubelet[1]: {head}\n{tail}\n{REFUSED}\n"));
    let effects: Vec<Effect> = verdicts.iter().map(|verdict| verdict.effect).collect();
    assert_eq!(effects, [Effect::Block, Effect::Block, Effect::Hold]);
}

#[test]
fn two_records_on_one_line_count_as_the_worse() {
    let glued = format!(
        "{}dial tcp: lookupAug 09 13:46:38 m1 kubelet[1]: {X509}",
        REFUSED.split("dial").next().unwrap()
    );
    assert_eq!(classify(&glued).effect, Effect::Block);
}

#[test]
fn ends_of_line_nuls_and_long_lines_do_not_matter() {
    let padding = "x".repeat(3 << 20);
    let text = format!(
        "{X509}\r\n\0\n{padding}\n{} {padding} x509: certificate signed by unknown authority\n{X509}",
        X509.split("x509").next().unwrap()
    );
    let effects: Vec<Effect> = all(&text).iter().map(|verdict| verdict.effect).collect();
    assert_eq!(
        effects,
        [
            Effect::Block,
            Effect::Neutral,
            Effect::Neutral,
            Effect::Block,
            Effect::Block
        ]
    );
}

#[test]
fn rows_have_exactly_the_promised_fields() {
    let row = jsonl_row(7, &classify(X509));
    assert_eq!(row["line"], 7);
    assert_eq!(row["class"], "expired");
    assert_eq!(row["effect"], "block");
    assert!(row["remedy"].is_string());
    assert_eq!(row.as_object().unwrap().len(), 4);
    assert!(jsonl_row(1, &classify("hello"))["remedy"].is_null());
}

#[test]
fn old_go_cannot_tell_expired_from_not_yet_valid() {
    assert_eq!(classify(X509).ambiguous_with, Some(Class::NotYetValid));
    let new = format!("{X509}: current time 2026-03-10T08:00:05Z is after 2026-03-04T04:20:11Z");
    assert_eq!(classify(&new).ambiguous_with, None);
}

#[test]
fn gate_waits_for_a_sign_silence_is_no_proof() {
    let mut journal = GateJournal::default();
    assert!(matches!(journal.judge(at(600), QUIET), GateView::Waiting { .. }));
    journal.observe(&record(X509), at(1));
    journal.observe(&record(REGISTERED), at(5));
    assert!(matches!(journal.judge(at(20), QUIET), GateView::Waiting { reason } if reason.contains("expired")));
    let GateView::Quiet { positive } = journal.judge(at(31), QUIET) else {
        panic!("should be quiet")
    };
    assert!(positive.contains("Successfully registered"));
}

#[test]
fn gate_does_not_take_a_sign_older_than_the_last_error() {
    let mut journal = GateJournal::default();
    journal.observe(&record(REGISTERED), at(1));
    journal.observe(&record(X509), at(2));
    assert!(matches!(journal.judge(at(500), QUIET), GateView::Waiting { .. }));
}

#[test]
fn gate_takes_a_lease_that_moves_after_the_last_error_for_a_sign() {
    let lease = |second: i64| Timestamp::from_second(1_600_000_000 + second).unwrap();
    let mut journal = GateJournal::default();
    journal.observe(&record(REGISTERED), at(1));
    journal.observe(&record(X509), at(2));
    assert!(!journal.lacks_only_a_sign(at(10), QUIET), "not quiet yet");
    journal.heartbeat(&lease(0), at(30));
    assert!(journal.lacks_only_a_sign(at(40), QUIET));
    journal.heartbeat(&lease(0), at(40));
    assert!(
        matches!(journal.judge(at(41), QUIET), GateView::Waiting { .. }),
        "a lease that stands still says nothing"
    );
    journal.heartbeat(&lease(10), at(45));
    assert!(matches!(journal.judge(at(46), QUIET), GateView::Quiet { positive } if positive.contains("lease")));
    // Renewed after the look at 45, which was before this error.
    journal.observe(&record(X509), at(50));
    journal.heartbeat(&lease(20), at(90));
    assert!(matches!(journal.judge(at(95), QUIET), GateView::Waiting { .. }));
}

#[test]
fn gate_fails_at_once_with_the_remedy() {
    let mut journal = GateJournal::default();
    journal.observe(&record("F0118 17:33:58.888743 1457370 server.go:271] failed to run Kubelet: unable to load bootstrap kubeconfig: stat /etc/kubernetes/bootstrap-kubelet.conf: no such file or directory"), at(3));
    let GateView::Failed { reason, remedy } = journal.judge(at(3), QUIET) else {
        panic!("should have failed")
    };
    assert!(reason.starts_with("bootstrap_failed") && remedy.contains("reissue-kubelet-client"));
}

#[test]
fn gate_ignores_foreign_lines_and_holds_on_unreachable_and_suppressed() {
    let mut journal = GateJournal::default();
    journal.observe(&record(REGISTERED), at(1));
    journal.observe(&record("E0802 10:17:24.172893 1237970 kubelet.go:1787] failed to \"KillPodSandbox\" for \"f0\" with KillPodSandboxError: \"rpc error: code = Unknown desc = failed to destroy network for sandbox \\\"71\\\": plugin type=\\\"calico\\\" failed (delete): error getting ClusterInformation: connection is unauthorized: Unauthorized\""), at(39));
    assert!(matches!(journal.judge(at(40), QUIET), GateView::Quiet { .. }));
    journal.observe(&record(REFUSED), at(41));
    assert!(matches!(journal.judge(at(42), QUIET), GateView::Waiting { .. }));
    assert!(matches!(journal.judge(at(80), QUIET), GateView::Quiet { .. }));
    journal.observe(
        &parse_line(b"Aug 09 13:46:38 m1 systemd-journald[3]: Suppressed 99 messages from kubelet.service"),
        at(81),
    );
    assert!(matches!(journal.judge(at(90), QUIET), GateView::Waiting { reason } if reason.contains("dropped")));
    assert_eq!(journal.counts().values().sum::<u64>(), 4);
}

#[test]
fn gate_gives_up_on_a_kubelet_that_keeps_dying() {
    let mut journal = GateJournal::default();
    let died = parse_line(
        b"Aug 09 13:46:38 m1 systemd[1]: kubelet.service: Main process exited, code=exited, status=1/FAILURE",
    );
    for second in [1, 11, 21] {
        journal.observe(&died, at(second));
        assert!(matches!(journal.judge(at(second), QUIET), GateView::Waiting { .. }));
    }
    journal.observe(&died, at(31));
    assert!(matches!(journal.judge(at(31), QUIET), GateView::Failed { .. }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_bytes_give_one_verdict_per_line(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let lines = bytes.split(|byte| *byte == b'\n').count() - usize::from(bytes.is_empty() || bytes.ends_with(b"\n"));
        let mut seen = Vec::new();
        classify_stream(bytes.as_slice(), |line| seen.push(line.line)).unwrap();
        prop_assert_eq!(seen, (1..=lines).collect::<Vec<_>>());
    }

    #[test]
    fn a_real_line_cut_anywhere_never_panics_and_never_turns_foreign(cut in 0..X509.len()) {
        let line = format!("août 09 13:46:38 m1 kubelet[16214]: {}", &X509[..cut]);
        for verdict in all(&line) {
            prop_assert!(!matches!(verdict.effect, Effect::Foreign | Effect::Positive | Effect::Fail), "{line}: {verdict:?}");
        }
    }
}
