//! Each verdict, and what is said of it. Here files; what runs, what is around them and what cures in files of their own.

mod around;
mod cures;
mod in_use;

use super::fixtures::*;
use super::*;
use crate::model::certificate::CertificateState;
use crate::model::facts::ListenFacts;
use crate::model::{CertificateFact, HostFacts, KeyMatch, Role};
use crate::probes::fixtures::at;
use crate::probes::recent_journal::JournalSummary;
use crate::probes::served::{ServedAnswer, Server};
use crate::probes::serving_requests::ServingRequest;
use crate::probes::surroundings::{CopyFacts, MountFacts, ProcessFacts, TokenFacts};

fn judged(fleet: &FleetInspection) -> (Vec<Row>, Vec<Diagnosis>) {
    let rows = rows(fleet, Thresholds::default());
    let diagnoses = diagnose(fleet, &rows, "prod.yaml");
    (rows, diagnoses)
}

fn find<'a>(rows: &'a [Row], subject: Subject, name: &str) -> &'a Row {
    let mut found = rows.iter().filter(|r| r.subject == subject && r.name == name);
    found
        .next()
        .unwrap_or_else(|| panic!("no {subject:?} row {name}: {rows:#?}"))
}

/// A master damaged by `damage`, and the verdict on one of its rows.
fn verdict(subject: Subject, name: &str, damage: impl FnOnce(&mut Inspection)) -> (Verdict, Level) {
    let mut host = master("m1", 1);
    damage(&mut host);
    let (rows, _) = judged(&fleet(vec![host, master("m2", 2)]));
    let row = find(&rows, subject, name);
    (row.verdict, row.level)
}

fn change(host: &mut Inspection, name: &str, change: impl FnOnce(&mut CertificateFact)) {
    let fact = host.facts.certificates.iter_mut().find(|c| c.name == name);
    change(fact.expect("the certificate is in the fixture"));
}

fn dates(not_before: &'static str, not_after: &'static str) -> impl FnOnce(&mut Inspection) {
    move |host| {
        change(host, "scheduler.conf", |c| {
            c.state = CertificateState::Present(Box::new(x509("scheduler.conf", "9", not_before, not_after)));
        });
    }
}

#[test]
fn a_healthy_fleet_has_nothing_to_say() {
    let (rows, diagnoses) = judged(&fleet(vec![master("m1", 1), master("m2", 2)]));
    let problems: Vec<&Row> = rows.iter().filter(|r| r.is_problem()).collect();
    assert!(problems.is_empty(), "{problems:#?}");
    assert_eq!((diagnoses, worst(&rows, &[])), (Vec::new(), Level::Ok));
}

#[test]
fn the_dates_of_a_file_decide_first() {
    let table = [
        ("2020-08-10T00:00:00Z", (Verdict::Expiring, Level::Critical)),
        ("2020-08-31T00:00:00Z", (Verdict::Expiring, Level::Warning)),
        ("2020-10-31T00:00:00Z", (Verdict::Ok, Level::Ok)),
        (ENDED, (Verdict::Expired, Level::Critical)),
    ];
    for (end, expected) in table {
        assert_eq!(
            verdict(Subject::File, "scheduler.conf", dates("2020-01-01T00:00:00Z", end)),
            expected,
            "{end}"
        );
    }
    let early = verdict(Subject::File, "scheduler.conf", dates("2020-08-09T14:01:00Z", GOOD));
    assert_eq!(early, (Verdict::NotYetValid, Level::Critical));
}

#[test]
fn the_hosts_own_clock_decides_what_is_valid_there() {
    let behind = |host: &mut Inspection| {
        dates("2020-08-09T13:55:00Z", GOOD)(host);
        host.facts.clock = Some(crate::model::Clock {
            offset_ms: -600_000,
            uncertainty_ms: 20,
        });
    };
    assert_eq!(verdict(Subject::File, "scheduler.conf", behind).0, Verdict::NotYetValid);
    let mut host = master("m1", 1);
    behind(&mut host);
    let (_, diagnoses) = judged(&fleet(vec![host]));
    assert!(
        diagnoses[0].sentence.contains("the clock of m1 is 10 min behind"),
        "{diagnoses:#?}"
    );
}

#[test]
fn files_that_do_not_belong_here_are_mismatches() {
    let key = |m: KeyMatch| move |h: &mut Inspection| change(h, "scheduler.conf", |c| c.key = m);
    assert_eq!(
        verdict(Subject::File, "scheduler.conf", key(KeyMatch::Mismatch)).0,
        Verdict::Mismatch
    );
    assert_eq!(
        verdict(Subject::File, "scheduler.conf", key(KeyMatch::Absent)).0,
        Verdict::Mismatch
    );
    assert_eq!(
        verdict(Subject::File, "scheduler.conf", key(KeyMatch::Unknown)).0,
        Verdict::Ok
    );
    let strange = |h: &mut Inspection| {
        change(h, "scheduler.conf", |c| {
            if let CertificateState::Present(x) = &mut c.state {
                x.signed_by = None;
            }
        });
    };
    assert_eq!(verdict(Subject::File, "scheduler.conf", strange).0, Verdict::Mismatch);
}

#[test]
fn a_certificate_of_another_master_is_named_as_such() {
    let mut host = master("m1", 1);
    let copied = master("m2", 2).file("apiserver").cloned();
    change(&mut host, "apiserver", |c| *c = copied.expect("m2 has one"));
    let (rows, diagnoses) = judged(&fleet(vec![host, master("m2", 2)]));
    let row = find(&rows, Subject::File, "apiserver");
    assert_eq!(row.verdict, Verdict::Mismatch);
    assert!(
        row.detail.as_deref().is_some_and(|d| d.contains("it is m2's")),
        "{row:?}"
    );
    assert!(
        diagnoses
            .iter()
            .any(|d| matches!(&d.cure, Cure::Manual(t) if t.contains("do not copy"))),
        "{diagnoses:#?}"
    );
}

#[test]
fn missing_files_matter_where_they_are_needed() {
    let gone = |state: CertificateState| move |h: &mut Inspection| change(h, "scheduler.conf", |c| c.state = state);
    assert_eq!(
        verdict(Subject::File, "scheduler.conf", gone(CertificateState::Missing)),
        (Verdict::Missing, Level::Critical)
    );
    let dangling = CertificateState::Dangling("/gone".to_owned());
    assert_eq!(
        verdict(Subject::File, "scheduler.conf", gone(dangling)),
        (Verdict::Missing, Level::Critical)
    );
    let unreadable = CertificateState::Unreadable("permission denied".to_owned());
    assert_eq!(
        verdict(Subject::File, "scheduler.conf", gone(unreadable)),
        (Verdict::Unknown, Level::Unknown)
    );
    let mut etcd = master("e1", 7);
    etcd.role = Role::Etcd;
    let kubelet = CertificateFact {
        state: CertificateState::Missing,
        ..file(x509("x", "1", RENEWED, GOOD), "kubelet-client")
    };
    etcd.facts.certificates.push(kubelet);
    let (rows, _) = judged(&fleet(vec![etcd]));
    assert!(
        !rows.iter().any(|r| r.name == "kubelet-client"),
        "an etcd-only host needs no kubelet client certificate"
    );
}

#[test]
fn a_ca_that_ends_first_ends_its_leaves() {
    let mut host = master("m1", 1);
    change(&mut host, "ca", |c| {
        c.state = CertificateState::Present(Box::new(x509("ca", "0", "2010-01-01T00:00:00Z", ENDED)));
    });
    let (rows, diagnoses) = judged(&fleet(vec![host]));
    assert_eq!(find(&rows, Subject::File, "apiserver").verdict, Verdict::Expired);
    assert!(
        diagnoses[0].sentence.starts_with("ca on m1 expired 2 h ago"),
        "{diagnoses:#?}"
    );
}

#[test]
fn the_seed_names_the_api_server_as_the_cause_with_its_cure() {
    let (rows, diagnoses) = judged(&seed());
    let row = find(&rows, Subject::Served, "apiserver");
    assert_eq!((row.verdict, row.level), (Verdict::RenewedNotInUse, Level::Critical));
    assert_eq!(find(&rows, Subject::File, "apiserver").verdict, Verdict::Ok);
    assert_eq!(
        find(&rows, Subject::Held, "scheduler.conf").verdict,
        Verdict::RenewedNotInUse
    );
    assert_eq!(
        diagnoses[0].sentence,
        "kube-apiserver on m1, m2, m3 serves a certificate that expired 2 h ago; the file was renewed on 2020-03-16; the process is older than the file"
    );
    assert_eq!(
        diagnoses[0].cure,
        Cure::Command("certfleet restart -i prod.yaml".to_owned())
    );
    assert_eq!(worst(&rows, &diagnoses), Level::Critical);
}

#[test]
fn dial_targets_cover_every_port_and_the_kubelets_endpoint() {
    let inspected = master("m1", 1);
    let mut facts = inspected.facts.clone();
    facts.kubelet_server = Some("https://vip.example.com:8443".to_owned());
    let host = crate::probes::fixtures::host("m1", Role::ControlPlane);
    let ports: Vec<u16> = dial_targets(&host, &facts, inspected.surroundings.as_ref())
        .iter()
        .map(|e| e.port)
        .collect();
    assert_eq!(ports, [6443, 2379, 2380, 10250, 10257, 10259, 8443]);
    for (server, port) in [
        ("kube-apiserver", 7443),
        ("etcd-peer", 12380),
        ("kubelet", 10260),
        ("kube-scheduler", 11259),
    ] {
        facts.listens.push(ListenFacts {
            server: server.to_owned(),
            address: (server == "etcd-peer").then(|| "10.9.9.9".to_owned()),
            port,
        });
    }
    let told = dial_targets(&host, &facts, inspected.surroundings.as_ref());
    let ports: Vec<u16> = told.iter().map(|e| e.port).collect();
    assert_eq!(ports, [7443, 2379, 12380, 10260, 10257, 11259, 8443]);
    assert_eq!(told[2].address, "10.9.9.9");
}
