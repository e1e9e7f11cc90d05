//! How runs end: by a person, by a plan that must not run, without a host; and how they go on.

use certfleet::engine::Cancel;
use certfleet::event::EventKind;
use certfleet::lab::{Fault, LabConfig, Scenario};
use certfleet::model::RuntimeKind;
use certfleet::model::exit::RunEnd;
use certfleet::model::playbook::Share;

use crate::harness::{Press, Story, Wish};
use crate::{fault, ran, renew, small};

fn codes(plan: &certfleet::plan::Plan) -> Vec<&str> {
    plan.errors().map(|n| n.code.as_str()).collect()
}

fn stops_the_kubelet(kind: &EventKind) -> bool {
    matches!(kind, EventKind::StepStarted { phase, .. } if phase == "stop-kubelet")
}

fn stopped(how: fn(&Cancel)) -> Wish {
    Wish {
        press: Some(Press {
            when: stops_the_kubelet,
            how,
        }),
        ..Wish::default()
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_press_finishes_the_steps_in_flight_and_the_same_command_goes_on() {
    let story = Story::new(small());
    let told = story.run_with(&renew(), stopped(Cancel::request_stop)).await;
    assert_eq!(told.end, RunEnd::Aborted, "{}", told.text());
    assert_eq!(ran(&story, "m1", "systemctl stop kubelet"), 1);
    assert_eq!(
        ran(&story, "m1", "systemctl stop docker"),
        0,
        "no new step: {}",
        told.text()
    );
    assert!(told.state().stop_requested, "{}", told.text());
    assert_eq!(told.state().unsettled().count(), 0, "{}", told.text());
    let again = story.run(&renew()).await;
    assert_eq!(again.end, RunEnd::Succeeded, "{}", again.text());
    story.assert_healthy();
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_nobody_pressed_for_tells_its_reason() {
    let story = Story::new(small());
    let wish = stopped(|cancel| cancel.request_stop_because("somebody freed its lock"));
    let told = story.run_with(&renew(), wish).await;
    assert_eq!(told.end, RunEnd::Aborted, "{}", told.text());
    let why = |e: &certfleet::event::Event| match &e.kind {
        EventKind::StopRequested { why } => why.clone(),
        _ => None,
    };
    let told: Vec<String> = told.events.iter().filter_map(why).collect();
    assert_eq!(told, ["somebody freed its lock"]);
}

#[tokio::test(start_paused = true)]
async fn the_second_press_leaves_and_says_what_is_not_known() {
    let story = Story::new(small());
    let told = story.run_with(&renew(), stopped(Cancel::request_leave)).await;
    assert_eq!(told.end, RunEnd::Stuck, "{}", told.text());
    assert!(told.next().contains("stop-kubelet/"), "{}", told.next());
}

#[tokio::test(start_paused = true)]
async fn a_run_goes_on_where_the_runtime_was_already_stopped() {
    for runtime in [RuntimeKind::Containerd, RuntimeKind::Docker] {
        goes_on_where_it_was_stopped(runtime).await;
    }
}

async fn goes_on_where_it_was_stopped(runtime: RuntimeKind) {
    let story = Story::new(small().with_versions(19, runtime));
    let wish = Wish {
        press: Some(Press {
            when: |kind| matches!(kind, EventKind::GatePassed { phase, .. } if phase == "stop-runtime"),
            how: Cancel::request_stop,
        }),
        ..Wish::default()
    };
    let told = story.run_with(&renew(), wish).await;
    assert_eq!(told.end, RunEnd::Aborted, "{}", told.text());
    let again = story.run(&renew()).await;
    assert_eq!(again.end, RunEnd::Succeeded, "{}", again.text());
    story.assert_healthy();
}

#[tokio::test(start_paused = true)]
async fn an_external_ca_is_refused() {
    let mut config = small();
    config.external_ca = true;
    let (_, plan) = Story::new(config).plan(&renew(), "all").await;
    assert!(codes(&plan).contains(&"ca-key-missing"), "{:?}", plan.notes);
}

#[tokio::test(start_paused = true)]
async fn clocks_that_disagree_are_refused() {
    let mut config = small();
    config.clock_offsets = vec![("w1".to_owned(), 120_000)];
    let (_, plan) = Story::new(config).plan(&renew(), "all").await;
    assert_eq!(codes(&plan), ["clock-skew"], "{:?}", plan.notes);
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_does_not_answer_counts_against_the_budget_and_is_told() {
    let story = Story::new(LabConfig::new(Scenario::Seed).sized(1, 3));
    fault(&story.lab, "w2", "", Fault::RefuseConnection, 1_000_000);
    let (_, refused) = story.plan(&renew(), "all").await;
    assert_eq!(codes(&refused), ["worker-unreachable"], "10% of 4 hosts is none");
    assert!(refused.notes[0].message.contains("stop-kubelet"), "{:?}", refused.notes);

    let mut playbook = renew();
    for phase in &mut playbook.phases {
        phase.max_failures = Share::Count(1);
    }
    let told = story.run(&playbook).await;
    assert_eq!(told.end, RunEnd::LeftBehind, "{}", told.text());
    assert!(!told.text().contains("start-workers/w2"), "{}", told.text());
    assert!(
        told.excluded()["w2"].contains("could not be reached"),
        "{:?}",
        told.excluded()
    );
    assert!(
        told.next().contains("certfleet renew --limit @failed"),
        "{}",
        told.next()
    );

    // It has spent the budget: the next one that fails ends the run.
    story.lab.fail_starts(&"w1".into(), "docker", 9);
    story.lab.reboot(&"w1".into());
    let told = story.run(&playbook).await;
    assert_eq!(told.end, RunEnd::StepFailed, "{}", told.text());
    assert!(told.next().contains("certfleet resume"), "{}", told.next());
}

#[tokio::test(start_paused = true)]
async fn nobody_who_answers_is_a_refusal() {
    let story = Story::new(small());
    fault(&story.lab, "w1", "", Fault::RefuseConnection, 1_000_000);
    let mut playbook = renew();
    playbook
        .phases
        .iter_mut()
        .for_each(|p| p.max_failures = Share::Count(9));
    let (_, plan) = story.plan(&playbook, "w1").await;
    assert_eq!(codes(&plan), ["worker-unreachable"], "{:?}", plan.notes);
}
