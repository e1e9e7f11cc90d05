//! Runs that are kept: a saved plan and its refusal, what is told of a run afterwards, and a run that is put back, stopped, killed and
//! gone on with. One fleet, in the order in which a person meets it.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::harness::{Background, Ended, Lab, run};
use crate::renewal::hurried;

/// Files alone: a second, and a backup to go back to.
const FILES: &str = "name: files\ndescription: x\nphases:\n  - name: files\n    hosts: masters\n    steps: [backup, renew-certificates]\n    \
                     gate: { probes: [certificates-on-disk], quiet: 0s, interval: 500ms, timeout: 1m }\n";

/// Verbs that need no inventory.
fn told(lab: &Lab, args: &[&str]) -> Ended {
    run(lab.home.path(), args)
}

/// The ids of all runs, oldest first.
fn ids(lab: &Lab) -> Vec<String> {
    let text = told(lab, &["runs", "--output", "json"]).expect(0).out;
    let table: Value = serde_json::from_str(&text).expect("JSON");
    let rows = table.as_array().or(table["runs"].as_array()).expect("a list").clone();
    rows.iter()
        .map(|r| r["run"].as_str().expect("an id").to_owned())
        .collect()
}

fn latest(lab: &Lab) -> String {
    ids(lab).iter().max().expect("a run").clone()
}

/// Serial of the API server's file on m1.
fn serial(lab: &Lab) -> String {
    let check = lab.run(&["check", "--output", "json"]);
    let json: Value = serde_json::from_str(&check.out).expect("JSON");
    let rows = json["certificates"].as_array().expect("a list").clone();
    let file = |r: &&Value| r["host"] == "m1" && r["name"] == "apiserver" && r["subject"] == "file";
    rows.iter().find(file).expect("a row")["serial"].to_string()
}

#[test]
fn a_run_is_saved_applied_told_put_back_stopped_killed_and_gone_on_with() {
    let lab = Lab::up("healthy", 1, 1);
    let before = serial(&lab);
    let applied = a_saved_plan_runs_on_the_hosts_that_it_was_made_for(&lab);
    assert_ne!(serial(&lab), before);
    every_form_tells_the_run(&lab, &applied);
    let back = lab
        .run(&["rollback", applied.as_str(), "--yes", "--quiet", "1s"])
        .expect(0);
    assert!(back.out.contains("SUCCEEDED"), "{back:?}");
    assert_eq!(serial(&lab), before, "the old files are back");
    stopped_killed_and_gone_on_with(&lab);
    assert_ne!(serial(&lab), before);
    assert_eq!(lab.ssh("kubectl get nodes").expect(0).out.matches(" Ready").count(), 2);
}

/// Gives the id of the run.
fn a_saved_plan_runs_on_the_hosts_that_it_was_made_for(lab: &Lab) -> String {
    let files = lab.write("files.yaml", FILES);
    let plan = lab.home.path().join("plan.json").display().to_string();
    let saved = lab
        .run(&["renew", "--playbook", &files, "--dry-run", "--out", &plan])
        .expect(0);
    assert!(
        saved.err.contains(&format!("`certfleet apply {plan}` runs exactly it")),
        "{saved:?}"
    );
    let mode = std::fs::metadata(&plan).expect("the plan").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "it is its owner's alone");
    assert!(ids(lab).is_empty(), "nothing has run");

    let edited = lab.home.path().join("edited.json").display().to_string();
    let text = std::fs::read_to_string(&plan)
        .expect("text")
        .replace("\"m1\"", "\"m9\"");
    std::fs::write(&edited, text).expect("it can be written");
    let refused = lab.run(&["apply", &edited, "--yes"]).expect(2);
    assert!(refused.err.contains("edited.json: "), "{refused:?}");

    lab.ssh("sudo systemctl stop kubelet").expect(0);
    let refused = lab.run(&["apply", &plan, "--yes"]).expect(2);
    assert!(
        refused.err.contains("m1: kubelet.service: was active, is inactive"),
        "{refused:?}"
    );
    assert!(refused.err.contains("the plan no longer fits the hosts"), "{refused:?}");
    assert!(ids(lab).is_empty(), "and nothing was begun");
    lab.ssh("sudo systemctl start kubelet").expect(0);

    died_before_its_first_line(lab, &plan);
    let resumed = told(lab, &["resume"]).expect(0);
    assert!(
        resumed.err.contains("did not begin anything. It begins now") && resumed.out.contains("SUCCEEDED"),
        "{resumed:?}"
    );
    // What the run has renewed is another serial than the plan's.
    let refused = lab.run(&["apply", &plan, "--yes"]).expect(2);
    assert!(refused.err.contains("m1: serial of apiserver: was "), "{refused:?}");

    let forced = FILES.replace("renew-certificates]", "renew-certificates: { force: true }]");
    let forced = lab.write("forced.yaml", &forced);
    lab.run(&["run", &forced, "--dry-run", "--out", &plan]).expect(0);
    let done = lab.run(&["apply", &plan, "--yes"]).expect(0);
    assert!(done.out.contains("SUCCEEDED"), "{done:?}");
    ids(lab).iter().min().expect("the first run").clone()
}

/// What is on disk of a run that was agreed to, and killed before its ledger had a line.
fn died_before_its_first_line(lab: &Lab, plan: &str) {
    let saved: Value = serde_json::from_str(&std::fs::read_to_string(plan).expect("text")).expect("JSON");
    let run = lab.home.path().join("state/runs/20200101T000000Z-files-0000");
    std::fs::create_dir_all(&run).expect("a directory");
    let inventory = lab.path("inventory.yaml").display().to_string();
    for (name, text) in [
        ("ledger.jsonl", String::new()),
        ("plan.json", saved["plan"].to_string()),
        ("facts.json", saved["facts"].to_string()),
        ("inventory.path", inventory),
    ] {
        std::fs::write(run.join(name), text).expect("it can be written");
    }
}

fn every_form_tells_the_run(lab: &Lab, id: &str) {
    let table = told(lab, &["runs"]).expect(0).out;
    assert!(table.contains(id) && table.contains("succeeded"), "{table}");
    let report = |form: &str| told(lab, &["report", id, "--output", form]).expect(0).out;
    let text = report("text");
    assert!(
        text.contains(id) && text.starts_with("files on cluster lab: succeeded") && text.contains("apiserver"),
        "{text}"
    );
    let json: Value = serde_json::from_str(&report("json")).expect("JSON");
    assert_eq!(json["run"], id, "{json}");
    let junit = report("junit");
    assert!(junit.starts_with("<?xml") && junit.contains("<testsuite"), "{junit}");
    let html = report("html");
    assert!(html.starts_with("<!doctype html>") && html.contains(id), "{html}");
    for text in [text, json.to_string(), junit, html] {
        assert!(!text.contains("PRIVATE KEY"));
    }
    let unknown = told(lab, &["report", "nothing-like-it"]).expect(2);
    assert!(unknown.err.contains("certfleet runs"), "{unknown:?}");
}

/// Reads lines until one has the word.
fn until(run: &Background, word: &str) {
    while !run.line().contains(word) {}
}

fn stopped_killed_and_gone_on_with(lab: &Lab) {
    let book = lab.write("hurried.yaml", &hurried());
    let renew = [
        "renew",
        "--playbook",
        &book,
        "--yes",
        "--quiet",
        "1s",
        "--output",
        "json",
    ];
    let first = Background::start(lab.command(&renew));
    until(&first, "\"phase-started\",\"phase\":\"stop-kubelet\"");
    first.signal("INT");
    let (code, lines) = first.end();
    assert_eq!(code, Some(6), "{lines:#?}");
    let id = latest(lab);
    assert!(id.contains("-renew-"), "{id}");

    let mut resume = crate::harness::certfleet(lab.home.path());
    resume.args(["resume", &id, "--output", "json"]);
    let second = Background::start(resume);
    until(&second, "\"phase-started\",\"phase\":\"stop-runtime\"");
    second.signal("KILL");
    assert_eq!(second.end().0, None, "by the signal");

    // From another machine, so to say: its own state directory.
    let mut elsewhere = lab.command(&renew);
    elsewhere.env("CERTFLEET_STATE_DIR", lab.home.path().join("elsewhere"));
    let refused = Ended::from(elsewhere.output().expect("certfleet starts")).expect(7);
    assert!(
        refused.err.contains(&format!("run {id} of ")) && refused.err.contains("holds this cluster"),
        "{refused:?}"
    );

    let kept = lab.run(&["unlock", "--reason", " "]).expect(2);
    assert!(kept.err.contains("`--reason` is empty"), "{kept:?}");
    let freed = lab.run(&["unlock", "--reason", "its machine is gone"]).expect(0);
    assert!(freed.out.contains(&format!("m1: freed; run {id} of ")), "{freed:?}");

    let table = told(lab, &["runs"]).expect(0).out;
    assert!(table.contains("not finished"), "{table}");
    let done = told(lab, &["resume"]).expect(0);
    assert!(done.out.contains("SUCCEEDED"), "{done:?}");
    let nothing = told(lab, &["resume", &id]).expect(0);
    assert!(nothing.err.contains("there is nothing to resume"), "{nothing:?}");
}
