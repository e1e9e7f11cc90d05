//! Gates: change before health, signs that never clear, hosts that are taken out, and what must not count.

use certfleet::lab::{CalicoTrouble, Fault, LabConfig, Scenario};
use certfleet::model::exit::RunEnd;
use certfleet::model::playbook::Share;
use certfleet::model::{Outcome, Output, Playbook, RuntimeKind};

use crate::harness::meddler::Act;
use crate::harness::{Story, Told};
use crate::{fault, playbook, ran, renew, small};

fn gate_passed(told: &Told, phase: &str) -> bool {
    told.text()
        .lines()
        .any(|l| l.contains("\"event\":\"gate-passed\"") && l.contains(&format!("\"phase\":\"{phase}\"")))
}

#[tokio::test(start_paused = true)]
async fn a_unit_that_never_stopped_does_not_count_as_started() {
    let story = Story::new(LabConfig::new(Scenario::Healthy).sized(1, 1));
    // The stop is answered, the look after it too, and yet nothing happened on the host.
    let stopped =
        "Id=kubelet.service\nLoadState=loaded\nActiveState=inactive\nSubState=dead\nActiveEnterTimestampMonotonic=1\n";
    let restart = playbook(
        "  - name: restart\n    hosts: workers\n    steps:\n      - service: { unit: kubelet, state: stopped }\n      \
         - service: { unit: kubelet, state: started }\n    gate:\n      probes: [ { unit: { name: kubelet, state: active } } ]\n      timeout: 1m\n",
    );
    let (facts, plan) = story.plan(&restart, "all").await;
    story
        .meddler()
        .on("w1", "systemctl show", Act::Answer(Output::new(0, stopped, "")), 1);
    let told = story.execute(facts, plan, crate::harness::Wish::default()).await;
    assert_eq!(told.end, RunEnd::GateFailed, "{}", told.text());
    assert!(
        told.reasons().join("\n").contains("still the start from before"),
        "{:?}",
        told.reasons()
    );
}

#[tokio::test(start_paused = true)]
async fn starting_what_runs_already_needs_no_new_start() {
    let story = Story::new(LabConfig::new(Scenario::Healthy).sized(1, 1));
    let start = playbook(
        "  - name: start\n    hosts: workers\n    steps: [ { service: { unit: kubelet, state: started } } ]\n    \
         gate: { probes: [ { unit: { name: kubelet, state: active } } ], timeout: 1m }\n",
    );
    let told = story.run(&start).await;
    assert_eq!(told.end, RunEnd::NothingToDo, "{}", told.text());
}

#[tokio::test(start_paused = true)]
async fn a_unit_that_fails_its_first_start_is_started_again() {
    let story = Story::new(small());
    story.lab.fail_starts(&"w1".into(), "docker", 1);
    let told = story.run(&renew()).await;
    assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
    assert!(told.text().contains("\"event\":\"step-retried\""), "{}", told.text());
    story.assert_healthy();
}

fn two_workers(broken: &str) -> LabConfig {
    let mut config = LabConfig::new(Scenario::Seed).sized(1, 2);
    config.expired_kubelets = vec![broken.to_owned()];
    config.calico = Vec::new();
    config
}

/// A playbook of before there was a cure for these kubelets.
fn without_cure() -> Playbook {
    let mut playbook = renew();
    playbook.phases.retain(|p| p.name != "reissue-kubelet-client");
    playbook
}

#[tokio::test(start_paused = true)]
async fn a_sign_that_never_clears_fails_the_gate_at_once_with_its_remedy() {
    let story = Story::new(two_workers("w1"));
    let told = story.run(&without_cure()).await;
    assert_eq!(told.end, RunEnd::GateFailed, "{}", told.text());
    let reasons = told.reasons().join("\n");
    assert!(reasons.contains("w1 kubelet-journal: expired"), "{reasons}");
    assert!(!reasons.contains("w2"), "w2 has done nothing wrong: {reasons}");
    assert!(told.text().contains("reissue-kubelet-client"), "{}", told.text());
    let seconds = |what: &str| {
        let line = told
            .events
            .iter()
            .find(|e| certfleet::report::event_line(e).contains(what));
        line.expect("it happened").at.as_second()
    };
    let waited = seconds("\"gate-failed\"") - seconds("\"phase\":\"start-workers\",\"hosts\"");
    assert!(waited < 30, "{waited} s");
}

#[tokio::test(start_paused = true)]
async fn within_the_budget_a_broken_worker_is_taken_out_and_the_others_are_still_proven() {
    let story = Story::new(two_workers("w1"));
    let mut playbook = without_cure();
    for phase in &mut playbook.phases {
        phase.max_failures = Share::Count(1);
        phase.max_parallel = None;
    }
    let told = story.run(&playbook).await;
    assert_eq!(told.end, RunEnd::LeftBehind, "{}", told.text());
    assert_eq!(told.excluded().keys().collect::<Vec<_>>(), ["w1"], "{}", told.text());
    assert!(told.next().contains("--limit @failed"), "{}", told.next());
    for phase in ["start-workers", "nodes-ready", "delete-stuck-pods"] {
        assert!(gate_passed(&told, phase), "{phase}: {}", told.text());
    }
}

#[tokio::test(start_paused = true)]
async fn a_step_that_fails_on_a_worker_spends_the_budget_and_beyond_it_ends_the_run() {
    for (budget, end) in [(1, RunEnd::LeftBehind), (0, RunEnd::StepFailed)] {
        let story = Story::new(LabConfig::new(Scenario::Seed).sized(1, 2));
        story.lab.fail_starts(&"w2".into(), "docker", 9);
        let mut playbook = renew();
        for phase in &mut playbook.phases {
            phase.max_failures = Share::Count(budget);
        }
        let told = story.run(&playbook).await;
        assert_eq!(told.end, end, "{}", told.text());
        assert_eq!(told.excluded().contains_key("w2"), budget == 1, "{}", told.text());
        assert_eq!(gate_passed(&told, "nodes-ready"), budget == 1, "{}", told.text());
    }
}

#[tokio::test(start_paused = true)]
async fn a_master_that_fails_always_ends_the_run() {
    let story = Story::new(small());
    story.lab.fail_starts(&"m1".into(), "docker", 9);
    let mut playbook = renew();
    for phase in &mut playbook.phases {
        phase.max_failures = Share::Count(9);
    }
    let told = story.run(&playbook).await;
    assert_eq!(told.end, RunEnd::StepFailed, "{}", told.text());
    assert_eq!(
        ran(&story, "w1", "systemctl start"),
        0,
        "no worker starts without its masters"
    );
}

#[tokio::test(start_paused = true)]
async fn a_host_that_hangs_does_not_speak_for_the_others() {
    let story = Story::new(LabConfig::new(Scenario::Healthy).sized(1, 2));
    let look = playbook(
        "  - name: look\n    hosts: workers\n    max-failures: 1\n    gate:\n      \
         probes: [ { unit: { name: kubelet, state: active } } ]\n      quiet: 0s\n      timeout: 20s\n",
    );
    let (facts, plan) = story.plan(&look, "all").await;
    fault(&story.lab, "w1", "systemctl show", Fault::Hang, 1000);
    let told = story.execute(facts, plan, crate::harness::Wish::default()).await;
    assert_eq!(told.excluded().keys().collect::<Vec<_>>(), ["w1"], "{}", told.text());
    assert!(
        told.reasons()
            .iter()
            .all(|r| r.starts_with("w1 ") && r.contains("no answer in time")),
        "{:?}",
        told.reasons()
    );
}

#[tokio::test(start_paused = true)]
async fn good_for_a_moment_only_is_not_good() {
    let story = Story::new(LabConfig::new(Scenario::Healthy).sized(1, 1));
    let look = playbook(
        "  - name: look\n    hosts: workers\n    max-failures: 0\n    gate:\n      \
         probes: [ { unit: { name: kubelet, state: active } } ]\n      quiet: 8s\n      interval: 1s\n      timeout: 10s\n",
    );
    let (facts, plan) = story.plan(&look, "all").await;
    let dying = "Id=kubelet.service\nLoadState=loaded\nActiveState=activating\nSubState=auto-restart\n";
    story
        .meddler()
        .on("w1", "systemctl show", Act::Answer(Output::new(0, dying, "")), 5);
    let told = story.execute(facts, plan, crate::harness::Wish::default()).await;
    assert_eq!(told.end, RunEnd::GateFailed, "{}", told.text());
    assert!(
        told.reasons().join("").contains("good at last, but not"),
        "{:?}",
        told.reasons()
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_cursor_old_lines_are_not_taken_for_new_ones() {
    for answer in [
        Output::new(1, "", "Failed to get cursor"),
        Output::new(0, "-- cursor: gone\n", ""),
    ] {
        let mut config = small();
        config.expired_kubelets = Vec::new();
        let story = Story::new(config);
        story.meddler().on("m1", "--show-cursor", Act::Answer(answer), 1);
        let told = story.run(&renew()).await;
        assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
        let since = story
            .meddler()
            .seen()
            .iter()
            .any(|l| l.starts_with("m1") && l.contains("--since=@"));
        assert!(since, "{:?}", story.meddler().seen());
    }
}

#[tokio::test(start_paused = true)]
async fn foreign_lines_never_block() {
    let foreign = "E0802 10:17:24.172893 1237970 kubelet.go:1787] failed to \\\"KillPodSandbox\\\" for \\\"f0\\\" with KillPodSandboxError: plugin type=calico failed (delete): error getting ClusterInformation: connection is unauthorized: Unauthorized";
    let line = format!(
        "{{\"MESSAGE\":\"{foreign}\",\"SYSLOG_IDENTIFIER\":\"kubelet\",\"_PID\":\"1\",\"__REALTIME_TIMESTAMP\":\"1600000000000000\"}}"
    );
    let story = Story::new(small());
    story.meddler().on("m1", "--follow", Act::Begin(vec![line; 50]), 1);
    let told = story.run(&renew()).await;
    assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
}

#[tokio::test(start_paused = true)]
async fn pods_that_deletion_cannot_cure_are_named_and_left_alone() {
    let mut config = small();
    config.calico = vec![("w1".to_owned(), CalicoTrouble::ImagePull)];
    let story = Story::new(config);
    let told = story.run(&renew()).await;
    let Some(Outcome::Unchanged { why }) = told.outcome("delete-stuck-pods/m1/1-delete-pods") else {
        panic!("{}", told.text())
    };
    assert!(why.contains("left alone") && why.contains("ImagePullBackOff"), "{why}");
    assert_eq!(ran(&story, "m1", "delete pod"), 0);
    assert_eq!(told.end, RunEnd::GateFailed, "its DaemonSet misses it: {}", told.text());
}

#[tokio::test(start_paused = true)]
async fn a_docker_that_keeps_its_containers_has_them_recycled() {
    let mut config = small();
    config.live_restore = true;
    let story = Story::new(config);
    let told = story.run(&renew()).await;
    assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
    assert_eq!(ran(&story, "m1", "certfleet:stop-static-pods"), 1);
    story.assert_healthy();
}

#[tokio::test(start_paused = true)]
async fn cri_o_recovers_too() {
    let story = Story::new(small().with_versions(19, RuntimeKind::CriO));
    let told = story.run(&renew()).await;
    assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
    story.assert_healthy();
}
