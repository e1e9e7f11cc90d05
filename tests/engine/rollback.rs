//! A backup is put back, used, and proven; and old ones go.

use std::collections::BTreeMap;
use std::sync::Arc;

use certfleet::config::load_playbook;
use certfleet::engine::backups;
use certfleet::lab::{LabConfig, Scenario};
use certfleet::model::exit::RunEnd;
use certfleet::model::{RunId, Selector};
use certfleet::plan::{Plan, PlanInput, with_restore};
use certfleet::remote::Transport;

use crate::harness::{Facts, Story, Wish, run_id};
use crate::{playbook, ran, renew};

/// The plan of `certfleet rollback RUN`.
async fn rollback(story: &Story, run: &RunId) -> (Facts, Plan) {
    rollback_of(story, run, "all").await
}

/// With `--limit`.
async fn rollback_of(story: &Story, run: &RunId, limit: &str) -> (Facts, Plan) {
    let transport: Arc<dyn Transport> = Arc::new(story.meddler().clone());
    let inventory = story.lab.inventory();
    let restart = load_playbook("restart").expect("built in");
    let (facts, plan) = story.plan(&restart, limit).await;
    let kept = backups::look(&transport, &inventory.hosts, run).await;
    let input = PlanInput {
        inventory: &inventory,
        playbook: &restart,
        facts: &facts,
        limit: &limit.parse::<Selector>().expect("a selector"),
        now: story.lab.wall_clock(),
    };
    let plan = with_restore(plan, &input, run, &kept);
    (facts, plan)
}

/// Serial numbers of everything on the master's disk.
async fn serials(story: &Story) -> BTreeMap<String, String> {
    let (facts, _) = story.plan(&renew(), "all").await;
    let certificates = facts[&"m1".into()].certificates.iter();
    certificates
        .filter_map(|c| Some((c.name.clone(), c.x509()?.serial.clone())))
        .collect()
}

/// Severity aside: `code host` of every error.
fn refusals(plan: &Plan) -> Vec<String> {
    let host = |n: &certfleet::plan::Note| n.host.as_ref().map(ToString::to_string).unwrap_or_default();
    plan.errors().map(|n| format!("{} {}", n.code, host(n))).collect()
}

/// The kubelets' own certificates had expired: what the run gave them stays.
#[tokio::test(start_paused = true)]
async fn a_kubelet_keeps_the_certificate_that_works() {
    let story = Story::new(LabConfig::new(Scenario::KubeletExpired).sized(1, 1));
    // A person has renewed the files, so that the backup is good for all but the kubelets.
    story.on("m1", "kubeadm alpha certs renew all").await;
    let told = story.run(&renew().forced()).await;
    assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
    let kubelet = serials(&story).await["kubelet-client"].clone();
    let (facts, plan) = rollback(&story, &run_id(1)).await;
    assert_eq!(refusals(&plan), [""; 0], "{:?}", plan.notes);
    let told = story.execute(facts, plan, Wish::default()).await;
    assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
    assert_eq!(serials(&story).await["kubelet-client"], kubelet);
    story.assert_healthy();
}

#[tokio::test(start_paused = true)]
async fn what_is_put_back_is_what_is_served() {
    let story = Story::new(LabConfig::new(Scenario::Healthy).sized(1, 1));
    let old = serials(&story).await;
    assert_eq!(story.run(&renew()).await.end, RunEnd::Succeeded);
    let renewed = serials(&story).await;
    assert_ne!(old["apiserver"], renewed["apiserver"]);

    let (facts, plan) = rollback(&story, &run_id(1)).await;
    assert_eq!(refusals(&plan), [""; 0], "{:?}", plan.notes);
    let told = story.execute(facts, plan, Wish::default()).await;
    assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
    assert_eq!(serials(&story).await, old);
    story.assert_healthy();

    // What was there before the rollback was kept as well, so it can be taken back.
    let (facts, plan) = rollback(&story, &run_id(2)).await;
    assert_eq!(story.execute(facts, plan, Wish::default()).await.end, RunEnd::Succeeded);
    assert_eq!(serials(&story).await, renewed);
    story.assert_healthy();
}

#[tokio::test(start_paused = true)]
async fn expired_or_missing_backups_are_refused_host_by_host() {
    let story = Story::new(LabConfig::new(Scenario::Expired).sized(2, 1));
    let mut playbook = renew();
    playbook.phases.truncate(1);
    assert_eq!(story.run(&playbook).await.end, RunEnd::Succeeded);
    let (_, plan) = rollback(&story, &run_id(1)).await;
    assert_eq!(refusals(&plan), ["backup-expired m1", "backup-expired m2"]);
    let note = plan.errors().next().expect("an error");
    assert!(
        note.message.contains("apiserver (") && note.remedy.contains("certfleet renew"),
        "{note:?}"
    );
    let (_, plan) = rollback(&story, &run_id(9)).await;
    assert_eq!(refusals(&plan), ["backup-missing m1", "backup-missing m2"]);
}

#[tokio::test(start_paused = true)]
async fn a_file_of_kubeadms_that_nobody_uses_does_not_refuse_a_rollback() {
    let story = Story::new(LabConfig::new(Scenario::Healthy).sized(1, 1));
    let (m1, unused) = ("m1".into(), "/etc/kubernetes/pki/apiserver.crt");
    story.lab.own_certificate(&m1);
    story.lab.reissue(&m1, unused, (-366, -1)).expect("a certificate");
    let told = story.run(&renew()).await;
    assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
    let (facts, plan) = rollback(&story, &run_id(1)).await;
    assert_eq!(refusals(&plan), [""; 0], "{:?}", plan.notes);
    assert_eq!(story.execute(facts, plan, Wish::default()).await.end, RunEnd::Succeeded);
    let only = story.lab.status().healthy().expect_err("that file stays expired");
    assert_eq!(only, "m1: a certificate on disk is not valid");
}

#[tokio::test(start_paused = true)]
async fn old_backups_go_only_when_everything_is_proven() {
    let story = Story::new(LabConfig::new(Scenario::Healthy).sized(1, 0));
    let text = |command: &str| {
        playbook(&format!(
            "  - name: backup\n    hosts: masters\n    steps:\n      - backup\n      - run: {{ command: '{command}' }}\n    \
             gate: {{ probes: [certificates-on-disk], quiet: 0s }}\n  \
             - name: old\n    hosts: masters\n    steps:\n      - prune-backups: {{ keep: 2 }}\n"
        ))
    };
    for _ in 0..3 {
        let told = story.run(&text("true")).await;
        assert_eq!(told.end, RunEnd::Succeeded, "{}", told.text());
    }
    assert_eq!(ran(&story, "m1", "prune-backups"), 1, "three were made, two stay");
    assert_eq!(story.run(&text("false")).await.end, RunEnd::StepFailed);
    assert_eq!(
        ran(&story, "m1", "prune-backups"),
        1,
        "a run that failed removes nothing"
    );
}

/// Workers have no backup.
#[tokio::test(start_paused = true)]
async fn without_a_master_there_is_nothing_to_restore() {
    let story = Story::new(LabConfig::new(Scenario::Healthy).sized(1, 1));
    let (_, plan) = rollback_of(&story, &run_id(1), "workers").await;
    assert_eq!(refusals(&plan), ["nothing-to-restore "], "{:?}", plan.notes);
    let note = plan.errors().next().expect("an error");
    assert!(note.remedy.contains("--limit"), "{note:?}");
}
