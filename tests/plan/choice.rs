//! Which order is chosen, and what is said for it.

use certfleet::model::Health;
use certfleet::plan::Strategy;
use jiff::ToSpan;

use crate::fleet::{Fleet, notes, now};
use crate::shapes::beside_foreign_etcd;

fn healthy() -> Fleet {
    Fleet::new(3, 2).alive()
}

#[test]
fn rolling_needs_everything_to_be_well() {
    let ill = || Some(Health::Ill("it is ill".to_owned()));
    let table: Vec<(Fleet, &str)> = vec![
        (
            Fleet::new(1, 2).alive(),
            "1 master: without one of them etcd has no quorum (3 are needed)",
        ),
        (
            Fleet::new(2, 2).alive(),
            "2 masters: without one of them etcd has no quorum (3 are needed)",
        ),
        (
            beside_foreign_etcd(1),
            "1 master: nobody answers for it while it restarts (2 are needed beside an etcd of somebody else's)",
        ),
        (
            healthy().with_certificate("m2", "admin.conf", -1),
            "m2: admin.conf expired on disk",
        ),
        (
            healthy().with_live("m3", |l| l.in_use[0].served_until = Some(now() - 1.hours())),
            "m3: apiserver served although expired",
        ),
        (healthy().with_live("m1", |l| l.api = ill()), "m1: it is ill"),
        (
            healthy().with_live("m1", |l| l.api = None),
            "m1: its API server is not known to be ready",
        ),
        (healthy().with_live("m2", |l| l.etcd = ill()), "m2: it is ill"),
        (
            healthy().with("m2", |f| f.live = None),
            "m2: what runs there could not be looked at",
        ),
    ];
    for (fleet, against) in table {
        let choice = fleet.choose(None);
        assert_eq!(choice.strategy, Strategy::StopAll, "{against}");
        assert_eq!(choice.because, [against]);
        assert_eq!(choice.because, choice.against_rolling);
        let refused = notes(&fleet.plan_chosen(Some(Strategy::Rolling)));
        assert!(
            refused.contains(&"error rolling-cannot-work".to_owned()),
            "{against}: {refused:?}"
        );
    }
}

/// Its quorum is not ours to keep, and nobody asked its members.
#[test]
fn beside_a_foreign_etcd_two_masters_are_enough_and_nothing_is_said_of_members() {
    for masters in [2, 3] {
        let choice = beside_foreign_etcd(masters).choose(None);
        assert_eq!(
            (choice.strategy, choice.against_rolling.as_slice()),
            (Strategy::Rolling, &[] as &[String]),
            "{masters}"
        );
        assert_eq!(choice.because.len(), 2, "{:?}", choice.because);
        assert!(
            !choice.because.iter().any(|b| b.contains("etcd")),
            "{:?}",
            choice.because
        );
        let found = notes(&beside_foreign_etcd(masters).plan_chosen(None));
        assert!(!found.iter().any(|n| n.starts_with("error")), "{found:?}");
    }
    // One of them has a member of its own: then its quorum is ours.
    let mixed = beside_foreign_etcd(2).with("m1", |f| f.static_pods.push("etcd".to_owned()));
    assert_eq!(mixed.choose(None).strategy, Strategy::StopAll);
}

/// Their containers live on, so the API answers all the same, and each gets its certificate in its turn.
#[test]
fn kubelets_that_cannot_start_are_no_reason_for_an_outage() {
    let fleet = ["m1", "m2", "m3", "w1", "w2"]
        .into_iter()
        .fold(healthy(), |f, host| f.with_certificate(host, "kubelet-client", -1));
    assert_eq!(fleet.choose(None).strategy, Strategy::Rolling);
}

#[test]
fn troubles_of_workers_are_no_reason_for_an_outage() {
    let fleet = healthy()
        .with_certificate("w1", "kubelet-client", -1)
        .with_live("w2", |l| l.node = Some(Health::Ill("not Ready".to_owned())));
    assert_eq!(fleet.choose(None).strategy, Strategy::Rolling);
    assert_eq!(Fleet::new(5, 0).alive().choose(None).strategy, Strategy::Rolling);
}

#[test]
fn the_choice_is_part_of_the_plan_and_of_its_hash() {
    let chosen = healthy().plan_chosen(None);
    assert_eq!((chosen.playbook.as_str(), notes(&chosen)), ("rolling", vec![]));
    let choice = chosen.choice.clone().expect("a choice");
    assert!(
        choice.outage.is_zero() && !choice.asked && choice.because.len() == 3,
        "{choice:?}"
    );
    let asked = healthy().plan_chosen(Some(Strategy::Rolling));
    assert_ne!(asked.hash(), chosen.hash());
    let json = serde_json::to_string(&chosen).expect("data");
    let back: certfleet::plan::Plan = serde_json::from_str(&json).expect("it is read back");
    assert_eq!(back.hash(), chosen.hash());

    let expired = healthy().with_live("m1", |l| l.api = Some(Health::Ill("down".to_owned())));
    let plan = expired.plan_chosen(None);
    assert_eq!(plan.playbook, "renew");
    assert!(plan.choice.is_some_and(|c| !c.outage.is_zero()));
}

#[test]
fn a_limit_that_leaves_masters_behind_is_a_warning_where_they_have_expired() {
    let renew = crate::fleet::built_in("renew");
    let limited = |fleet: Fleet| notes(&fleet.plan(&renew, "m1,workers"));
    let left = "warning masters-left-out".to_owned();
    assert!(limited(healthy().with_certificate("m1", "apiserver", -1)).contains(&left));
    let served = healthy().with_live("m1", |l| l.in_use[0].served_until = Some(now() - 1.hours()));
    assert!(limited(served).contains(&left));
    assert!(!limited(healthy()).contains(&left));

    // Workers alone: the masters decide all the same, and the workers would wait for them.
    let workers = |fleet: &Fleet| notes(&fleet.plan(&renew, "workers"));
    let waiting = || healthy().with_live("w1", |l| l.endpoint = Some(Health::Ill("refused".to_owned())));
    let expired = waiting().with_certificate("m1", "apiserver", -1);
    assert!(workers(&expired).contains(&left));
    assert!(!workers(&waiting()).contains(&left));
    assert_eq!(expired.choice_of("workers", None).strategy, Strategy::StopAll);
    assert_eq!(healthy().choice_of("workers", None).strategy, Strategy::Rolling);
    let whole = healthy().with_certificate("m1", "apiserver", -1).plan(&renew, "all");
    assert!(!notes(&whole).contains(&left));
}
