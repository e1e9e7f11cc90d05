//! A real renewal over real SSH: events, the lock, Ctrl-C, and going on afterwards.

use crate::harness::{Background, Lab, ignoring};

/// The built-in playbook with the patience of a test.
pub(crate) fn hurried() -> String {
    include_str!("../../playbooks/renew.yaml")
        .replace("grace: 3m", "grace: 2s")
        .replace("interval: 5s", "interval: 500ms")
        .replace("quiet: 20s", "quiet: 1s\n      interval: 500ms")
}

/// The run that follows such a playbook, for programs to read.
fn renew(playbook: &str) -> [&str; 8] {
    [
        "renew",
        "--playbook",
        playbook,
        "--yes",
        "--quiet",
        "1s",
        "--output",
        "json",
    ]
}

#[test]
fn a_run_is_locked_stopped_and_gone_on_with() {
    let lab = Lab::up("seed", 3, 2);
    let file = lab.write("hurried.yaml", &hurried());
    let renew = renew(&file);

    let first = Background::start(lab.command(&renew));
    let started = first.line();
    assert!(started.starts_with("{\"seq\":1,"), "{started}");
    let second = lab.run(&renew).expect(7);
    assert!(
        second.out.is_empty() && second.err.contains("another run holds the lock"),
        "{second:?}"
    );
    first.signal("INT");
    let (code, lines) = first.end();
    assert_eq!(code, Some(6), "{lines:#?}");
    assert!(
        lines.last().is_some_and(|l| l.contains("\"end\":\"aborted\"")),
        "{lines:#?}"
    );

    let again = lab.run(&renew).expect(0);
    for (number, line) in (1_u64..).zip(again.out.lines()) {
        let event: serde_json::Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(event["seq"], number, "{line}");
    }
    let last: serde_json::Value = again
        .out
        .lines()
        .last()
        .and_then(|l| serde_json::from_str(l).ok())
        .expect("JSON");
    assert_eq!(
        (&last["event"], &last["end"]),
        (&"run-finished".into(), &"succeeded".into())
    );
    assert!(!again.out.contains("PRIVATE KEY"));

    // Only the complaints of the last ten minutes, from before the run, are left.
    let check = lab.run(&["check"]);
    assert!(
        matches!(check.code, Some(0 | 1)) && !check.out.contains("CRITICAL:"),
        "{check:#?}"
    );
    assert!(lab.ssh("kubectl get nodes").expect(0).out.matches(" Ready").count() == 5);
    assert!(lab.ssh("kubectl get pods -A").expect(0).out.contains("calico-node"));
}

/// `nohup certfleet renew --yes &`, and the terminal is closed.
#[test]
fn a_run_that_ignores_the_end_of_its_terminal_goes_on() {
    let lab = Lab::up("healthy", 1, 1);
    let file = lab.write("hurried.yaml", &hurried());
    let run = Background::start(ignoring("HUP", &lab.command(&renew(&file))));
    run.line();
    run.signal("HUP");
    let (code, lines) = run.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    let last = lines.last().expect("events");
    assert!(last.contains("\"end\":\"succeeded\""), "{last}");
}

/// Nothing runs on these hosts, and no kubelet can start: over real SSH, with the real scripts' names and arguments.
#[test]
fn kubelets_whose_own_certificates_expired_come_back() {
    let lab = Lab::up("kubelet-expired", 1, 1);
    let file = lab.write("hurried.yaml", &hurried());
    let plan = lab.run(&["renew", "--playbook", &file, "--dry-run"]).expect(0);
    assert!(plan.out.contains("on m1, which signs the request:"), "{}", plan.out);
    let run = lab
        .run(&["renew", "--playbook", &file, "--yes", "--quiet", "1s"])
        .expect(0);
    assert!(
        run.out.contains("a certificate for system:node:w1") || run.err.contains("a certificate for system:node:w1"),
        "{run:?}"
    );
    assert!(!run.out.contains("PRIVATE KEY") && !run.err.contains("PRIVATE KEY"));
    assert!(lab.ssh("kubectl get nodes").expect(0).out.matches(" Ready").count() == 2);
}

/// The first etcd host signs for the others and for the master: over real SSH, with the real scripts' names and arguments.
#[test]
fn an_expired_cluster_with_its_own_etcd_comes_back_over_ssh() {
    let lab = Lab::up_with("expired", 1, 1, 3);
    let file = lab.write("hurried.yaml", &hurried());
    let plan = lab.run(&["renew", "--playbook", &file, "--dry-run"]).expect(0);
    for line in [
        "renew apiserver-etcd-client, signed on e1",
        "on e1, which signs the request:",
    ] {
        assert!(plan.out.contains(line), "{line}: {}", plan.out);
    }
    let renew = renew(&file);
    let run = lab.run(&renew).expect(0);
    assert!(run.out.contains("signed on e1"), "{}", run.out);
    assert!(!run.out.contains("PRIVATE KEY") && !run.err.contains("PRIVATE KEY"));
    let check = lab.run(&["check", "--limit", "etcd"]);
    assert!(!check.out.contains("CRITICAL:"), "{}", check.out);
    assert!(lab.ssh("kubectl get nodes").expect(0).out.matches(" Ready").count() == 2);
}

/// A worker is emptied by a master's kubectl before it is restarted, and let back afterwards.
#[test]
fn a_playbook_drains_its_workers_over_ssh() {
    let lab = Lab::up("healthy", 1, 2);
    let file = lab.write("drain.yaml", include_str!("../scenarios/drain.yaml"));
    let plan = lab.run(&["run", &file, "--dry-run"]).expect(0).out;
    for words in ["drain the node", "on m1, on behalf of the node:", "uncordon the node"] {
        assert!(plan.contains(words), "{words}: {plan}");
    }
    assert!(
        plan.find("gate  ") < plan.find("uncordon the node"),
        "a node is let back behind the gate: {plan}"
    );
    let run = lab
        .run(&["run", &file, "--yes", "--quiet", "1s", "--output", "json"])
        .expect(0);
    for step in ["workers/w1/0-drain", "workers/w2/5-uncordon"] {
        let done = |l: &&str| l.contains("step-finished") && l.contains(step) && l.contains("\"changed\"");
        assert!(run.out.lines().any(|l| done(&l)), "{step}: {}", run.out);
    }
    let nodes = lab.ssh("kubectl get nodes").expect(0).out;
    assert!(
        nodes.matches(" Ready").count() == 3 && !nodes.contains("SchedulingDisabled"),
        "{nodes}"
    );
}

/// No playbook and no strategy is named: the facts choose, and the second time they leave nothing.
#[test]
fn a_healthy_cluster_is_renewed_by_the_order_that_its_facts_choose_and_then_left_alone() {
    let lab = Lab::up("healthy", 3, 1);
    let renew = ["renew", "--yes", "--quiet", "1s", "--grace", "2s"];
    let first = lab.run(&renew).expect(0);
    for words in [
        "strategy rolling: one master at a time (chosen from the facts)",
        "SUCCEEDED: rolling on cluster lab",
    ] {
        assert!(first.out.contains(words), "{words}: {}", first.out);
    }
    assert_eq!(lab.ssh("kubectl get nodes").expect(0).out.matches(" Ready").count(), 4);
    let again = lab.run(&renew).expect(0);
    assert!(again.out.contains("NOTHING TO DO"), "{}", again.out);
    lab.run(&["check"]).expect(0);
}
