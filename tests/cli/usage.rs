//! Wrong usage, and commands that need no fleet.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use crate::harness::{Ended, certfleet, run};

fn in_home<const N: usize>(home: &Path, args: [&str; N]) -> Ended {
    run(home, args)
}

#[test]
fn wrong_usage_is_2_and_says_what_to_do() {
    let home = tempfile::tempdir().expect("a directory");
    let home = home.path();
    let file = home.join("bad.yaml");
    std::fs::write(&file, "cluster: prod\nmasters:\n  host: [m1]\n").expect("it can be written");
    let file = file.to_string_lossy();

    let unknown = in_home(home, ["renew", "--dryrun", "-i", &file]).expect(2);
    assert!(unknown.err.contains("--dry-run"), "{}", unknown.err);
    let bad = in_home(home, ["renew", "-i", &file]).expect(2);
    assert!(
        bad.err.contains("bad.yaml:3:3") && bad.err.contains("hosts"),
        "{}",
        bad.err
    );
    let bad = in_home(home, ["check", "-i", &file]).expect(3);
    assert!(bad.out.is_empty() && bad.err.contains("bad.yaml:3:3"), "{bad:?}");
    in_home(home, ["check", "--nonsense"]).expect(3);
    let none = in_home(home, ["playbooks", "renw"]).expect(2);
    assert!(none.err.contains("renew, "), "{}", none.err);
    in_home(home, ["lab", "up", "--scenario", "nonsense"]).expect(2);
    let both = ["renew", "-i", &file, "--playbook", "restart", "--strategy", "rolling"];
    let both = in_home(home, both).expect(2);
    assert!(
        both.err.contains("--strategy") && both.err.contains("--playbook"),
        "{}",
        both.err
    );
}

#[test]
fn a_limit_must_mean_a_host() {
    let home = tempfile::tempdir().expect("a directory");
    let inventory = concat!(env!("CARGO_MANIFEST_DIR"), "/inventories/ha-stacked.yaml");
    let stray = in_home(home.path(), ["inventory", "-i", inventory, "--limit", "nosuch"]).expect(2);
    assert!(stray.err.contains("nosuch"), "{}", stray.err);
    in_home(home.path(), ["inventory", "-i", inventory, "--limit", "all,!all"]).expect(2);
    let json = in_home(
        home.path(),
        ["inventory", "-i", inventory, "--limit", "masters", "-o", "json"],
    )
    .expect(0);
    let json: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    let hosts = json["hosts"].as_array().expect("a list");
    assert!(
        !hosts.is_empty() && hosts.iter().all(|h| h["role"] == "control-plane"),
        "{json}"
    );
}

#[test]
fn masters_that_do_not_answer_are_5() {
    let home = tempfile::tempdir().expect("a directory");
    let file = home.path().join("dead.yaml");
    // Port 1 of loopback: nobody listens there.
    let text = "cluster: dead\nssh: { config: none, connect-timeout: 2s }\nmasters:\n  hosts: [{ name: m1, address: 127.0.0.1, ssh: { port: 1 } }]\n";
    std::fs::write(&file, text).expect("it can be written");
    let ended = in_home(home.path(), ["renew", "--yes", "-i", &file.to_string_lossy()]).expect(5);
    assert!(ended.err.contains("Nothing was changed"), "{}", ended.err);
}

#[test]
fn papers_for_shells_and_editors_are_printed() {
    let home = tempfile::tempdir().expect("a directory");
    let completions = in_home(home.path(), ["completions", "bash"]).expect(0).out;
    assert!(completions.contains("complete -F _certfleet"));
    let man = in_home(home.path(), ["man"]).expect(0).out;
    assert!(man.starts_with(".ie") && man.contains("CERTFLEET RENEW"), "{man}");
    for (of, kept) in [
        ("inventory", include_str!("../../docs/reference/inventory.schema.json")),
        ("playbook", include_str!("../../docs/reference/playbook.schema.json")),
    ] {
        assert_eq!(
            in_home(home.path(), ["schema", of]).expect(0).out.trim_end(),
            kept.trim_end()
        );
    }
    let renew = in_home(home.path(), ["playbooks", "renew"]).expect(0).out;
    assert_eq!(renew, include_str!("../../playbooks/renew.yaml"));
}

#[test]
fn a_pipe_of_journal_lines_is_classified_line_by_line() {
    let home = tempfile::tempdir().expect("a directory");
    let mut command = certfleet(home.path());
    command.args(["journal", "--file", "-", "--output", "jsonl"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let lines = "-- Logs begin at Sun 2020-08-09 --\n\
        Aug 09 13:46:38 KubeMaster kubelet[16214]: E0809 13:46:38.476674 16214 reflector.go:125] Failed to list *v1.Pod: Get https://192.168.140.66:6443/api/v1/pods: x509: certificate has expired or is not yet valid\n\
        ao\u{fb}t 09 13:46:38 KubeMaster kubelet[16214]: E0809 13:46:38.532150 16214 kubelet.go:2248] node \"kubemaster\" not found\n";
    let mut input = child.stdin.take().expect("it is piped");
    input.write_all(lines.as_bytes()).expect("it reads");
    drop(input);
    let ended = Ended::from(child.wait_with_output().expect("it ends")).expect(0);
    let rows: Vec<serde_json::Value> = ended
        .out
        .lines()
        .map(|l| serde_json::from_str(l).expect("JSON"))
        .collect();
    let row = |n: usize| {
        (
            rows[n]["line"].as_u64(),
            rows[n]["class"].as_str(),
            rows[n]["effect"].as_str(),
        )
    };
    assert_eq!(rows.len(), 3, "{}", ended.out);
    assert_eq!(row(0).0, Some(1));
    assert_eq!(row(1), (Some(2), Some("expired"), Some("block")));
    assert_eq!(row(2).1, Some("node_not_found"));
    assert!(rows[1]["remedy"].is_string());
}
