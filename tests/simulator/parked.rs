//! A host without a client loses its power while its manifests are parked, and the controller is gone as well.

use certfleet::event::EventKind;
use certfleet::model::HostName;

use crate::case::Case;
use crate::judge;
use crate::judged::paused;
use crate::world::{Part, World};

/// The event at which the first master begins to end its containers.
async fn recycling() -> u64 {
    let world = World::new("no-client nothing 0 m1".parse().expect("a case")).await;
    assert!(world.begin().await.is_well());
    let begun = |kind: &EventKind| {
        matches!(kind, EventKind::StepStarted { host, step, .. }
            if host.as_str() == "m1" && step.starts_with("recycle-static-pods/"))
    };
    let events = world.events();
    events.iter().find(|e| begun(&e.kind)).expect("it is there").seq
}

#[test]
fn manifests_that_a_power_cut_left_parked_are_put_back_by_resume() {
    paused(async {
        let at = recycling().await;
        let case: Case = format!("no-client kill {at} m1").parse().expect("a case");
        let world = World::new(case).await;
        assert_eq!(world.begin().await, Part::Killed);
        let m1 = HostName::new("m1");
        world.lab.park_manifests(&m1);
        world.lab.reboot(&m1);
        let part = world.go_on(None).await;
        assert!(part.is_well(), "{part:?}\n{}", judge::tail(&world.events()));
    });
}
