//! The judges, judged: each of them must be able to say no.

use certfleet::event::{Event, EventKind};
use certfleet::lab::LabStatus;
use certfleet::model::HostName;
use certfleet::model::exit::RunEnd;
use certfleet::plan::Plan;
use serde_json::{Value, json};

use crate::case::Case;
use crate::judge::{ORDER, honest, workers_after_masters};
use crate::shapes;
use crate::watch::Watch;
use crate::world::{Part, World};

pub(crate) fn paused<T>(what: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime");
    runtime.block_on(what)
}

#[test]
fn what_is_lost_after_a_resume_is_judged() {
    let case: Case = "rolling kill 20 m1".parse().expect("a case");
    paused(async {
        let world = World::new(case).await;
        assert_eq!(world.begin().await, Part::Killed);
        assert!(world.wrong().is_empty(), "{:?}", world.wrong());
        for host in ["m1", "m2"] {
            world.lab.reboot(&HostName::new(host));
        }
        world.go_on(Some(1)).await;
        let wrong = world.wrong();
        assert!(wrong.first().is_some_and(|w| w.starts_with("etcd lost ")), "{wrong:?}");
    });
}

/// The fleet of a case with these hosts without power.
async fn dark(case: Case, hosts: &[&str]) -> LabStatus {
    let world = World::new(case).await;
    for host in hosts {
        world.lab.reboot(&HostName::new(*host));
    }
    world.lab.status()
}

#[test]
fn a_power_cut_takes_one_member_and_excuses_no_other() {
    let books = ["rolling", "kube-vip-rolling", "k3s-rolling", "rke2-rolling"];
    for (book, trouble) in books.iter().flat_map(|b| [(b, "reboot"), (b, "reboot-and-kill")]) {
        let case: Case = format!("{book} {trouble} 1 m1").parse().expect("a case");
        let seen = |hosts: &[&str], event: Value| {
            let mut watch = Watch::new(case);
            watch.look(&paused(dark(case, hosts)), &event);
            watch.wrong
        };
        let gate = json!({ "seq": 7, "event": "gate-started", "phase": "masters" });
        assert_eq!(seen(&["m1", "m2"], gate.clone()), [""; 0], "{book} {trouble}");
        assert_eq!(
            seen(&["m1", "m2", "m3"], gate),
            ["etcd lost 3 members at event 7 (gate-started masters)"],
            "{book} {trouble}"
        );
    }
}

#[test]
fn no_member_is_begun_with_while_another_is_away() {
    let case: Case = "rolling reboot 1 m1".parse().expect("a case");
    let event = |host: &str| json!({ "seq": 9, "event": "journal-noted", "phase": "masters", "host": host });
    let mut watch = Watch::new(case);
    let status = paused(dark(case, &["m1"]));
    watch.look(&status, &event("m1"));
    assert!(watch.wrong.is_empty(), "its own: {:?}", watch.wrong);
    for _ in 0..2 {
        watch.look(&status, &event("m2"));
    }
    assert_eq!(watch.wrong, ["m2 was begun at event 9 while the etcd of m1 was away"]);
}

fn event(kind: EventKind) -> Event {
    Event {
        seq: 1,
        at: jiff::Timestamp::UNIX_EPOCH,
        kind,
    }
}

fn step(phase: &str, host: &str) -> EventKind {
    EventKind::StepStarted {
        step: format!("{phase}/{host}/1-service"),
        phase: phase.to_owned(),
        host: host.into(),
        title: "start".to_owned(),
        commands: Vec::new(),
    }
}

fn passed(phase: &str, hosts: &[&str]) -> EventKind {
    EventKind::GatePassed {
        phase: phase.to_owned(),
        hosts: hosts.iter().map(|h| HostName::new(*h)).collect(),
        elapsed: std::time::Duration::ZERO,
    }
}

async fn plan_of(book: &str) -> Plan {
    World::new(format!("{book} nothing 1 m1").parse().expect("a case"))
        .await
        .plan
}

#[test]
fn a_worker_before_the_masters_gate_is_seen_in_every_playbook() {
    for book in [
        "renew",
        "rolling",
        "kube-vip-rolling",
        "k3s",
        "k3s-rolling",
        "rke2",
        "rke2-rolling",
    ] {
        let plan = paused(plan_of(book));
        let (_, first, second) = ORDER
            .iter()
            .find(|(name, ..)| *name == plan.playbook)
            .expect("its order");
        let early = [passed(first, &["m1", "m2"]), step(second, "w1")].map(event);
        let said = workers_after_masters(&plan, &early);
        assert!(said.is_err_and(|e| e.contains("before")), "{book}");
        let late = [passed(first, &["m1", "m2", "m3"]), step(second, "w1")].map(event);
        assert_eq!(workers_after_masters(&plan, &late), Ok(()), "{book}");
    }
}

#[test]
fn every_playbook_of_masters_and_workers_has_its_order() {
    for (name, first, second) in ORDER {
        let playbook = certfleet::config::load_playbook(name).expect("built in");
        let place = |phase: &str| playbook.phases.iter().position(|p| p.name == phase);
        assert!(place(first).is_some() && place(first) < place(second), "{name}");
    }
    let known = |playbook: &str| ORDER.iter().any(|(name, ..)| *name == playbook);
    assert!(shapes::playbooks().all(known));
}

#[test]
fn a_report_without_a_host_or_with_one_under_way_is_not_honest() {
    let plan = paused(plan_of("renew"));
    let end = Part::Ended(RunEnd::Succeeded);
    let begun = |hosts: Vec<HostName>| EventKind::RunStarted {
        run: certfleet::model::RunId::new("sim"),
        cluster: String::new(),
        playbook: "renew".to_owned(),
        plan: String::new(),
        version: String::new(),
        operator: String::new(),
        hosts,
    };
    let all: Vec<HostName> = plan.hosts.iter().map(|h| h.name.clone()).collect();
    assert_eq!(honest(end, &plan, &[event(begun(all.clone()))]), Ok(()));
    let fewer = all[1..].to_vec();
    assert_eq!(
        honest(end, &plan, &[event(begun(fewer))]),
        Err("the report has no state of m1".to_owned())
    );
    let phase = EventKind::PhaseStarted {
        phase: "renew".to_owned(),
        hosts: vec!["m1".into()],
        outage: false,
    };
    let busy = [begun(all), phase, step("renew", "m1")].map(event);
    let said = honest(end, &plan, &busy);
    assert!(said.is_err_and(|e| e.contains("m1 still runs in `renew`")));
}
