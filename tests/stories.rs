//! Whole runs on the embedded fleet, in memory and under paused time: minutes of cluster time in milliseconds.

#![expect(clippy::expect_used, reason = "a helper of a test fails as the test does")]

#[path = "stories/harness.rs"]
mod harness;
#[path = "stories/rotation.rs"]
mod rotation;

use certfleet::config::load_playbook;
use certfleet::event::EventKind;
use certfleet::lab::{LabConfig, Scenario};
use certfleet::model::Playbook;
use certfleet::model::exit::RunEnd;
use certfleet::model::facts::KubeVersion;
use certfleet::model::{Operation, RuntimeKind};
use certfleet::plan::Strategy;
use certfleet::probes::served::ServedAnswer;
use harness::{Story, Wish};

/// One master and one worker: enough where the order among many is not the point.
fn small(scenario: Scenario) -> LabConfig {
    LabConfig::new(scenario).sized(1, 1)
}

fn renew() -> Playbook {
    load_playbook("renew").expect("built in")
}

/// The playbook without the phases that `drop` names, and without the operations that it names.
fn without(mut playbook: Playbook, phases: &[&str], operations: &[&str]) -> Playbook {
    playbook.phases.retain(|p| !phases.contains(&p.name.as_str()));
    for phase in &mut playbook.phases {
        phase.steps.retain(|op| !operations.contains(&op.name()));
    }
    playbook
}

#[tokio::test(start_paused = true)]
async fn the_seed_recovers_with_the_whole_playbook() {
    let story = Story::new(LabConfig::new(Scenario::Seed).sized(3, 2));
    let told = story.run(&renew()).await;
    assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
    story.assert_healthy();
    story.assert_order();
}

#[tokio::test(start_paused = true)]
async fn renewal_without_a_restart_fails_its_gate() {
    let mut playbook = renew();
    let gate = playbook
        .phases
        .iter()
        .find(|p| p.name == "start-masters")
        .and_then(|p| p.gate.clone());
    playbook.phases.truncate(1);
    playbook.phases[0].gate = gate;
    let story = Story::new(small(Scenario::Seed));
    let told = story.run(&playbook).await;
    assert_eq!(told.end, RunEnd::GateFailed, "{}", told.text());
    assert!(
        told.reasons().iter().any(|r| r.contains("not in use")),
        "{}",
        told.text()
    );
}

#[tokio::test(start_paused = true)]
async fn restarting_only_the_kubelets_fails_its_gate() {
    let mut playbook = renew();
    for phase in &mut playbook.phases {
        phase
            .steps
            .retain(|op| !matches!(op, Operation::Service { unit, .. } if unit == "runtime"));
        phase.steps.retain(|op| !matches!(op, Operation::RecycleStaticPods));
    }
    let playbook = without(playbook, &["recycle-static-pods", "stop-runtime"], &[]);
    let story = Story::new(small(Scenario::Seed));
    let told = story.run(&playbook).await;
    assert_eq!(told.end, RunEnd::GateFailed, "{}", told.text());
    assert!(story.lab.status().healthy().is_err());
}

#[tokio::test(start_paused = true)]
async fn containerd_shims_outlive_a_restart_so_the_containers_are_recycled() {
    let config = small(Scenario::Seed).with_versions(19, RuntimeKind::Containerd);
    let story = Story::new(config);
    let told = story.run(&renew()).await;
    assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
    story.assert_healthy();
}

#[tokio::test(start_paused = true)]
async fn every_recoverable_scenario_recovers() {
    for scenario in [
        Scenario::Expired,
        Scenario::Flaky,
        Scenario::French,
        Scenario::CalicoToken,
    ] {
        let story = Story::new(LabConfig::new(scenario).sized(1, 2));
        let told = story.run(&renew()).await;
        assert_eq!(told.end, RunEnd::Succeeded, "{}: {}", scenario.name(), told.text());
        story.assert_healthy();
    }
}

#[tokio::test(start_paused = true)]
async fn a_healthy_cluster_is_renewed_one_master_at_a_time() {
    let story = Story::new(LabConfig::new(Scenario::Healthy).sized(3, 1));
    let told = story.run(&load_playbook("rolling").expect("built in")).await;
    assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
    story.assert_healthy();
}

#[tokio::test(start_paused = true)]
async fn certificates_renewed_on_disk_come_into_use_by_restart_alone() {
    let story = Story::new(small(Scenario::Seed));
    let told = story.run(&load_playbook("restart").expect("built in")).await;
    assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
    story.assert_healthy();
    let renewed = story
        .lab
        .full_history()
        .iter()
        .any(|item| item.command.contains("renew"));
    assert!(!renewed, "restart must not renew");
}

#[tokio::test(start_paused = true)]
async fn every_change_is_announced_before_it_is_made() {
    let story = Story::new(small(Scenario::Seed));
    let told = story.run(&renew()).await;
    let mut announced = std::collections::BTreeSet::new();
    for event in &told.events {
        match &event.kind {
            EventKind::StepStarted { step, .. } => assert!(announced.insert(step.clone()), "{step} was started twice"),
            EventKind::CommandFinished { step, .. } => assert!(announced.contains(step), "{step} was not announced"),
            _ => {}
        }
    }
    assert!(announced.len() > 10, "{}", told.text());
}

#[tokio::test(start_paused = true)]
async fn rolling_on_three_masters_is_noticed_by_no_client() {
    let story = Story::new(LabConfig::new(Scenario::Healthy).sized(3, 1));
    let poll = story.poll_endpoint("w1");
    let (facts, plan) = story.plan_strategy(None, "all").await;
    assert_eq!(plan.choice.as_ref().map(|c| c.strategy), Some(Strategy::Rolling));
    let told = story.execute(facts, plan, Wish::default()).await;
    assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
    let answers = poll.answers().await;
    let failed = answers
        .iter()
        .filter(|a| !matches!(a, ServedAnswer::Certificate(_)))
        .count();
    assert!(answers.len() > 500, "{} polls", answers.len());
    assert_eq!(failed, 0, "of {} polls", answers.len());
    story.assert_healthy();
}

#[tokio::test(start_paused = true)]
async fn stop_all_is_noticed_and_the_poll_can_fail() {
    let story = Story::new(LabConfig::new(Scenario::Healthy).sized(3, 1));
    let poll = story.poll_endpoint("w1");
    let (facts, plan) = story.plan_strategy(Some(Strategy::StopAll), "all").await;
    let told = story.execute(facts, plan, Wish::default()).await;
    assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
    let answers = poll.answers().await;
    assert!(answers.iter().any(|a| matches!(a, ServedAnswer::Closed)));
}

#[tokio::test(start_paused = true)]
async fn no_member_is_touched_while_another_is_away() {
    let mut fleet = LabConfig::new(Scenario::Healthy).sized(3, 0);
    (fleet.kubernetes, fleet.runtime) = (KubeVersion::minor(19), RuntimeKind::Docker);
    let story = Story::new(fleet);
    let (facts, plan) = story.plan_strategy(None, "all").await;
    // After the plan, before the run: the member of m3 goes away, and the first gate asks only whether others are ready.
    let gate = plan
        .phases
        .iter()
        .position(|p| p.name == "healthy-before")
        .expect("the phase");
    let mut plan = plan;
    plan.phases.remove(gate);
    story.on("m3", "systemctl stop kubelet").await;
    story.on("m3", "systemctl stop docker.socket docker.service").await;
    let told = story.execute(facts, plan, Wish::default()).await;
    assert_eq!(told.end, RunEnd::GateFailed, "{}", told.text());
    let expected = "m1 quorum: 2 of 3 etcd members are healthy; without m1 there would be 1, and the quorum is 2";
    assert_eq!(told.reasons(), [expected]);
    let touched = story.lab.full_history();
    assert!(!touched.iter().any(|i| i.host.as_str() == "m1"), "{touched:?}");
}
