//! Nodes that are drained: what a run that ends early leaves behind, and who lets them back.

use certfleet::config::load_playbook;
use certfleet::event::EventKind;
use certfleet::lab::{Fault, LabConfig, Scenario, Workload};
use certfleet::model::exit::RunEnd;
use certfleet::model::{Outcome, Playbook};

use crate::fault;
use crate::harness::{Press, Story, Told, Wish, run_id};

/// One master, two workers, a pod on the first.
fn fleet() -> Story {
    let mut config = LabConfig::new(Scenario::Healthy).sized(1, 2);
    config.workload = vec![("w1".to_owned(), Workload::Movable)];
    Story::new(config)
}

fn drain() -> Playbook {
    load_playbook("tests/scenarios/drain.yaml").expect("a playbook")
}

async fn run(story: &Story, playbook: &Playbook, wish: Wish) -> Told {
    let (facts, plan) = story.plan_alive(playbook, &wish.limit).await;
    assert_eq!(plan.errors().count(), 0, "{:?}", plan.notes);
    story.execute(facts, plan, wish).await
}

fn drained(kind: &EventKind) -> bool {
    matches!(kind, EventKind::StepFinished { step, .. } if step == "workers/w1/0-drain")
}

fn pressed_when(when: fn(&EventKind) -> bool) -> Wish {
    Wish {
        press: Some(Press { when, twice: false }),
        ..Wish::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_stopped_names_what_it_leaves_cordoned_and_the_next_one_lets_it_back() {
    let story = fleet();
    let told = run(&story, &drain(), pressed_when(drained)).await;
    assert_eq!(told.end, RunEnd::Aborted, "{}", told.text());
    let first = run_id(1).to_string();
    assert_eq!(story.lab.cordoned(&"w1".into()), (true, Some(first.clone())));
    let next = told.next();
    for word in [
        "Still cordoned by this run: w1",
        "kubectl uncordon w1",
        "certfleet resume",
    ] {
        assert!(next.contains(word), "{word}: {next}");
    }
    assert_eq!(told.state().cordoned.len(), 1);

    // A renewal that has nothing else to do proves the node, and lets it back.
    let (facts, plan) = story.plan_strategy(None, "all").await;
    let forecasts: Vec<&str> = plan.work().filter_map(|s| s.planned.forecast.as_deref()).collect();
    assert!(
        forecasts.contains(&format!("run {first} left it cordoned").as_str()),
        "{forecasts:?}"
    );
    let again = story.execute(facts, plan, Wish::default()).await;
    assert_eq!(again.end, RunEnd::Succeeded, "{}", again.text());
    assert_eq!(story.lab.cordoned(&"w1".into()), (false, None), "{}", again.text());
    assert!(again.state().cordoned.is_empty(), "{}", again.text());
    story.assert_healthy();
}

#[tokio::test(start_paused = true)]
async fn a_stop_during_the_gate_leaves_the_node_closed_and_one_after_it_does_not() {
    let gate: fn(&EventKind) -> bool = |k| matches!(k, EventKind::GateStarted { .. });
    let passed: fn(&EventKind) -> bool = |k| matches!(k, EventKind::GatePassed { .. });
    for (when, closed) in [(gate, true), (passed, false)] {
        let story = fleet();
        let told = run(&story, &drain(), pressed_when(when)).await;
        assert_eq!(told.end, RunEnd::Aborted, "{}", told.text());
        assert_eq!(story.lab.cordoned(&"w1".into()).0, closed, "{}", told.text());
        assert_eq!(told.next().contains("Still cordoned"), closed, "{}", told.next());
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_not_proven_stays_closed_and_is_named() {
    let story = fleet();
    story.lab.fail_starts(&"w1".into(), "kubelet", 99);
    let mut playbook = drain();
    playbook.phases[0].max_failures = certfleet::model::playbook::Share::Count(1);
    let told = run(&story, &playbook, Wish::default()).await;
    assert_eq!(told.end, RunEnd::LeftBehind, "{}", told.text());
    assert!(story.lab.cordoned(&"w1".into()).0);
    assert!(!story.lab.cordoned(&"w2".into()).0, "{}", told.text());
    assert!(
        told.next().contains("Still cordoned by this run: w1."),
        "{}",
        told.next()
    );
}

#[tokio::test(start_paused = true)]
async fn a_connection_to_the_speaker_that_is_lost_ends_nothing() {
    for kind in [Fault::DropDuring, Fault::DropAfter, Fault::DropBefore] {
        let story = fleet();
        fault(&story.lab, "m1", "certfleet:drain drain", kind, 1);
        fault(&story.lab, "m1", "certfleet:drain uncordon", kind, 1);
        let told = run(&story, &drain(), Wish::default()).await;
        assert_eq!(told.end, RunEnd::Succeeded, "{kind:?}: {}", told.text());
        assert_eq!(crate::ran(&story, "m1", "certfleet:drain drain w1"), 1, "{kind:?}");
        assert!(told.state().cordoned.is_empty(), "{kind:?}: {}", told.text());
        story.assert_healthy();
    }
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_has_uncordoned_is_not_our_doing() {
    let story = fleet();
    let (lab, wish) = (
        story.lab.clone(),
        Wish {
            press: Some(Press {
                when: drained,
                twice: false,
            }),
            ..Wish::default()
        },
    );
    let told = run(&story, &drain(), wish).await;
    assert_eq!(told.end, RunEnd::Aborted);
    story
        .on("m1", "kubectl --kubeconfig=/etc/kubernetes/admin.conf uncordon w1")
        .await;
    // The mark alone is no cordon: the next run drains as if nothing had been.
    let again = run(&story, &drain(), Wish::default()).await;
    assert_eq!(again.end, RunEnd::Succeeded, "{}", again.text());
    assert!(matches!(
        again.outcome("workers/w1/5-uncordon"),
        Some(Outcome::Changed { .. })
    ));
    assert_eq!(lab.cordoned(&"w1".into()), (false, None));
    story.assert_healthy();
}
