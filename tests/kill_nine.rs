//! The built binary and real processes: `kill -9` at any moment, controllers that meet, terminals that go away. Slow, so
//! by hand: `cargo test --test kill_nine -- --ignored --test-threads 1` (`CERTFLEET_KILLS=50` by default).

#![expect(clippy::expect_used, reason = "a helper of a test fails as the test does")]

#[path = "cli/harness.rs"]
#[expect(dead_code, reason = "the harness serves more than this")]
mod harness;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use harness::{Lab, PATIENCE};
use serde_json::Value;

/// The built-in playbook with the patience of a test.
fn hurried() -> String {
    include_str!("../playbooks/renew.yaml")
        .replace("grace: 3m", "grace: 2s")
        .replace("interval: 5s", "interval: 500ms")
        .replace("quiet: 20s", "quiet: 1s\n      interval: 500ms")
}

fn renew(lab: &Lab, form: &str) -> Command {
    let file = lab.write("hurried.yaml", &hurried());
    lab.command(&["renew", "--playbook", &file, "--yes", "--quiet", "1s", "--output", form])
}

/// The ledger of the only run, as it is on disk.
fn ledger(lab: &Lab) -> Vec<Value> {
    let runs = lab.home.path().join("state/runs");
    let Some(run) = std::fs::read_dir(&runs).ok().and_then(|mut d| d.next()?.ok()) else {
        return Vec::new();
    };
    let text = std::fs::read_to_string(run.path().join("ledger.jsonl")).unwrap_or_default();
    text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect()
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !there() {
        assert!(Instant::now() < until, "{what} did not come");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn has(lab: &Lab, word: &str) -> bool {
    ledger(lab).iter().any(|e| e["event"] == word)
}

/// No step that changed something was begun again, and the cluster is well.
fn assert_done_once(lab: &Lab, context: &str) {
    let mut changed = BTreeSet::new();
    for event in ledger(lab) {
        let step = event["step"].as_str().unwrap_or_default().to_owned();
        match event["event"].as_str() {
            Some("step-started") => assert!(!changed.contains(&step), "{context}: {step} was begun again"),
            Some("step-finished") if event["outcome"] == "changed" => {
                changed.insert(step);
            }
            _ => {}
        }
    }
    let nodes = lab.ssh("kubectl get nodes").expect(0).out;
    assert_eq!(nodes.matches(" Ready").count(), 5, "{context}: {nodes}");
}

/// Reads lines until that many have come, then a little longer, then the end.
fn killed_after(mut child: Child, lines: u64, pause: u64) {
    let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut line = String::new();
    for _ in 0..lines {
        line.clear();
        if out.read_line(&mut line).unwrap_or(0) == 0 {
            break;
        }
    }
    std::thread::sleep(Duration::from_millis(pause));
    // SIGKILL.
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
}

#[test]
#[ignore = "twenty minutes"]
fn killed_at_any_moment_it_is_resumed() {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let kills = number("CERTFLEET_KILLS").unwrap_or(50);
    let mut noise = number("CERTFLEET_SEED").unwrap_or(20_201_122);
    let mut draw = |below: u64| {
        noise = noise
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (noise >> 33) % below
    };
    let started = Instant::now();
    for turn in 0..kills {
        let (lines, pause) = (1 + draw(200), draw(400));
        let lab = Lab::up("seed", 3, 2);
        let child = renew(&lab, "json").stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
        killed_after(child.expect("it starts"), lines, pause);
        let told = ledger(&lab).len();
        let ended = has(&lab, "run-finished");
        let context = format!("kill {turn}: after {lines} lines and {pause} ms, {told} in the ledger");
        let resumed = harness::run(lab.home.path(), ["resume", "--output", "json"]);
        assert_eq!(resumed.code, Some(0), "{context}\n{resumed:#?}");
        assert_done_once(&lab, &context);
        println!("{context}{}", if ended { ", it had ended" } else { "" });
    }
    println!("{kills} kills in {:?}", started.elapsed());
}

#[test]
#[ignore = "half a minute"]
fn two_controllers_meet_at_the_masters() {
    let lab = Lab::up("seed", 3, 2);
    let mut first = renew(&lab, "json")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    wait_for("the first step", || has(&lab, "step-started"));
    let elsewhere = lab.home.path().join("elsewhere");
    let other = |args: &[&str]| {
        let mut command = lab.command(args);
        command.env("CERTFLEET_STATE_DIR", &elsewhere);
        harness::Ended::from(command.output().expect("certfleet starts"))
    };
    let file = lab.write("hurried.yaml", &hurried());
    let again = [
        "renew",
        "--playbook",
        file.as_str(),
        "--yes",
        "--quiet",
        "1s",
        "--output",
        "json",
    ];
    let refused = other(&again).expect(7);
    assert!(refused.err.contains("holds this cluster"), "{refused:?}");
    first.kill().expect("it can be killed");
    first.wait().expect("it ends");
    let refused = other(&again).expect(7);
    assert!(refused.err.contains("certfleet resume"), "{refused:?}");
    let freed = other(&["unlock", "--reason", "its machine is gone"]).expect(0);
    assert!(format!("{}{}", freed.out, freed.err).contains("m1"), "{freed:?}");
    let told = other(&again).expect(0);
    assert!(told.err.contains("did not end well"), "{told:?}");
    assert_eq!(lab.ssh("kubectl get nodes").expect(0).out.matches(" Ready").count(), 5);
}

#[test]
#[ignore = "half a minute"]
fn a_closed_terminal_detaches_and_resume_goes_on() {
    let lab = Lab::up("seed", 3, 2);
    let terminal = harness::Terminal::start(&renew(&lab, "text"));
    wait_for("the outage", || {
        ledger(&lab).iter().any(|e| e["phase"] == "stop-kubelet")
    });
    // The window is closed: `script` dies, and the kernel hangs up its terminal.
    drop(terminal);
    wait_for("the end of the first part", || has(&lab, "run-finished"));
    let end = ledger(&lab)
        .iter()
        .find(|e| e["event"] == "run-finished")
        .expect("an end")["end"]
        .clone();
    assert!(end == "aborted" || end == "stuck", "{end}");
    let resumed = harness::run(lab.home.path(), ["resume"]).expect(0);
    assert!(resumed.out.contains("SUCCEEDED"), "{resumed:?}");
    assert_done_once(&lab, "after a hang-up");
}

#[test]
#[ignore = "half a minute"]
fn a_pipe_that_nobody_reads_does_not_stop_a_run() {
    let lab = Lab::up("seed", 3, 2);
    let mut command = renew(&lab, "json");
    command.arg("-vv");
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    wait_for("the end", || has(&lab, "run-finished"));
    let end = ledger(&lab)
        .iter()
        .find(|e| e["event"] == "run-finished")
        .expect("an end")["end"]
        .clone();
    assert_eq!(end, "succeeded");
    // It does not wait for a reader for ever either.
    wait_for("the end of the process", || {
        child.try_wait().expect("it can be asked").is_some()
    });
    let mut rest = String::new();
    let _ = child.stdout.take().map(|mut out| out.read_to_string(&mut rest));
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
#[ignore = "half a minute"]
fn a_step_that_is_left_alone_is_stuck_and_its_end_is_learnt_later() {
    let lab = Lab::up("healthy", 1, 0);
    let slow = "name: slow\ndescription: x\nphases:\n  - name: slow\n    hosts: masters\n    steps:\n      - run: { command: sleep 6 }\n    \
                gate: { probes: [nodes], quiet: 0s, interval: 500ms, timeout: 20s }\n";
    let file = lab.write("slow.yaml", slow);
    let mut command = lab.command(&["run", &file, "--yes"]);
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    wait_for("the step", || has(&lab, "step-started"));
    let told = Command::new("kill")
        .args(["-s", "TERM", &child.id().to_string()])
        .status();
    assert!(told.expect("kill starts").success());
    assert_eq!(child.wait().expect("it ends").code(), Some(8));
    let resumed = harness::run(lab.home.path(), ["resume"]).expect(0);
    assert!(resumed.out.contains("SUCCEEDED"), "{resumed:?}");
    assert_eq!(ledger(&lab).iter().filter(|e| e["event"] == "step-started").count(), 1);
}

#[test]
#[ignore = "a minute"]
fn a_rollback_brings_the_old_certificates_back_into_use() {
    let lab = Lab::up("healthy", 1, 1);
    let serial = || {
        let json = lab.run(&["check", "--output", "json"]).out;
        let json: Value = serde_json::from_str(&json).expect("JSON");
        let rows = json["certificates"].as_array().expect("a list").clone();
        let mine = rows.iter().filter(|r| r["name"] == "apiserver");
        mine.map(|r| r["serial"].to_string()).collect::<BTreeSet<_>>()
    };
    let old = serial();
    let renewed = renew(&lab, "text").output().expect("it starts");
    assert_eq!(renewed.status.code(), Some(0), "{renewed:?}");
    assert_ne!(serial(), old);
    let back = lab.run(&["rollback", "renew", "--yes", "--quiet", "1s"]);
    assert_eq!(back.code, Some(2), "`renew` is no id: {back:?}");
    let runs = harness::run(lab.home.path(), ["runs", "--output", "json"])
        .expect(0)
        .out;
    let runs: Value = serde_json::from_str(&runs).expect("JSON");
    let id = runs[0]["run"]
        .as_str()
        .or(runs["runs"][0]["run"].as_str())
        .expect("an id")
        .to_owned();
    let back = lab
        .run(&["rollback", &id[id.len() - 4..], "--yes", "--quiet", "1s"])
        .expect(0);
    assert!(back.out.contains("SUCCEEDED"), "{back:?}");
    assert_eq!(serial(), old);
}

#[test]
#[ignore = "needs root, for a small disk"]
fn a_disk_that_fills_up_stops_the_run_before_the_next_change() {
    let lab = Lab::up("seed", 3, 2);
    let disk = lab.home.path().join("state");
    std::fs::create_dir(&disk).expect("a directory");
    let mount = |words: &[&str]| {
        Command::new(words[0])
            .args(&words[1..])
            .arg(&disk)
            .status()
            .expect("it starts")
            .success()
    };
    assert!(mount(&["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs"]));
    let refused = harness::Ended::from(renew(&lab, "text").output().expect("it starts"));
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("Nothing was changed"), "{refused:?}");

    assert!(mount(&["mount", "-o", "remount,size=4m"]));
    let child = renew(&lab, "text")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    wait_for("the outage", || {
        ledger(&lab).iter().any(|e| e["phase"] == "stop-runtime")
    });
    let _full = std::fs::write(disk.join("filler"), vec![0; 8 << 20]);
    let stopped = harness::Ended::from(child.wait_with_output().expect("it ends"));
    std::fs::remove_file(disk.join("filler")).expect("it is there");
    let resumed = harness::run(lab.home.path(), ["resume"]);
    let ready = lab.ssh("kubectl get nodes").out.matches(" Ready").count();
    assert!(mount(&["umount", "--lazy"]));
    assert!(
        matches!(stopped.code, Some(3 | 8)) && stopped.out.contains("cannot be written"),
        "{stopped:?}"
    );
    assert_eq!((resumed.code, ready), (Some(0), 5), "{resumed:?}");
}
