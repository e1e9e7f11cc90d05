//! Two people at one cluster, each with a machine of their own: what one of them read or left is old when the other has been there.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{Background, Ended, Lab, PATIENCE, Terminal, run};
use crate::renewal::hurried;

/// A step that goes on for a while after it was left.
const SLOW: &str = "name: slow\ndescription: x\nphases:\n  - name: slow\n    hosts: masters\n    steps:\n      - run: { command: sleep 5 }\n    \
                    gate: { probes: [nodes], quiet: 0s, interval: 500ms, timeout: 20s }\n";

/// The same command on another machine, so to say: with its own state directory.
fn elsewhere(lab: &Lab, args: &[&str]) -> Command {
    let mut command = lab.command(args);
    command.env("CERTFLEET_STATE_DIR", lab.home.path().join("elsewhere"));
    command
}

fn ended(mut command: Command) -> Ended {
    command.output().expect("certfleet starts").into()
}

#[test]
fn a_plan_and_a_run_are_old_once_somebody_else_has_renewed_the_cluster() {
    let lab = Lab::up("seed", 1, 1);
    let file = lab.write("hurried.yaml", &hurried());
    let renew = ["renew", "--playbook", &file, "--quiet", "1s"];
    let yes = [&renew[..], &["--yes", "--output", "json"]].concat();

    let first = Background::start(lab.command(&yes));
    while !first.line().contains("\"phase-started\",\"phase\":\"stop-kubelet\"") {}
    let early = ended(elsewhere(&lab, &renew)).expect(7);
    assert!(
        early.out.is_empty() && early.err.contains("holds this cluster"),
        "it is said before the plan: {early:?}"
    );
    first.signal("INT");
    assert_eq!(first.end().0, Some(6));

    let mut open = Terminal::start(&lab.command(&renew));
    open.wait_for("cluster name:");
    ended(elsewhere(&lab, &yes)).expect(0);
    open.type_in("lab\r");
    let (code, screen) = open.end();
    assert_eq!(code, Some(2), "{screen}");
    assert!(
        screen.contains("ended on this cluster while this plan was read") && screen.contains("Plan again."),
        "{screen}"
    );

    let resumed = run(lab.home.path(), ["resume"]).expect(2);
    assert!(
        resumed.err.contains("another run has ended well on this cluster since")
            && resumed.err.contains("certfleet check"),
        "{resumed:?}"
    );
    assert_eq!(lab.ssh("kubectl get nodes").expect(0).out.matches(" Ready").count(), 2);
    // Who plans again is not in anybody's way.
    let again = lab.run(&yes).expect(0);
    assert!(!again.err.contains("did not end well"), "{again:?}");
}

#[test]
fn a_run_that_was_left_with_a_step_in_flight_keeps_its_lock() {
    let lab = Lab::up("healthy", 1, 0);
    let file = lab.write("slow.yaml", SLOW);
    let mut command = lab.command(&["run", &file, "--yes"]);
    let piped = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = piped.spawn().expect("it starts");
    wait_for_the_step(lab.home.path());
    let sent = Command::new("kill")
        .args(["-s", "TERM", &child.id().to_string()])
        .status();
    assert!(sent.expect("kill starts").success());
    let left = Ended::from(child.wait_with_output().expect("it ends")).expect(8);
    assert!(left.err.contains("The lock on the masters stays"), "{left:?}");
    let refused = ended(elsewhere(&lab, &["run", &file, "--yes"])).expect(7);
    assert!(refused.err.contains("holds this cluster"), "{refused:?}");

    let resumed = run(lab.home.path(), ["resume"]).expect(0);
    assert!(resumed.out.contains("SUCCEEDED"), "{resumed:?}");
    let unlocked = lab.run(&["unlock", "--reason", "x"]).expect(0);
    assert!(unlocked.out.contains("m1: was not locked"), "{unlocked:?}");
}

/// Until the only run of this machine has begun one.
fn wait_for_the_step(home: &Path) {
    let until = Instant::now() + PATIENCE;
    let begun = || {
        let run = std::fs::read_dir(home.join("state/runs")).ok()?.next()?.ok()?;
        let ledger = std::fs::read_to_string(run.path().join("ledger.jsonl")).ok()?;
        ledger.contains("step-started").then_some(())
    };
    while begun().is_none() {
        assert!(Instant::now() < until, "no step began");
        std::thread::sleep(Duration::from_millis(50));
    }
}
