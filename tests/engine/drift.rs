//! A saved plan is for the hosts as they were: every difference is named.

use certfleet::lab::{LabConfig, Scenario};
use certfleet::model::exit::RunEnd;
use certfleet::plan::{SavedPlan, drift};

use crate::harness::{Facts, Story};
use crate::{playbook, renew, renewal};

fn told(saved: &SavedPlan, story: &Story, now: &Facts) -> Vec<String> {
    let found = drift(&saved.plan, &story.lab.inventory(), &saved.facts, now);
    found.iter().map(ToString::to_string).collect()
}

#[tokio::test(start_paused = true)]
async fn serials_units_boots_and_machines_are_compared() {
    let story = Story::new(LabConfig::new(Scenario::Healthy).sized(1, 1));
    let (facts, plan) = story.plan(&renew(), "all").await;
    let text = SavedPlan::new(plan, facts).to_json();
    let saved = SavedPlan::parse(text.as_bytes()).expect("what was saved is read");
    let (same, _) = story.plan(&renew(), "all").await;
    assert_eq!(told(&saved, &story, &same), [""; 0]);

    assert_eq!(story.run(&renewal()).await.end, RunEnd::Succeeded);
    let (renewed, _) = story.plan(&renew(), "all").await;
    let serial = |facts: &Facts| {
        let certificate = facts[&"m1".into()]
            .certificate("apiserver")
            .expect("it is there")
            .x509()
            .cloned();
        certificate.expect("it can be read").serial
    };
    let line = format!(
        "m1: serial of apiserver: was {}, is {}",
        serial(&saved.facts),
        serial(&renewed)
    );
    assert!(told(&saved, &story, &renewed).contains(&line), "{line}");

    let stop = "  - name: stop\n    hosts: workers\n    outage: accepted\n    steps:\n      - service: { unit: kubelet, state: stopped }\n    \
                gate: { probes: [{ unit: { name: kubelet, state: inactive } }], quiet: 0s }\n";
    assert_eq!(story.run(&playbook(stop)).await.end, RunEnd::Succeeded);
    story.lab.reboot(&"m1".into());
    let (mut now, _) = story.plan(&renew(), "all").await;
    now.get_mut(&"w1".into()).expect("it is there").machine_id = Some("0f".repeat(16));
    let found = told(&saved, &story, &now);
    for line in [
        "w1: kubelet.service: was active, is inactive",
        "m1: boot: was ",
        "w1: machine-id: was ",
    ] {
        assert!(found.iter().any(|f| f.starts_with(line)), "{line}: {found:#?}");
    }
    assert!(
        found.iter().any(|f| f.contains("another machine answers at")),
        "{found:#?}"
    );
}
