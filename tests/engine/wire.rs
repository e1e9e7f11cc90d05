//! Connections that are lost before, after and while; hosts that hang.

use certfleet::lab::Fault;
use certfleet::model::Outcome;
use certfleet::model::exit::RunEnd;

use crate::harness::Story;
use crate::harness::meddler::Act;
use crate::{fault, playbook, ran, renew, renewal, small};

#[tokio::test(start_paused = true)]
async fn a_command_that_was_never_sent_is_sent_again() {
    let story = Story::new(small());
    fault(&story.lab, "m1", "certs renew apiserver", Fault::DropBefore, 2);
    let told = story.run(&renewal()).await;
    assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
}

#[tokio::test(start_paused = true)]
async fn a_step_that_was_cut_off_half_way_does_not_claim_that_nothing_was_sent() {
    let story = Story::new(small());
    fault(&story.lab, "m1", "certs renew etcd-peer", Fault::DropBefore, 3);
    let told = story.run(&renewal()).await;
    assert_eq!(told.end, RunEnd::StepFailed, "{}", told.text());
    let Some(Outcome::Failed { state, .. }) = told.outcome("renew/m1/2-renew-certificates") else {
        panic!("{}", told.text())
    };
    assert!(state.contains("earlier commands"), "{state}");
    assert!(ran(&story, "m1", "renew") > 0);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_cannot_be_reached_before_any_change_ends_the_run_as_unreachable() {
    let story = Story::new(small());
    let stop = playbook(
        "  - name: stop\n    hosts: all\n    outage: accepted\n    steps: [ { service: { unit: kubelet, state: stopped } } ]\n    \
         gate: { probes: [ { unit: { name: kubelet, state: inactive } } ], timeout: 1m }\n",
    );
    let (facts, plan) = story.plan(&stop, "m1").await;
    fault(&story.lab, "m1", "", Fault::RefuseConnection, 1000);
    let told = story.execute(facts, plan, crate::harness::Wish::default()).await;
    assert_eq!(told.end, RunEnd::Unreachable, "{}", told.text());
    assert!(told.next().contains("Nothing was changed"), "{}", told.next());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_was_lost_is_fetched_from_the_host() {
    let story = Story::new(small());
    for line in [
        "systemctl stop kubelet",
        "systemctl start docker",
        "certfleet:backup",
        "delete pod",
    ] {
        fault(&story.lab, "m1", line, Fault::DropAfter, 1);
    }
    let told = story.run(&renew()).await;
    assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
    for step in [
        "renew/m1/1-backup",
        "stop-kubelet/m1/1-service",
        "start-masters/m1/1-service",
    ] {
        assert!(
            matches!(told.outcome(step), Some(Outcome::Changed { .. })),
            "{step}: {}",
            told.text()
        );
    }
    assert_eq!(ran(&story, "m1", "systemctl stop kubelet"), 1, "never a blind repeat");
    story.assert_healthy();
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_breaks_off_is_followed_again_from_where_it_was() {
    let story = Story::new(small());
    story.meddler().on("m1", "--follow", Act::Break(3), 4);
    let told = story.run(&renew()).await;
    assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
    let follows = story
        .meddler()
        .seen()
        .iter()
        .filter(|l| l.starts_with("m1") && l.contains("--follow"))
        .count();
    assert!(follows >= 5, "followed {follows} times");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_never_arrived_is_started_once_after_all() {
    let story = Story::new(small());
    fault(&story.lab, "w1", "systemctl stop kubelet", Fault::Hang, 1);
    let told = story.run(&renew()).await;
    assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
    assert_eq!(ran(&story, "w1", "systemctl stop kubelet"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_hangs_ends_by_its_deadline_and_is_settled() {
    let story = Story::new(small());
    // Also when the host is asked what became of it: a command that only once did not arrive is started after all.
    fault(&story.lab, "w1", "systemctl stop kubelet", Fault::Hang, 1000);
    let told = story.run(&renew()).await;
    assert_eq!(told.end, RunEnd::StepFailed, "{}", told.text());
    let Some(Outcome::Failed { what, next, .. }) = told.outcome("stop-kubelet/w1/1-service") else {
        panic!("{}", told.text())
    };
    assert!(what.contains("no answer within 3m"), "{what}");
    assert!(next.contains("still runs"), "{next}");
}

#[tokio::test(start_paused = true)]
async fn a_host_that_never_comes_back_leaves_its_step_unknown() {
    let story = Story::new(small());
    story
        .meddler()
        .on("w1", "systemctl stop kubelet", Act::Lose(true), 1000);
    let (facts, plan) = story.plan(&renew(), "all").await;
    story.meddler().on("w1", "systemctl show", Act::Lose(true), 0);
    let told = {
        // The look before the step is answered; all those after it are not.
        let gone = crate::harness::Wish::default();
        story.meddler().on("w1", "ActiveState", pass(), 1);
        story.meddler().on("w1", "ActiveState", Act::Lose(true), 1000);
        story.execute(facts, plan, gone).await
    };
    assert_eq!(told.end, RunEnd::Stuck, "{}", told.text());
    assert!(told.next().contains("stop-kubelet/w1/1-service"), "{}", told.next());
}

/// An act that lets a command pass: acts on streams do nothing to a plain command.
fn pass() -> Act {
    Act::Break(0)
}
