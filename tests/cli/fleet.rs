//! `lab up` in one terminal, looking from another: nothing here changes a host.

use crate::harness::{Background, Ended, Lab, after};

#[test]
fn plain_openssh_finds_the_hosts_of_the_story() {
    let lab = Lab::up("seed", 3, 1);
    assert_eq!(lab.ssh("systemctl is-active kubelet").expect(0).out, "active\n");
    assert!(
        lab.ssh("systemctl status kubelet")
            .expect(0)
            .out
            .contains("active (running)")
    );
    let journal = lab.ssh("journalctl -u kubelet -n 5").expect(0).out;
    assert!(journal.contains("x509: certificate has expired"), "{journal}");
    let table = lab.ssh("sudo kubeadm alpha certs check-expiration").expect(0).out;
    assert!(
        table.contains("apiserver") && (table.contains("218d") || table.contains("219d")),
        "{table}"
    );
    for what in ["nodes", "pods"] {
        let dead = lab.ssh(&format!("kubectl get {what}")).expect(1);
        assert!(
            dead.err.contains("x509: certificate has expired or is not yet valid"),
            "{}",
            dead.err
        );
    }
    lab.ssh("frobnicate").expect(127);
    assert_eq!(lab.down(), (Some(0), Vec::new()));
}

#[test]
fn looking_and_planning_change_nothing() {
    let lab = Lab::up("seed", 3, 5);
    let serials = || {
        let json = lab.run(&["check", "--output", "json"]).expect(2).out;
        let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
        let rows = json["certificates"].as_array().expect("a list").clone();
        // What a process makes in memory is new with each of its own restarts.
        let kept = rows.iter().filter(|r| r["name"] != "self-made");
        kept.map(|r| format!("{} {} {} {}", r["host"], r["name"], r["process"], r["serial"]))
            .collect::<Vec<_>>()
    };
    let before = serials();

    let plan = lab
        .run(&["renew", "--drain", "--dry-run", "--output", "json"])
        .expect(0);
    let plan: serde_json::Value = serde_json::from_str(&plan.out).expect("one JSON object");
    assert_eq!(plan["asked-with"], "certfleet renew --drain");
    assert_eq!(plan["cluster"], "lab");
    assert!(plan["phases"].as_array().is_some_and(|p| p.len() >= 7), "{plan}");
    let refused = lab.run(&["renew", "--output", "json"]).expect(2);
    assert!(refused.out.is_empty() && refused.err.contains("--yes"), "{refused:?}");
    lab.run(&["renew"]).expect(2);
    // A playbook without steps only asks its gates, so nobody has to say yes; on the dead cluster they fail.
    let only_gate = "name: ask\nphases:\n  - name: in-use\n    hosts: masters\n    gate: { probes: [certificates-in-use], quiet: 0s, interval: 500ms, timeout: 2s }\n";
    let file = lab.write("ask.yaml", only_gate);
    let failed = lab.run(&["renew", "--playbook", &file]).expect(4);
    assert!(
        failed.out.contains("A GATE FAILED") || failed.err.contains("A GATE FAILED"),
        "{failed:?}"
    );

    assert_eq!(before, serials());
}

#[test]
fn one_command_on_all_hosts_is_answered_once() {
    let lab = Lab::up("healthy", 1, 5);
    let same = lab
        .run(&["exec", "--limit", "workers", "--", "systemctl", "is-active", "kubelet"])
        .expect(0);
    assert!(same.out.starts_with("w[1-5] (5)"), "{}", same.out);
    assert_eq!(same.out.matches("active").count(), 1);
    let root = lab.run(&["exec", "--root", "--limit", "m1", "--", "id -u"]).expect(0);
    assert!(root.out.contains('0'), "{}", root.out);
    lab.run(&["exec", "--", "no-such-command"]).expect(3);

    lab.run(&["check"]).expect(0);
    lab.run(&["check", "--warn", "9000d"]).expect(1);
    let steps = lab.write(
        "broken.yaml",
        "name: broken\nphases:\n  - name: one\n    hosts: m1\n    steps: [run: { command: \"no-such-command\" }]\n    gate: { probes: [unit: { name: kubelet, state: active }], quiet: 0s, timeout: 10s }\n",
    );
    let failed = lab.run(&["run", &steps, "--yes"]);
    assert_eq!(failed.code, Some(3), "{failed:#?}");

    let read = lab.run(&["journal", "--since", "1h", "--output", "jsonl"]).expect(0);
    assert!(
        read.out
            .lines()
            .all(|l| serde_json::from_str::<serde_json::Value>(l).is_ok()),
        "{}",
        read.out
    );
}

#[test]
fn following_the_journals_ends_with_ctrl_c() {
    let lab = Lab::up("seed", 1, 1);
    let read = lab.run(&["journal", "--only-signs"]).expect(0);
    assert!(read.out.contains("expired") && read.out.contains("w1"), "{}", read.out);
    let follow = Background::start(lab.command(&["journal", "--follow"]));
    let first = follow.line();
    assert!(
        first.contains("expired") || first.contains("m1") || first.contains("w1"),
        "{first}"
    );
    follow.signal("INT");
    assert_eq!(follow.end().0, Some(0));
}

/// Twenty hosts, and a shell that allows fewer open files: what the system allows is taken, and where it allows no more, no host is blamed.
#[test]
fn a_fleet_may_have_more_hosts_than_the_shell_allows_files() {
    let lab = Lab::up("healthy", 1, 20);
    let exec = |limit: &str| -> Ended {
        let command = lab.command(&["exec", "--", "true"]);
        after(limit, &command).output().expect("it starts").into()
    };
    exec("ulimit -Sn 24").expect(0);
    let full = exec("ulimit -n 24");
    let told = format!("{}{}", full.out, full.err);
    assert!(matches!(full.code, Some(3 | 5)), "{full:?}");
    for words in ["this machine gives certfleet no more open files", "LimitNOFILE="] {
        assert!(told.contains(words), "{words}: {told}");
    }
    for words in ["Check that the host is up", "no such file"] {
        assert!(!told.contains(words), "{words}: {told}");
    }
}
