//! Clusters that are not the usual one: etcd elsewhere, a run that was cut short.

use certfleet::model::{CertificateFact, CertificateState, KeyMatch, Role};
use certfleet::plan::Severity;

use crate::fleet::{Fleet, built_in, written};

/// Masters whose etcd is in no inventory, all well.
pub(crate) fn beside_foreign_etcd(masters: usize) -> Fleet {
    let mut fleet = Fleet::new(masters, 1).alive();
    let names: Vec<_> = fleet.inventory.masters().map(|h| h.name.clone()).collect();
    for name in names {
        fleet = fleet.with(name.as_str(), |facts| {
            facts.static_pods.retain(|p| p != "etcd");
            facts.certificates.retain(|c| !c.name.starts_with("etcd-"));
            facts.shape.etcd_servers = vec!["https://10.0.0.31:2379".to_owned()];
        });
        fleet = fleet.with_live(name.as_str(), |l| l.etcd = None);
    }
    fleet
}

/// A master whose etcd runs elsewhere, with a client certificate that ends in `days`.
fn external(days: i64) -> Fleet {
    let fleet = Fleet::new(1, 1).with_certificate("m1", "apiserver-etcd-client", days);
    fleet.with("m1", |facts| {
        facts.static_pods.retain(|p| p != "etcd");
        facts
            .certificates
            .retain(|c| !c.name.starts_with("etcd-") || c.name == "etcd-ca");
        facts.shape.etcd_servers = vec!["https://10.0.0.31:2379".to_owned()];
        for ca in facts.certificates.iter_mut().filter(|c| c.name == "etcd-ca") {
            ca.key = KeyMatch::Absent;
        }
    })
}

/// The same with the etcd host in the inventory.
fn managed(days: i64, key: KeyMatch) -> Fleet {
    let mut fleet = external(days);
    let mut host = fleet.inventory.hosts[0].clone();
    (host.name, host.role) = ("e1".into(), Role::Etcd);
    let mut facts = fleet.facts[&"m1".into()].clone();
    facts.host = "e1".into();
    facts.static_pods = vec!["etcd".to_owned()];
    facts.certificates.retain(|c| c.name == "etcd-ca");
    facts.certificates[0].key = key;
    facts.ca_key = Some(false);
    fleet.facts.insert("e1".into(), facts);
    fleet.inventory.hosts.push(host);
    fleet
}

#[test]
fn the_client_of_a_foreign_etcd_is_left_alone_and_its_end_is_said() {
    let renew = built_in("renew");
    for (days, note) in [
        (-1, "error etcd-client-expired m1"),
        (20, "warning etcd-client-not-renewed m1"),
        (200, "info etcd-client-not-renewed m1"),
    ] {
        let found = external(days).notes(&renew);
        assert!(found.iter().any(|n| n == note), "{days}: {found:?}");
        let ours = managed(days, KeyMatch::Match).notes(&renew);
        assert!(!ours.iter().any(|n| n.contains("etcd-client")), "{days}: {ours:?}");
    }
    let stacked = Fleet::new(1, 1).with_certificate("m1", "apiserver-etcd-client", -1);
    assert!(!stacked.notes(&renew).iter().any(|n| n.contains("etcd-")));
    let work = external(-1).work(&renew);
    assert!(!work.iter().any(|w| w.contains("apiserver-etcd-client")), "{work:?}");
}

#[test]
fn the_client_of_our_etcd_is_signed_where_its_authority_is_or_the_plan_says_that_it_cannot_be() {
    for playbook in ["renew", "rolling"] {
        let work = managed(-1, KeyMatch::Match).work(&built_in(playbook));
        let wanted = "m1 renew apiserver-etcd-client, signed on e1".to_owned();
        assert!(work.contains(&wanted), "{playbook}: {work:?}");
    }
    let renew = built_in("renew");
    // A stacked master whose CA key was put away; another master that still has it signs.
    let put_away = Fleet::new(3, 1).with("m1", |facts| {
        for ca in facts.certificates.iter_mut().filter(|c| c.name == "etcd-ca") {
            ca.key = KeyMatch::Absent;
        }
    });
    let work = put_away.work(&renew);
    assert!(
        work.iter()
            .any(|w| w.starts_with("m1 renew apiserver-etcd-client, etcd-") && w.ends_with("signed on m2")),
        "{work:?}"
    );
}

/// Without the only master there is no API, wherever its etcd is.
#[test]
fn the_only_api_server_is_not_stopped_without_a_word() {
    let rolling = built_in("rolling");
    let said = |fleet: &Fleet| -> Vec<String> {
        let plan = fleet.plan(&rolling, "all");
        let notes = plan.errors().filter(|n| n.code == "outage-not-accepted");
        notes.map(|n| n.message.clone()).collect()
    };
    let alone = "phase `masters` stops 1 of 1 masters at a time: the API goes away";
    let etcd = "phase `etcd` stops 1 of 1 etcd members at a time: the API goes away";
    assert_eq!(said(&external(200)), [alone]);
    assert_eq!(said(&managed(200, KeyMatch::Match)), [etcd, alone]);
    assert_eq!(said(&beside_foreign_etcd(2)), [""; 0]);
    let one_is_away = beside_foreign_etcd(2).with("m2", |f| f.unreachable = Some("no route".to_owned()));
    assert_eq!(said(&one_is_away), [alone.replace("1 of 1", "2 of 2")]);
    // Once for what is one: a stacked master is an etcd member too.
    let stacked = "phase `masters` stops 1 of 1 etcd members at a time: the API goes away";
    assert_eq!(said(&Fleet::new(1, 1)), [stacked]);
    // All at once, and with the outage accepted.
    let at_once = written(
        "  - name: r\n    hosts: masters\n    steps: [recycle-static-pods]\n    gate: { probes: [api-server] }\n",
    );
    let found = beside_foreign_etcd(2).notes(&at_once);
    assert!(found.contains(&"error outage-not-accepted".to_owned()), "{found:?}");
    let renew = beside_foreign_etcd(1).notes(&built_in("renew"));
    assert!(!renew.contains(&"error outage-not-accepted".to_owned()), "{renew:?}");
}

#[test]
fn without_the_key_of_etcds_ca_only_what_is_of_no_use_stops_the_rest() {
    let missing = |fleet: &Fleet| {
        let plan = fleet.plan(&built_in("renew"), "all");
        let note = plan.notes.iter().find(|n| n.code == "etcd-ca-key-missing").cloned();
        let note = note.expect("the note");
        assert!(note.remedy.contains("docs/guide/external-ca.md"), "{}", note.remedy);
        assert_eq!(plan.errors().next().is_some(), note.severity == Severity::Error);
        (note.severity, note.message)
    };
    for days in [200, 20] {
        let (severity, message) = missing(&managed(days, KeyMatch::Absent));
        assert_eq!(severity, Severity::Warning, "{days}");
        assert!(message.contains("the first of them expires on 202"), "{message}");
    }
    assert_eq!(missing(&managed(-1, KeyMatch::Absent)).0, Severity::Error);
    let spoilt = |spoil: fn(&mut CertificateFact)| {
        managed(200, KeyMatch::Absent).with("m1", |facts| {
            let client = facts.certificates.iter_mut();
            client.filter(|c| c.name == "apiserver-etcd-client").for_each(spoil);
        })
    };
    let unreadable = spoilt(|c| c.state = CertificateState::Unreadable("holds no certificate".to_owned()));
    assert_eq!(missing(&unreadable).0, Severity::Error);
    let mismatched = spoilt(|c| c.key = KeyMatch::Mismatch);
    assert_eq!(missing(&mismatched).0, Severity::Error);
}

#[test]
fn a_playbook_that_does_not_know_the_step_is_told_of_it() {
    let own = written(
        "  - name: own\n    hosts: masters,etcd\n    steps: [renew-certificates]\n    gate: { probes: [certificates-on-disk] }\n",
    );
    let plan = managed(-1, KeyMatch::Match).plan(&own, "all");
    let note = plan
        .errors()
        .find(|n| n.code == "etcd-client-expired")
        .expect("an error");
    assert!(note.remedy.contains("reissue-etcd-certificates"), "{}", note.remedy);
    let found = managed(20, KeyMatch::Match).notes(&own);
    assert!(
        found.contains(&"warning etcd-client-not-renewed m1".to_owned()),
        "{found:?}"
    );
}

#[test]
fn parked_manifests_are_said_with_who_puts_them_back() {
    let parked = |playbook: &str| {
        let fleet = Fleet::new(3, 1).with("m2", |facts| {
            facts.shape.parked = vec!["/etc/kubernetes/certfleet-parked/run-1/etcd.yaml".to_owned()];
        });
        let plan = fleet.plan(&built_in(playbook), "all");
        let note = plan.notes.iter().find(|n| n.code == "parked-manifests").cloned();
        note.expect("the note").remedy
    };
    assert!(parked("renew").contains("puts them back first"));
    assert!(parked("check").contains("certfleet restart"));
}

#[test]
fn workers_are_gated_on_the_endpoint_that_their_kubelet_uses() {
    for playbook in ["renew", "restart", "rolling", "check"] {
        let mut fleet = Fleet::new(3, 2).with("w2", |facts| facts.kubelet_server = None);
        for name in ["w1", "m1"] {
            fleet = fleet.with(name, |facts| {
                facts.kubelet_server = Some("https://vip.example:6443".to_owned());
            });
        }
        fleet = fleet.with("w2", |facts| facts.kubelet_server = None);
        let plan = fleet.plan(&built_in(playbook), "all");
        let gates = plan.phases.iter().filter_map(|p| p.gate.as_ref());
        let asked: Vec<&str> = gates
            .flat_map(|g| &g.probes)
            .filter(|p| p.probe.name() == "endpoint")
            .map(|p| p.host.as_str())
            .collect();
        assert!(asked.contains(&"w1"), "{playbook}: {asked:?}");
        assert!(!asked.contains(&"w2"), "{playbook}: no endpoint is known there");
    }
}
