//! Nodes that are drained: what a run that ends early leaves behind, and who lets them back.

use certfleet::config::load_playbook;
use certfleet::engine::Cancel;
use certfleet::event::EventKind;
use certfleet::lab::{Fault, LabConfig, Scenario, Workload};
use certfleet::model::exit::RunEnd;
use certfleet::model::{Outcome, Output, Playbook};

use crate::fault;
use crate::harness::meddler::Act;
use crate::harness::{Press, Story, Told, Wish, run_id};

/// One master, two workers, a pod on the first.
fn fleet() -> Story {
    fleet_of(1, Workload::Movable)
}

fn fleet_of(masters: usize, workload: Workload) -> Story {
    let mut config = LabConfig::new(Scenario::Healthy).sized(masters, 2);
    config.workload = vec![("w1".to_owned(), workload)];
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

/// Pressed now, the run stops behind the drain, and nothing is stopped on the host.
fn draining(kind: &EventKind) -> bool {
    matches!(kind, EventKind::StepStarted { step, .. } if step == "workers/w1/0-drain")
}

fn pressed_when(when: fn(&EventKind) -> bool) -> Wish {
    Wish {
        press: Some(Press {
            when,
            how: Cancel::request_stop,
        }),
        ..Wish::default()
    }
}

async fn interrupted(story: &Story, when: fn(&EventKind) -> bool) -> Told {
    let told = run(story, &drain(), pressed_when(when)).await;
    assert_eq!(told.end, RunEnd::Aborted, "{}", told.text());
    told
}

/// How often w1 was drained.
#[track_caller]
fn drains(story: &Story, told: &Told, times: usize) {
    let ran = crate::ran(story, "m1", "certfleet:drain drain w1");
    assert_eq!(ran, times, "{}", told.text());
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_stopped_names_what_it_leaves_cordoned_and_the_next_one_lets_it_back() {
    let story = fleet();
    let told = interrupted(&story, drained).await;
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
        let told = interrupted(&story, when).await;
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

/// Position of the first command of a host that holds the text, of all that were sent.
fn sent(story: &Story, text: &str) -> Option<usize> {
    story.meddler().seen().iter().position(|line| line.contains(text))
}

/// The old kubelet writes of every pod that goes: none of that is a word of the new one.
#[tokio::test(start_paused = true)]
async fn journals_are_read_from_the_end_of_the_drain_on() {
    let story = fleet();
    let told = run(&story, &drain(), Wish::default()).await;
    assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
    let drained = told
        .events
        .iter()
        .position(|e| drained(&e.kind))
        .expect("it was drained");
    let noted = |k: &EventKind| matches!(k, EventKind::JournalNoted { host, .. } if host.as_str() == "w1");
    let noted = told.events.iter().position(|e| noted(&e.kind)).expect("a cursor");
    assert!(drained < noted, "{}", told.text());
}

#[tokio::test(start_paused = true)]
async fn a_host_whose_drain_failed_is_out_before_its_gate_is_prepared() {
    let story = fleet_of(1, Workload::Budget);
    let mut playbook = drain();
    playbook.phases[0].max_failures = certfleet::model::playbook::Share::Count(1);
    playbook.phases[0].max_parallel = None;
    let told = run(&story, &playbook, Wish::default()).await;
    assert_eq!(told.end, RunEnd::LeftBehind, "{}", told.text());
    assert_eq!(
        sent(&story, "w1 journalctl"),
        None,
        "nothing is left to be proven there"
    );
    assert!(sent(&story, "w2 journalctl").is_some());
    assert_eq!(crate::ran(&story, "w1", "systemctl"), 0);
    assert_eq!(story.lab.cordoned(&"w1".into()), (false, None));
}

#[tokio::test(start_paused = true)]
async fn a_drain_that_somebody_undid_overnight_is_done_again() {
    let story = fleet();
    let told = interrupted(&story, draining).await;
    let kubectl = "kubectl --kubeconfig=/etc/kubernetes/admin.conf";
    story.on("m1", &format!("{kubectl} uncordon w1")).await;
    let told = story.go_on(1, told).await;
    assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
    drains(&story, &told, 2);
    assert!(
        told.text().contains("the node takes pods; it is done again"),
        "{}",
        told.text()
    );
    assert_eq!(story.lab.cordoned(&"w1".into()), (false, None));
    story.assert_healthy();
}

/// Once something else was begun on the host, a drain has nothing to add.
#[tokio::test(start_paused = true)]
async fn a_drain_that_still_holds_or_has_served_is_not_repeated() {
    let stopped: fn(&EventKind) -> bool =
        |k| matches!(k, EventKind::StepStarted { step, .. } if step == "workers/w1/1-service");
    for (when, undone) in [(draining as fn(&EventKind) -> bool, false), (stopped, true)] {
        let story = fleet();
        let told = interrupted(&story, when).await;
        if undone {
            story.lab.cordon(&"w1".into(), false);
        }
        let told = story.go_on(1, told).await;
        assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
        drains(&story, &told, 1);
        story.assert_healthy();
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_is_not_ready_at_its_turn_is_restarted_all_the_same() {
    let story = fleet();
    let (facts, plan) = story.plan_alive(&drain(), "all").await;
    story.on("w2", "systemctl stop kubelet").await;
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    let told = story.execute(facts, plan, Wish::default()).await;
    assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
    let Some(Outcome::Unchanged { why }) = told.outcome("workers/w2/0-drain") else {
        panic!("{}", told.text());
    };
    assert!(why.contains("not Ready now"), "{why}");
    assert_eq!(crate::ran(&story, "m1", "certfleet:drain drain w2"), 0);
    assert!(told.state().cordoned.is_empty(), "{}", told.text());
    story.assert_healthy();
}

#[tokio::test(start_paused = true)]
async fn what_is_undone_by_hand_as_it_is_printed_leaves_nothing_to_us() {
    let story = fleet_of(3, Workload::Movable);
    let told = run(&story, &drain(), pressed_when(draining)).await;
    let next = told.next();
    let printed: Vec<&str> = next.split('`').filter(|w| w.starts_with("kubectl ")).collect();
    assert_eq!(printed.len(), 2, "{next}");
    let by_hand = async |line: &str| {
        let line = line.replace("kubectl ", "kubectl --kubeconfig=/etc/kubernetes/admin.conf ");
        story.on("m1", &line).await;
    };
    for line in printed {
        by_hand(line).await;
    }
    assert_eq!(story.lab.cordoned(&"w1".into()), (false, None));
    by_hand("kubectl cordon w1").await;
    let (facts, plan) = story.plan_strategy(None, "w1,m1").await;
    let mine: Vec<&str> = plan
        .work()
        .filter(|s| s.host.as_str() == "w1")
        .map(|s| s.id.as_str())
        .collect();
    assert_eq!(
        mine,
        Vec::<&str>::new(),
        "a person's cordon is no reason to do anything"
    );
    let again = story.execute(facts, plan, Wish::default()).await;
    assert_eq!(again.end, RunEnd::Succeeded, "{}", again.text());
    assert_eq!(story.lab.cordoned(&"w1".into()), (true, None));
}

/// The remedy says how the mark goes, too.
#[tokio::test(start_paused = true)]
async fn a_node_that_cannot_be_opened_is_named_with_both_commands() {
    let story = fleet();
    let refused = Output::new(1, "", "node w1 could not be uncordoned\ncertfleet:supervise exited 1\n");
    story.meddler().on("m1", "drain uncordon", Act::Answer(refused), 1);
    let told = run(&story, &drain(), Wish::default()).await;
    let Some(Outcome::Failed { next, .. }) = told.outcome("workers/w1/5-uncordon") else {
        panic!("{}", told.text());
    };
    for words in [
        "`kubectl uncordon w1`",
        "`kubectl annotate node w1 certfleet.io/cordoned-by- ",
    ] {
        assert!(next.contains(words), "{next}");
    }
}

/// Uncordoned without the second command: the next run takes the mark away, and never undoes a cordon for it.
#[tokio::test(start_paused = true)]
async fn a_mark_on_an_open_node_is_cleared_without_a_restart() {
    for cordoned_since in [false, true] {
        let story = fleet_of(3, Workload::Movable);
        interrupted(&story, draining).await;
        story.lab.cordon(&"w1".into(), false);
        let (facts, plan) = story.plan_strategy(None, "all").await;
        let mine: Vec<&str> = plan
            .work()
            .filter(|s| s.host.as_str() == "w1")
            .map(|s| s.operation.as_str())
            .collect();
        assert_eq!(mine, ["unmark"]);
        assert_eq!(plan.errors().count(), 0, "{:?}", plan.notes);
        if cordoned_since {
            story.lab.cordon(&"w1".into(), true);
        }
        let again = story.execute(facts, plan, Wish::default()).await;
        assert_eq!(again.end, RunEnd::Succeeded, "{}", again.text());
        assert_eq!(
            story.lab.cordoned(&"w1".into()),
            (cordoned_since, None),
            "{}",
            again.text()
        );
        assert_eq!(crate::ran(&story, "w1", "systemctl"), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_another_run_has_taken_over_stays_as_that_run_has_it() {
    let story = fleet_of(1, Workload::Budget);
    let lab = story.lab.clone();
    tokio::spawn(async move {
        tokio::time::sleep(std::time::Duration::from_secs(15)).await;
        lab.mark(&"w1".into(), "r9");
    });
    let told = run(&story, &drain(), Wish::default()).await;
    assert_eq!(told.end, RunEnd::StepFailed, "{}", told.text());
    assert_eq!(story.lab.cordoned(&"w1".into()), (true, Some("r9".to_owned())));
    assert!(!told.next().contains("Still cordoned by this run"), "{}", told.next());
}

#[tokio::test(start_paused = true)]
async fn what_somebody_else_has_uncordoned_is_not_our_doing() {
    let story = fleet();
    let (lab, wish) = (
        story.lab.clone(),
        Wish {
            press: Some(Press {
                when: drained,
                how: Cancel::request_stop,
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
