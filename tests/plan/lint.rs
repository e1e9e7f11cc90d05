//! Every rule by name: what it finds, and that it is silent on a healthy fleet.

use certfleet::model::{Clock, HostFacts};

use crate::fleet::{Fleet, built_in, notes, written};

fn clock(offset_ms: i64) -> impl FnOnce(&mut HostFacts) {
    move |facts| {
        facts.clock = Some(Clock {
            offset_ms,
            uncertainty_ms: 5,
        });
    }
}

fn silent(facts: &mut HostFacts) {
    *facts = HostFacts::unreachable(facts.host.clone(), "no route to host");
}

#[test]
fn a_healthy_fleet_has_no_notes() {
    let fleet = Fleet::new(3, 2);
    for playbook in ["renew", "restart", "rolling", "check"] {
        assert_eq!(fleet.notes(&built_in(playbook)), Vec::<String>::new(), "{playbook}");
    }
}

#[test]
fn what_was_found_on_hosts() {
    let fleet = || Fleet::new(3, 2);
    let table: Vec<(Fleet, &[&str])> = vec![
        (fleet().with("m2", silent), &["error master-unreachable m2"]),
        (Fleet::new(3, 10).with("w1", silent), &["warning worker-unreachable w1"]),
        (fleet().with("w1", silent), &["error worker-unreachable w1"]),
        (fleet().with("w1", |f| f.root = Some(false)), &["error no-root w1"]),
        (fleet().with_certificate("m1", "ca", -1), &["error ca-expired m1"]),
        (fleet().with_certificate("m3", "etcd-ca", -1), &["error ca-expired m3"]),
        (
            fleet().with("m1", |f| f.ca_key = Some(false)),
            &["error ca-key-missing m1", "error cannot-plan m1"],
        ),
        (fleet().with("w2", clock(-70_000)), &["error clock-skew w2"]),
        (fleet().with("w2", clock(60_004)), &[]),
        (
            fleet().with("m1", clock(-40_000)).with("w2", clock(40_000)),
            &["error clock-skew w2"],
        ),
        (fleet().with("m1", clock(-25_000)).with("w2", clock(25_000)), &[]),
        (
            fleet()
                .with_certificate("w1", "kubelet-client", -1)
                .with_certificate("m1", "kubelet-client", -1),
            &[],
        ),
        (
            fleet()
                .with_certificate("m1", "kubelet-client", -1)
                .with("m1", |f| f.hostname = None),
            &["error kubelet-client-expired m1"],
        ),
        (
            fleet()
                .with_certificate("w1", "kubelet-client", -1)
                .with("w1", |f| f.hostname = Some("m1".to_owned())),
            &["warning kubelet-client-expired w1"],
        ),
        (
            fleet().with("m1", |f| f.disk_free = Some(1 << 20)),
            &["error disk-full m1"],
        ),
        (
            fleet().with("m1", |f| f.problems.push("no openssl".to_owned())),
            &["warning fact-unknown m1"],
        ),
    ];
    for (fleet, expected) in table {
        assert_eq!(fleet.notes(&built_in("renew")), expected);
    }
}

#[test]
fn a_kubelet_that_nobody_can_sign_for_is_refused_on_a_master() {
    let expired = |host: &str| Fleet::new(1, 1).with_certificate(host, "kubelet-client", -1);
    let without = |fleet: Fleet| fleet.with("m1", |f| f.ca_key = Some(false));
    let notes = |fleet: &Fleet, playbook: &str| {
        let all = fleet.notes(&built_in(playbook));
        let mine = all.into_iter().filter(|n| n.contains("kubelet-client"));
        mine.collect::<Vec<_>>()
    };
    assert_eq!(
        notes(&without(expired("m1")), "restart"),
        ["error kubelet-client-expired m1"]
    );
    assert_eq!(
        notes(&without(expired("w1")), "restart"),
        ["warning kubelet-client-expired w1"]
    );
    assert_eq!(notes(&expired("m1"), "restart"), Vec::<String>::new());
    let ended = expired("m1").with_certificate("m1", "ca", -1);
    assert_eq!(notes(&ended, "renew"), ["error kubelet-client-expired m1"]);
    // A playbook of one's own without the step.
    let phase = restart_phase("r", "all", "    outage: accepted\n");
    assert_eq!(
        expired("m1").notes(&written(&phase))[0],
        "error kubelet-client-expired m1"
    );
}

#[test]
fn rules_about_renewal_are_silent_where_nothing_is_renewed() {
    let fleet = Fleet::new(1, 0)
        .with_certificate("m1", "ca", -1)
        .with("m1", |f| f.ca_key = Some(false));
    assert_eq!(fleet.notes(&built_in("restart")), Vec::<String>::new());
    let dry = Fleet::new(1, 0).with("m1", |f| f.root = Some(false));
    assert_eq!(
        dry.notes(&built_in("check")),
        Vec::<String>::new(),
        "asking needs no root"
    );
}

/// Stops and starts everything on these hosts.
fn restart_phase(name: &str, hosts: &str, more: &str) -> String {
    format!(
        "  - name: {name}\n    hosts: {hosts}\n{more}    steps:\n      - service: {{ unit: kubelet, state: stopped }}\n      \
         - recycle-static-pods\n      - service: {{ unit: kubelet, state: started }}\n    \
         gate: {{ probes: [ {{ unit: {{ name: kubelet, state: active }} }} ], timeout: 5m }}\n"
    )
}

fn service_phase(name: &str, hosts: &str, unit: &str, state: &str, gate: bool) -> String {
    let gate = if gate {
        "    gate: { probes: [ { unit: { name: kubelet, state: active } } ], timeout: 5m }\n"
    } else {
        ""
    };
    format!(
        "  - name: {name}\n    hosts: {hosts}\n    outage: accepted\n    steps: [ {{ service: {{ unit: {unit}, state: {state} }} }} ]\n{gate}"
    )
}

#[test]
fn an_outage_must_be_accepted() {
    let one_by_one = restart_phase("r", "masters", "    max-parallel: 1\n");
    let at_once = restart_phase("r", "masters", "");
    let accepted = restart_phase("r", "masters", "    outage: accepted\n");
    let refused: &[&str] = &["error outage-not-accepted"];
    let table: [(usize, &str, &[&str]); 6] = [
        (3, &one_by_one, &[]),
        (3, &at_once, refused),
        (3, &accepted, &[]),
        (1, &one_by_one, refused),
        (2, &one_by_one, refused),
        (5, &restart_phase("r", "masters", "    max-parallel: 2\n"), &[]),
    ];
    for (masters, phases, expected) in table {
        assert_eq!(
            Fleet::new(masters, 1).notes(&written(phases)),
            expected,
            "{masters} masters:\n{phases}"
        );
    }
    assert_eq!(Fleet::new(1, 1).notes(&built_in("rolling")), refused);
}

#[test]
fn a_runtime_that_is_stopped_by_its_own_name_is_an_outage_too() {
    let phases = service_phase("s", "masters", "containerd", "stopped", true).replace("    outage: accepted\n", "");
    assert_eq!(Fleet::new(3, 0).notes(&written(&phases)), ["error outage-not-accepted"]);
}

#[test]
fn quorum_counts_masters_outside_of_the_limit() {
    let fleet = Fleet::new(3, 0).without_facts("m2").without_facts("m3");
    assert_eq!(notes(&fleet.plan(&built_in("rolling"), "m1")), Vec::<String>::new());
}

#[test]
fn a_member_that_is_away_already_counts_as_lost() {
    let fleet = Fleet::new(3, 0).with("m3", silent);
    let expected = ["error master-unreachable m3", "error outage-not-accepted"];
    assert_eq!(fleet.notes(&built_in("rolling")), expected);
}

#[test]
fn workers_start_after_proven_masters() {
    let stop = service_phase("stop", "all", "kubelet", "stopped", true);
    let workers = service_phase("workers", "workers", "kubelet", "started", true);
    let masters = |gate| service_phase("masters", "masters", "kubelet", "started", gate);
    let all = service_phase("all", "all", "kubelet.service", "started", true);
    let early = "error workers-before-masters";
    let table: [(String, &[&str]); 5] = [
        (format!("{stop}{}{workers}", masters(true)), &[]),
        (format!("{stop}{workers}{}", masters(true)), &[early]),
        (format!("{stop}{}{workers}", masters(false)), &[early, "error no-gate"]),
        (format!("{stop}{all}"), &[early]),
        (restart_phase("r", "all", "    outage: accepted\n"), &[early]),
    ];
    for (phases, expected) in table {
        let mut found = Fleet::new(3, 2).notes(&written(&phases));
        found.sort_by_key(|n| n.contains("no-gate"));
        assert_eq!(found, expected, "{phases}");
    }
    let one_by_one = restart_phase("r", "all", "    max-parallel: 1\n");
    assert_eq!(Fleet::new(3, 2).notes(&written(&one_by_one)), Vec::<String>::new());
}

#[test]
fn a_change_needs_a_gate_and_a_backup_does_not() {
    let kubelet = service_phase("s", "workers", "kubelet", "started", false);
    assert_eq!(Fleet::new(1, 1).notes(&written(&kubelet)), ["error no-gate"]);
    let backup = "  - name: b\n    hosts: masters\n    steps: [ backup ]\n";
    assert_eq!(Fleet::new(1, 1).notes(&written(backup)), Vec::<String>::new());
}

#[test]
fn hosts_that_the_inventory_does_not_have_are_named() {
    let phases = service_phase("s", "'w1,w9'", "kubelet", "started", true);
    let plan = Fleet::new(1, 1).plan(&written(&phases), "all");
    assert_eq!(notes(&plan), ["warning unknown-hosts"]);
    assert!(plan.notes[0].message.contains("w9"), "{}", plan.notes[0].message);
}

#[test]
fn every_error_says_what_to_do() {
    let fleet = Fleet::new(1, 1)
        .with_certificate("m1", "ca", -1)
        .with("m1", |f| f.ca_key = Some(false))
        .with("w1", clock(90_000));
    for note in &fleet.plan(&built_in("rolling"), "all").notes {
        assert!(!note.message.is_empty() && !note.remedy.is_empty(), "{note:?}");
    }
}
