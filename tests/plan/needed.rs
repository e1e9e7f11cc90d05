//! Least disruption: what is skipped where facts show it to be needless, and what never is.

use certfleet::model::{Health, Use};
use certfleet::plan::Plan;

use crate::fleet::{Fleet, built_in};

fn fresh() -> Fleet {
    Fleet::new(3, 2).alive().fresh()
}

fn stale(fleet: Fleet, host: &str) -> Fleet {
    fleet.with_live(host, |l| l.in_use[0].state = Use::Stale("an older one".to_owned()))
}

fn hosts(work: &[String]) -> Vec<&str> {
    let mut hosts: Vec<&str> = work.iter().filter_map(|w| w.split(' ').next()).collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts
}

/// What follows each restart, for the whole cluster.
const STUCK_PODS: &str = "m1 delete stuck CNI pods";

#[test]
fn a_second_renewal_plans_nothing_and_asks_nothing() {
    for name in ["renew", "rolling"] {
        let plan = fresh().plan(&built_in(name), "all");
        assert_eq!(plan.work().map(|s| &s.id).collect::<Vec<_>>(), Vec::<&String>::new());
        assert!(plan.phases.iter().all(|p| p.gate.is_none()), "{name}");
        assert!(!plan.has_outage());
        let errors: Vec<_> = plan.errors().collect();
        assert!(
            errors.is_empty(),
            "who has nothing to do takes nothing down: {errors:?}"
        );
        let forced = fresh().work(&built_in(name).forced());
        assert!(forced.contains(&"m1 renew 10 certificates".to_owned()), "{forced:?}");
    }
}

#[test]
fn only_the_restart_that_is_needed() {
    let mut rolling = stale(fresh(), "m2").work(&built_in("rolling"));
    rolling.retain(|w| w != STUCK_PODS);
    assert_eq!(hosts(&rolling), ["m2"], "one at a time, only who needs it");
    assert!(
        !rolling.iter().any(|w| w.contains("renew") || w.contains("back up")),
        "{rolling:?}"
    );
    let together = stale(fresh(), "m2").work(&built_in("renew"));
    assert_eq!(hosts(&together), ["m1", "m2", "m3"], "all masters together, no worker");
    assert!(!together.iter().any(|w| w.contains("renew")), "{together:?}");
}

#[test]
fn one_old_certificate_is_renewed_alone() {
    let plan = fresh()
        .with_certificate("m1", "scheduler.conf", 200)
        .plan(&built_in("rolling"), "all");
    let titles: Vec<&str> = plan.work().map(|s| s.planned.title.as_str()).collect();
    assert!(
        titles.contains(&"renew 1 certificate") && titles.contains(&"back up /etc/kubernetes"),
        "{titles:?}"
    );
    assert!(plan.work().all(|s| s.host.as_str() == "m1"));
    let step = plan
        .work()
        .find(|s| s.operation == "renew-certificates")
        .expect("the step");
    let why = step
        .planned
        .left_out
        .iter()
        .find(|p| p.what == "apiserver")
        .map(|p| p.why.as_str());
    assert_eq!(why, Some("fresh already: 100 % of its life is left, until 2021-11-22"));
}

#[test]
fn what_a_worker_needs() {
    let ill = || Some(Health::Ill("ill".to_owned()));
    let kubelet = ["w1 stop kubelet", "w1 start containerd", "w1 start kubelet"].as_slice();
    let everything = [
        "w1 stop kubelet",
        "w1 stop containerd",
        "w1 start containerd",
        "w1 start kubelet",
    ]
    .as_slice();
    let only_kubelet = ["w1 stop kubelet", "w1 start kubelet"].as_slice();
    let reissued = [
        "w1 stop kubelet",
        "w1 reissue the kubelet's client certificate",
        "w1 start kubelet",
    ]
    .as_slice();
    let base = || stale(fresh(), "m1");
    let unit = |state: &'static str, unit: &'static str| {
        base().with("w1", move |f| {
            f.units.get_mut(unit).expect("the unit").active = state.to_owned();
        })
    };
    let table: Vec<(Fleet, &[&str])> = vec![
        (base(), &[]),
        (base().with_live("w1", |l| l.endpoint = ill()), only_kubelet),
        (base().with_live("w1", |l| l.endpoint = None), only_kubelet),
        (base().with_live("w1", |l| l.node = ill()), only_kubelet),
        (base().with_certificate("w1", "kubelet-client", -1), reissued),
        (unit("failed", "kubelet.service"), only_kubelet),
        (
            unit("inactive", "containerd.service").with_live("w1", |l| l.node = ill()),
            everything,
        ),
        (base().with("w1", |f| f.live = None), everything),
    ];
    for (number, (fleet, expected)) in table.into_iter().enumerate() {
        let work = fleet.work(&built_in("renew"));
        let of_worker: Vec<&str> = work
            .iter()
            .map(String::as_str)
            .filter(|w| w.starts_with("w1 "))
            .collect();
        assert_eq!(of_worker, expected, "row {number}");
    }
    let rolling = fresh().with_live("w1", |l| l.node = ill()).work(&built_in("rolling"));
    assert_eq!(rolling, [kubelet[0], kubelet[2], STUCK_PODS]);
}

#[test]
fn a_reason_is_given_for_both() {
    let fleet = stale(fresh(), "m1").with_live("w1", |l| l.endpoint = Some(Health::Ill("nobody answers".to_owned())));
    let plan = fleet.plan(&built_in("renew"), "all");
    let step = |id: &str| {
        &plan
            .phases
            .iter()
            .flat_map(|p| &p.steps)
            .find(|s| s.id == id)
            .expect("the step")
            .planned
    };
    let skip = |id: &str| step(id).skip.as_ref().map(|s| s.0.clone());
    assert_eq!(
        step("stop-kubelet/w1/1-service").forecast.as_deref(),
        Some("needed: nobody answers")
    );
    assert_eq!(
        step("stop-kubelet/m1/1-service").forecast.as_deref(),
        Some("needed: kube-apiserver: apiserver: an older one")
    );
    assert_eq!(
        skip("stop-runtime/w1/1-service").as_deref(),
        Some("it runs, and no container of a worker holds a certificate of the cluster")
    );
    assert_eq!(
        skip("stop-kubelet/w2/1-service").as_deref(),
        Some("its certificate is valid, its API server answers, and its node is Ready")
    );
}

/// Hosts of a phase's gate.
fn proven(plan: &Plan, phase: &str) -> Vec<String> {
    let phase = plan.phases.iter().find(|p| p.name == phase).expect("the phase");
    let mut hosts: Vec<String> = phase
        .gate
        .iter()
        .flat_map(|g| &g.probes)
        .map(|p| p.host.to_string())
        .collect();
    hosts.dedup();
    hosts
}

#[test]
fn who_needs_nothing_has_nothing_to_prove() {
    let fleet = stale(fresh(), "m2").with_live("w2", |l| l.endpoint = None);
    let rolling = fleet.plan(&built_in("rolling"), "all");
    assert_eq!(proven(&rolling, "masters")[0], "m2");
    assert!(!proven(&rolling, "masters").contains(&"m1".to_owned()));
    let together = fleet.plan(&built_in("renew"), "all");
    let start = together
        .phases
        .iter()
        .find(|p| p.name == "start-workers")
        .expect("the phase");
    assert_eq!(
        start.batches,
        [vec!["w2".into()], vec!["w1".into()]],
        "who needs nothing comes last"
    );
    assert_eq!(proven(&together, "start-workers")[0], "w2");
    assert!(!proven(&together, "start-workers").contains(&"w1".to_owned()));
}

#[test]
fn without_the_word_nothing_is_spared() {
    let restart = fresh().work(&built_in("restart"));
    assert_eq!(hosts(&restart), ["m1", "m2", "m3", "w1", "w2"]);
    let all = fresh().work(&built_in("renew").without_exceptions());
    assert!(all.contains(&"w1 stop containerd".to_owned()), "{all:?}");
    assert!(
        !all.iter().any(|w| w.contains("renew")),
        "fresh certificates are spared in any playbook"
    );
}

/// Nodes that an earlier run has left cordoned are seen by whatever proves them.
#[test]
fn what_restarts_something_asks_what_runs() {
    for (name, asks) in [("renew", true), ("rolling", true), ("restart", true), ("check", false)] {
        assert_eq!(built_in(name).asks_what_runs(), asks, "{name}");
    }
}

/// What is done once for the cluster is done by a master of the call, whichever that is.
#[test]
fn without_the_first_master_the_next_one_speaks() {
    let restart = |limit: &str| {
        let plan = fresh().plan(&built_in("restart"), limit);
        let by = plan.work().filter(|s| s.operation == "delete-pods");
        by.map(|s| s.host.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(restart("all"), ["m1"]);
    assert_eq!(restart("!m1"), ["m2"]);
    assert_eq!(restart("m3,w1"), ["m3"]);
}

#[test]
fn an_outage_is_forecast_only_for_what_stops() {
    let plan = |fleet: Fleet, limit: &str| fleet.plan(&built_in("renew"), limit).outage;
    let masters = plan(stale(fresh(), "m1"), "all").expect("an outage");
    assert_eq!((masters.masters, masters.workers), (3, 0));
    let needy = || fresh().with_live("w1", |l| l.node = None);
    assert_eq!(plan(needy(), "w1"), None, "a kubelet's restart stops no container");
    let stopped = needy().with("w1", |f| f.live = None);
    let workers = plan(stopped, "w1").expect("workloads stop");
    assert_eq!((workers.masters, workers.workers), (0, 1));
    assert!(!workers.why.contains("API"), "{}", workers.why);
}
