//! The lock on a majority of the masters: what too few answers mean, and what a stranger's lock on most of them.

use std::sync::Arc;
use std::time::Duration;

use certfleet::engine::{Cancel, Claim, Lease, LeaseError, Seen, lease};
use certfleet::lab::{Fault, FaultRule, Lab, LabConfig, MemoryFleet, Scenario};
use certfleet::model::RunId;
use certfleet::remote::Transport;

/// Until it is mended.
const ALWAYS: u32 = 1_000;

/// Three masters, of which these refuse connections.
fn fleet(refusing: &[&str]) -> (Lab, Arc<dyn Transport>) {
    let lab = Lab::new(LabConfig::new(Scenario::Healthy).sized(3, 0)).expect("a fleet");
    refuse(&lab, refusing);
    let transport = Arc::new(MemoryFleet::new(lab.clone()));
    (lab, transport)
}

fn refuse(lab: &Lab, masters: &[&str]) {
    for master in masters {
        strike(lab, master, "", Fault::RefuseConnection, ALWAYS);
    }
}

fn strike(lab: &Lab, master: &str, line: &str, fault: Fault, times: u32) {
    lab.inject(FaultRule {
        host: master.into(),
        line: line.to_owned(),
        fault,
        times,
    });
}

/// A new run, which looks and takes the lock at once.
pub(crate) async fn acquire(lab: &Lab, transport: &Arc<dyn Transport>, run: &str) -> Result<Lease, LeaseError> {
    let seen = lease::look(transport, &lab.inventory()).await;
    claim((lab, transport), run, &seen, false).await
}

/// One that looked earlier, or goes on.
async fn claim(
    (lab, transport): (&Lab, &Arc<dyn Transport>),
    run: &str,
    seen: &Seen,
    begun: bool,
) -> Result<Lease, LeaseError> {
    claim_with((lab, transport), run, seen, (begun, &Cancel::new())).await
}

async fn claim_with(
    (lab, transport): (&Lab, &Arc<dyn Transport>),
    run: &str,
    seen: &Seen,
    (begun, cancel): (bool, &Cancel),
) -> Result<Lease, LeaseError> {
    let claim = Claim {
        run: &RunId::new(run),
        who: "ops@here",
        seen,
        begun,
    };
    let lease = Lease::acquire(transport, &lab.inventory(), &claim, cancel).await?;
    Ok(lease.expect("there are masters"))
}

/// `MASTER RUN` of every lock that is there.
async fn held(lab: &Lab, transport: &Arc<dyn Transport>) -> Vec<String> {
    let seen = lease::look(transport, &lab.inventory()).await;
    seen.holders.iter().map(|h| format!("{} {}", h.master, h.run)).collect()
}

#[tokio::test(start_paused = true)]
async fn one_master_of_three_is_no_majority_and_gives_its_lock_back() {
    let (lab, transport) = fleet(&["m2", "m3"]);
    let refused = acquire(&lab, &transport, "r1").await.expect_err("one of three");
    assert!(
        matches!(
            refused,
            LeaseError::NoMajority {
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
    lab.mend();
    // The failures are over: the same run gets it, and no mark of the first try is told.
    let lease = acquire(&lab, &transport, "r1").await.expect("all three");
    assert!(lease.unfinished.is_empty(), "{lease:?}");
}

#[tokio::test(start_paused = true)]
async fn two_masters_of_three_are_enough_and_keep_every_other_run_out() {
    let (lab, transport) = fleet(&["m3"]);
    let lease = acquire(&lab, &transport, "r1").await.expect("two of three");
    lab.mend();
    assert_eq!(held(&lab, &transport).await, ["m1 r1", "m2 r1"]);

    let refused = acquire(&lab, &transport, "r2").await.expect_err("r1 holds it");
    let LeaseError::Held(holder) = refused else {
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
    assert!(matches!(refused, LeaseError::Held(_)), "{refused:?}");
    lab.mend();

    lease.release(true).await;
    let lease = acquire(&lab, &transport, "r2").await.expect("it is free");
    assert!(lease.unfinished.is_empty(), "r1 ended well: {lease:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ended_since_the_masters_were_looked_at_makes_what_was_read_old() {
    let (lab, transport) = fleet(&[]);
    let inventory = lab.inventory();
    for ended_well in [true, false] {
        let seen = lease::look(&transport, &inventory).await;
        let other = acquire(&lab, &transport, "r1").await.expect("it is free");
        other.release(ended_well).await;
        let refused = claim((&lab, &transport), "r2", &seen, false).await.expect_err("r1");
        assert!(matches!(refused, LeaseError::Overtaken { .. }), "{refused:?}");
        let words = refused.to_string();
        assert!(
            words.starts_with("run r1 of ops@here ended on this cluster while this plan was read"),
            "{words}"
        );
        assert!(held(&lab, &transport).await.is_empty(), "what was taken is given back");
    }
    // Freed by a person: what the dead run did until then is not in the plan either.
    let seen = lease::look(&transport, &inventory).await;
    acquire(&lab, &transport, "r3").await.expect("it is free").leave();
    lease::unlock(&transport, &inventory, "ops@here: it is dead").await;
    let refused = claim((&lab, &transport), "r4", &seen, false).await.expect_err("r3");
    assert!(
        matches!(&refused, LeaseError::Overtaken { run, .. } if run == "r3"),
        "{refused:?}"
    );

    // Runs one after the other, within a second, are fine; so is a look before a run that was refused.
    let seen = lease::look(&transport, &inventory).await;
    let first = claim((&lab, &transport), "r5", &seen, false).await.expect("free");
    acquire(&lab, &transport, "r6").await.expect_err("r5 holds it");
    first.release(true).await;
    acquire(&lab, &transport, "r7")
        .await
        .expect("it looked after r5")
        .release(true)
        .await;
}

#[tokio::test(start_paused = true)]
async fn one_master_that_was_there_is_enough_to_know_of_another_run() {
    let (lab, transport) = fleet(&[]);
    let seen = lease::look(&transport, &lab.inventory()).await;
    refuse(&lab, &["m3"]);
    acquire(&lab, &transport, "r1")
        .await
        .expect("two of three")
        .release(true)
        .await;
    lab.mend();
    refuse(&lab, &["m2"]);
    let refused = claim((&lab, &transport), "r2", &seen, false)
        .await
        .expect_err("m1 says so");
    assert!(
        matches!(&refused, LeaseError::Overtaken { master, .. } if master.as_str() == "m1"),
        "{refused:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_cluster_that_is_held_is_told_at_the_first_look_but_not_to_the_run_itself() {
    let (lab, transport) = fleet(&["m1"]);
    let _lease = acquire(&lab, &transport, "r1").await.expect("two of three");
    let seen = lease::look(&transport, &lab.inventory()).await;
    let refused = seen.free_for(&RunId::new("r2")).expect_err("r1 holds it");
    assert!(matches!(&refused, LeaseError::Held(h) if h.run == "r1"), "{refused:?}");
    seen.free_for(&RunId::new("r1")).expect("its own");
}

#[tokio::test(start_paused = true)]
async fn a_run_does_not_go_on_when_another_has_ended_well_since() {
    let (lab, transport) = fleet(&[]);
    acquire(&lab, &transport, "r1")
        .await
        .expect("free")
        .release(false)
        .await;
    let resumed = async || {
        let seen = lease::look(&transport, &lab.inventory()).await;
        claim((&lab, &transport), "r1", &seen, true).await
    };
    // Too few masters: its marks stay for the next try, and so they do through a run that fails.
    refuse(&lab, &["m2", "m3"]);
    let refused = resumed().await.expect_err("one of three");
    assert!(matches!(refused, LeaseError::NoMajority { .. }), "{refused:?}");
    lab.mend();
    acquire(&lab, &transport, "r2")
        .await
        .expect("free")
        .release(false)
        .await;
    resumed().await.expect("r2 did not end well").release(false).await;
    // It died, and a person freed its lock: its marks are there.
    resumed().await.expect("free").leave();
    lease::unlock(&transport, &lab.inventory(), "ops@here: it is dead").await;
    resumed().await.expect("unlock leaves marks").release(false).await;

    // m3 was away: its mark of r1 outlives the good end of r3.
    refuse(&lab, &["m3"]);
    let lease = acquire(&lab, &transport, "r3").await.expect("two of three");
    assert_eq!(lease.unfinished, ["r1", "r2"]);
    lab.mend();
    lease.release(true).await;
    for _ in 0..2 {
        let refused = resumed().await.expect_err("r3 ended well");
        assert!(matches!(refused, LeaseError::Over { .. }), "{refused:?}");
        assert!(held(&lab, &transport).await.is_empty(), "nothing was left behind");
    }
}

#[tokio::test(start_paused = true)]
async fn a_resumed_run_that_is_refused_keeps_the_lock_that_it_died_with() {
    let (lab, transport) = fleet(&[]);
    acquire(&lab, &transport, "r1").await.expect("free").leave();
    refuse(&lab, &["m2", "m3"]);
    let refused = claim((&lab, &transport), "r1", &Seen::default(), true).await;
    assert!(matches!(refused, Err(LeaseError::NoMajority { .. })), "{refused:?}");
    lab.mend();
    assert_eq!(held(&lab, &transport).await, ["m1 r1", "m2 r1", "m3 r1"]);
    let lease = claim((&lab, &transport), "r1", &Seen::default(), true).await;
    lease.expect("its own").release(true).await;
    assert!(held(&lab, &transport).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_lock_whose_answer_was_lost_is_taken_back_too() {
    let (lab, transport) = fleet(&["m2"]);
    strike(&lab, "m3", " acquire ", Fault::DropAfter, 1);
    let refused = acquire(&lab, &transport, "r1").await.expect_err("one of three");
    assert!(matches!(refused, LeaseError::NoMajority { got: 1, .. }), "{refused:?}");
    lab.mend();
    assert!(held(&lab, &transport).await.is_empty(), "m3 is free again");
    let lease = acquire(&lab, &transport, "r2").await.expect("free");
    assert!(lease.unfinished.is_empty(), "r1 never was: {lease:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_lock_was_freed_is_told_to_stop_and_touches_no_mark_of_others() {
    let (lab, transport) = fleet(&["m3"]);
    let cancel = Cancel::new();
    let lease = claim_with((&lab, &transport), "r1", &Seen::default(), (false, &cancel)).await;
    let lease = lease.expect("two of three");
    lab.mend();
    tokio::time::sleep(Duration::from_secs(300)).await;
    assert!(!cancel.stopping(), "m3 never gave the lock");
    // Masters that do not answer take nothing away.
    strike(&lab, "m1", " refresh ", Fault::DropBefore, 3);
    strike(&lab, "m2", " refresh ", Fault::DropBefore, 3);
    tokio::time::sleep(Duration::from_secs(180)).await;
    assert!(!cancel.stopping());

    lease::unlock(&transport, &lab.inventory(), "ops@here: it hangs").await;
    acquire(&lab, &transport, "r2")
        .await
        .expect("free")
        .release(false)
        .await;
    tokio::time::sleep(Duration::from_secs(61)).await;
    assert!(cancel.stopping() && !cancel.leaving());
    let why = cancel.why().expect("a reason");
    assert!(why.contains("does not hold their lock any more"), "{why}");

    lease.release(true).await;
    let next = acquire(&lab, &transport, "r3").await.expect("free");
    assert_eq!(next.unfinished, ["r2"], "r1 ended well, r2 did not");
}
