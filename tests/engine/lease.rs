//! The lock on a majority of the masters: what too few answers mean, and what a stranger's lock on most of them.

use std::sync::Arc;

use certfleet::engine::{Lease, lease};
use certfleet::lab::{Fault, FaultRule, Lab, LabConfig, MemoryFleet, Scenario};
use certfleet::model::RunId;
use certfleet::remote::Transport;

/// As often as a connection is tried for one command.
const TRIES: u32 = 8;

/// Three masters, of which these refuse their next connection.
fn fleet(refusing: &[&str]) -> (Lab, Arc<dyn Transport>) {
    let lab = Lab::new(LabConfig::new(Scenario::Healthy).sized(3, 0)).expect("a fleet");
    refuse(&lab, refusing);
    let transport = Arc::new(MemoryFleet::new(lab.clone()));
    (lab, transport)
}

fn refuse(lab: &Lab, masters: &[&str]) {
    for master in masters {
        lab.inject(FaultRule {
            host: (*master).into(),
            line: String::new(),
            fault: Fault::RefuseConnection,
            times: TRIES,
        });
    }
}

async fn acquire(lab: &Lab, transport: &Arc<dyn Transport>, run: &str) -> Result<Lease, lease::LeaseError> {
    let lease = Lease::acquire(transport, &lab.inventory(), &RunId::new(run), "ops@here").await?;
    Ok(lease.expect("there are masters"))
}

/// `MASTER RUN` of every lock that is there.
async fn held(lab: &Lab, transport: &Arc<dyn Transport>) -> Vec<String> {
    let holders = lease::holders(transport, &lab.inventory()).await;
    holders.iter().map(|h| format!("{} {}", h.master, h.run)).collect()
}

#[tokio::test(start_paused = true)]
async fn one_master_of_three_is_no_majority_and_gives_its_lock_back() {
    let (lab, transport) = fleet(&["m2", "m3"]);
    let refused = acquire(&lab, &transport, "r1").await.expect_err("one of three");
    assert!(
        matches!(
            refused,
            lease::LeaseError::NoMajority {
                got: 1,
                needed: 2,
                of: 3,
                ..
            }
        ),
        "{refused:?}"
    );
    let words = refused.to_string();
    assert!(
        words.starts_with("the lock needs 2 of 3 masters, and only 1 gave it: m2: ") && words.contains("; m3: "),
        "{words}"
    );
    assert!(held(&lab, &transport).await.is_empty(), "m1 is free again");
    // The failures are over: the same run gets it, and no mark of the first try is told.
    let lease = acquire(&lab, &transport, "r1").await.expect("all three");
    assert!(lease.unfinished.is_empty(), "{lease:?}");
}

#[tokio::test(start_paused = true)]
async fn two_masters_of_three_are_enough_and_keep_every_other_run_out() {
    let (lab, transport) = fleet(&["m3"]);
    let lease = acquire(&lab, &transport, "r1").await.expect("two of three");
    assert_eq!(held(&lab, &transport).await, ["m1 r1", "m2 r1"]);

    let refused = acquire(&lab, &transport, "r2").await.expect_err("r1 holds it");
    let lease::LeaseError::Held(holder) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(
        (holder.run.as_str(), holder.who.as_str(), holder.stale),
        ("r1", "ops@here", false)
    );
    assert_eq!(
        held(&lab, &transport).await,
        ["m1 r1", "m2 r1"],
        "what r2 got on m3 was given back"
    );

    // Its majority counts also where the one master that is free is all that can be asked beside one of them.
    refuse(&lab, &["m1"]);
    let refused = acquire(&lab, &transport, "r2").await.expect_err("m2 says so");
    assert!(matches!(refused, lease::LeaseError::Held(_)), "{refused:?}");

    lease.release(true).await;
    let lease = acquire(&lab, &transport, "r2").await.expect("it is free");
    assert!(lease.unfinished.is_empty(), "r1 ended well: {lease:?}");
}
