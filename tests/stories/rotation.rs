//! k3s and RKE2: what a rotation is, and what is none.

use std::time::Duration;

use certfleet::config::load_playbook;
use certfleet::lab::{Distribution, LabConfig, Scenario};
use certfleet::model::exit::RunEnd;
use certfleet::model::{Outcome, Playbook};
use certfleet::probes::served::ServedAnswer;

use crate::harness::{Story, Wish};

const KINDS: [(Distribution, &str, &str); 2] = [
    (Distribution::K3s, "k3s", "k3s"),
    (Distribution::Rke2, "rke2", "rke2-server"),
];

fn story(kind: Distribution, scenario: Scenario) -> Story {
    Story::new(LabConfig {
        distribution: Some(kind),
        ..LabConfig::new(scenario).sized(3, 1)
    })
}

fn playbook(name: &str) -> Playbook {
    load_playbook(name).expect("built in")
}

fn rotations(story: &Story, host: &str) -> usize {
    let history = story.lab.history(&host.into());
    history
        .iter()
        .filter(|i| i.command.ends_with("certificate rotate"))
        .count()
}

#[tokio::test(start_paused = true)]
async fn a_restart_since_the_plan_is_no_rotation() {
    for (kind, name, unit) in KINDS {
        let story = story(kind, Scenario::Healthy);
        let before = story.lab.api_server_serial(&"m1".into());
        let (facts, plan) = story.plan(&playbook(name), "all").await;
        story.on("m1", &format!("systemctl restart {unit}")).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let told = story.execute(facts, plan, Wish::default()).await;
        assert_eq!(told.end, RunEnd::Succeeded, "{name}: {}", told.text());
        assert_eq!(rotations(&story, "m1"), 1, "{name}: {}", told.text());
        assert_ne!(story.lab.api_server_serial(&"m1".into()), before, "{name}");
        story.assert_healthy();
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_cannot_move_its_files_is_started_again_and_named() {
    for (kind, name, unit) in KINDS {
        let story = story(kind, Scenario::Healthy);
        story.lab.fill_disk(&"m1".into(), true);
        let told = story.run(&playbook(name)).await;
        assert_eq!(told.end, RunEnd::StepFailed, "{name}: {}", told.text());
        let Some(Outcome::Failed { what, .. }) = told.outcome("servers/m1/1-run") else {
            panic!("{name}: {}", told.text());
        };
        assert!(what.contains("no space left on device"), "{name}: {what}");
        assert_eq!(rotations(&story, "m2"), 0, "{name}: nobody else is touched");
        // Nobody starts it by hand: it is on its way, and comes when there is room.
        story.lab.fill_disk(&"m1".into(), false);
        tokio::time::sleep(Duration::from_secs(60)).await;
        story.on("m1", &format!("systemctl is-active {unit}")).await;
        story.assert_healthy();
    }
}

#[tokio::test(start_paused = true)]
async fn servers_that_were_down_are_rotated_and_started_once() {
    for (kind, name, unit) in KINDS {
        let story = story(kind, Scenario::Expired);
        for host in ["m1", "m2", "m3"] {
            story.on(host, &format!("systemctl stop {unit}")).await;
        }
        let told = story.run(&playbook(name)).await;
        assert_eq!(told.end, RunEnd::Succeeded, "{name}: {}", told.text());
        for host in ["m1", "m2", "m3"] {
            let listener = told.outcome(&format!("listener/{host}/1-run"));
            assert!(
                matches!(listener, Some(Outcome::Unchanged { .. })),
                "{name}: {listener:?}"
            );
            assert_eq!(rotations(&story, host), 1, "{name}: {host}");
        }
        story.assert_healthy();
    }
}

#[tokio::test(start_paused = true)]
async fn servers_that_are_well_are_rotated_unnoticed_by_any_client() {
    for (kind, name, _) in KINDS {
        let story = story(kind, Scenario::Healthy);
        let poll = story.poll_endpoint("w1");
        let told = story.run(&playbook(name)).await;
        assert_eq!(told.end, RunEnd::Succeeded, "{name}: {}", told.text());
        let answers = poll.answers().await;
        let failed = answers
            .iter()
            .filter(|a| !matches!(a, ServedAnswer::Certificate(_)))
            .count();
        assert!(answers.len() > 300, "{name}: {} polls", answers.len());
        assert_eq!(failed, 0, "{name}: of {} polls", answers.len());
        let rotated = ["m1", "m2", "m3"].map(|h| rotations(&story, h));
        assert_eq!(rotated, [1, 1, 1], "{name}");
    }
}
