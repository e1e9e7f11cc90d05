//! Each verdict, and what is said of it.

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
fn served_certificates_are_compared_with_the_file() {
    let serve =
        |answer: ServedAnswer| move |h: &mut Inspection| h.handshakes = vec![served(Server::ApiServer, 6443, answer)];
    let table = [
        (
            old_api("2020-09-30T00:00:00Z"),
            (Verdict::RenewedNotInUse, Level::Warning),
        ),
        (
            old_api("2020-08-10T00:00:00Z"),
            (Verdict::RenewedNotInUse, Level::Critical),
        ),
        (ServedAnswer::Closed, (Verdict::Unknown, Level::Unknown)),
        (
            ServedAnswer::Unknown("silent".to_owned()),
            (Verdict::Unknown, Level::Unknown),
        ),
        (
            ServedAnswer::Certificate(Box::new(x509(
                "apiserver",
                "99",
                "2020-08-01T00:00:00Z",
                "2021-08-01T00:00:00Z",
            ))),
            (Verdict::Mismatch, Level::Warning),
        ),
    ];
    for (answer, expected) in table {
        assert_eq!(
            verdict(Subject::Served, "apiserver", serve(answer.clone())),
            expected,
            "{answer:?}"
        );
    }
}

#[test]
fn behind_a_balancer_any_masters_file_counts() {
    let through = |answer: ServedAnswer| {
        let mut worker = master("w1", 9);
        (worker.role, worker.facts.certificates) = (Role::Worker, Vec::new());
        worker.handshakes = vec![served(Server::Endpoint, 6443, answer)];
        worker
    };
    let file_of_m2 = ServedAnswer::Certificate(Box::new(x509("apiserver", "22", RENEWED, GOOD)));
    let (rows, _) = judged(&fleet(vec![master("m1", 1), master("m2", 2), through(file_of_m2)]));
    let row = rows
        .iter()
        .find(|r| r.host.as_str() == "w1" && r.subject == Subject::Served)
        .expect("a row");
    assert_eq!(
        (row.verdict, row.evidence.ends_with("m2 answered").then_some(true)),
        (Verdict::Ok, Some(true))
    );
    let mut hosts = seed().hosts;
    hosts.push(through(old_api(ENDED)));
    let (rows, _) = judged(&fleet(hosts));
    let row = rows
        .iter()
        .find(|r| r.host.as_str() == "w1" && r.subject == Subject::Served)
        .expect("a row");
    assert_eq!((row.verdict, row.level), (Verdict::RenewedNotInUse, Level::Critical));
}

#[test]
fn ages_tell_what_no_handshake_shows() {
    let scheduler = |started: Option<&'static str>, process: Option<&'static str>| {
        move |h: &mut Inspection| {
            h.facts.containers.retain(|c| c.name != "kube-scheduler");
            h.facts
                .containers
                .extend(started.map(|s| container("kube-scheduler", s)));
            let one = |s| ProcessFacts {
                name: "kube-scheduler".to_owned(),
                pid: 7,
                started: at(s),
            };
            h.surroundings.as_mut().expect("set").processes.extend(process.map(one));
        }
    };
    let table = [
        (Some("2020-03-16T09:59:59Z"), None, Verdict::RenewedNotInUse),
        (Some("2020-03-16T10:00:00.2Z"), None, Verdict::Ok),
        // /proc rounds: one second before the file is no proof.
        (None, Some("2020-03-16T09:59:59Z"), Verdict::Ok),
        (None, Some("2020-03-16T09:59:00Z"), Verdict::RenewedNotInUse),
        (None, None, Verdict::Unknown),
    ];
    for (container, process, expected) in table {
        let found = verdict(Subject::Held, "scheduler.conf", scheduler(container, process)).0;
        assert_eq!(found, expected, "{container:?} {process:?}");
    }
    // Put back with its old times: the certificate itself is younger than the process.
    let restored = |h: &mut Inspection| {
        change(h, "scheduler.conf", |c| {
            c.modified = Some(at("2019-01-01T00:00:00Z"));
            c.state = CertificateState::Present(Box::new(x509("scheduler.conf", "5", "2020-05-01T00:00:00Z", GOOD)));
        });
    };
    assert_eq!(
        verdict(Subject::Held, "scheduler.conf", restored).0,
        Verdict::RenewedNotInUse
    );
}

#[test]
fn a_process_that_is_down_is_said_once() {
    let mut host = master("m1", 1);
    host.facts.containers.retain(|c| c.name != "kube-scheduler");
    host.handshakes
        .push(served(Server::Scheduler, 10259, ServedAnswer::Closed));
    let (rows, diagnoses) = judged(&fleet(vec![host]));
    assert_eq!(find(&rows, Subject::Held, "scheduler.conf").verdict, Verdict::Unknown);
    let said: Vec<&str> = diagnoses.iter().map(|d| d.sentence.as_str()).collect();
    assert_eq!(said, ["kube-scheduler (127.0.0.1:10259) on m1: nothing listens there"]);
}

#[test]
fn kube_vip_holds_what_it_mounts() {
    let vip = |h: &mut Inspection| {
        let around = h.surroundings.as_mut().expect("set");
        around.mounts.push(MountFacts {
            pod: "kube-vip".to_owned(),
            path: "/etc/kubernetes/admin.conf".to_owned(),
        });
        around.processes.push(ProcessFacts {
            name: "kube-vip".to_owned(),
            pid: 8,
            started: at("2020-01-01T00:00:00Z"),
        });
    };
    let mut host = master("m1", 1);
    vip(&mut host);
    let (rows, _) = judged(&fleet(vec![host]));
    let row = rows
        .iter()
        .find(|r| r.process.as_deref() == Some("kube-vip"))
        .expect("a row");
    assert_eq!(
        (row.name.as_str(), row.verdict),
        ("admin.conf", Verdict::RenewedNotInUse)
    );
    assert!(
        row.evidence.contains("the process started 2020-01-01"),
        "{}",
        row.evidence
    );
}

#[test]
fn copies_are_compared_by_fingerprint() {
    let copied = |x: crate::model::X509Facts| {
        move |h: &mut Inspection| {
            h.surroundings.as_mut().expect("set").copies.push(CopyFacts {
                source: "root".to_owned(),
                path: "/root/.kube/config".to_owned(),
                state: CertificateState::Present(Box::new(x)),
                modified: None,
            });
        }
    };
    let of = |x| verdict(Subject::Copy, "kubeconfig of root", copied(x));
    assert_eq!(of(x509("admin.conf", "12", RENEWED, GOOD)).0, Verdict::Ok);
    assert_eq!(
        of(x509("admin.conf", "22", RENEWED, GOOD)).0,
        Verdict::Ok,
        "m2's admin.conf is as good"
    );
    assert_eq!(
        of(x509("admin.conf", "1", "2019-08-09T00:00:00Z", ENDED)),
        (Verdict::RenewedNotInUse, Level::Warning)
    );
    assert_eq!(
        of(x509("jane", "1", "2019-08-09T00:00:00Z", ENDED)),
        (Verdict::Expired, Level::Warning)
    );
}

#[test]
fn an_ended_token_of_the_cni_is_critical() {
    let token = |expires: &'static str| {
        move |h: &mut Inspection| {
            let issued = at(expires).checked_sub(SignedDuration::from_hours(24)).ok();
            let token = TokenFacts {
                path: "/etc/cni/net.d/calico-kubeconfig".to_owned(),
                expires: Some(at(expires)),
                issued,
            };
            h.surroundings.as_mut().expect("set").tokens.push(token);
        }
    };
    assert_eq!(
        verdict(Subject::Token, "cni-token", token(ENDED)),
        (Verdict::Expired, Level::Critical)
    );
    assert_eq!(
        verdict(Subject::Token, "cni-token", token("2020-08-10T02:00:00Z")),
        (Verdict::Ok, Level::Ok)
    );
    assert_eq!(
        verdict(Subject::Token, "cni-token", token("2020-08-09T15:00:00Z")).0,
        Verdict::Expiring
    );
}

#[test]
fn what_is_around_the_certificates_is_said_too() {
    let mut host = master("m1", 1);
    host.facts.ca_key = Some(false);
    let around = host.surroundings.as_mut().expect("set");
    around.kubelet.rotates = Some(false);
    host.facts.certificates.push(file(
        x509("kubelet-client", "4", RENEWED, "2020-08-20T00:00:00Z"),
        "kubelet-client",
    ));
    host.journal = Some(JournalSummary {
        blocking: [("expired".to_owned(), 3)].into(),
        ..JournalSummary::default()
    });
    let mut inspected = fleet(vec![
        host,
        Inspection {
            facts: HostFacts::unreachable("m2".into(), "no route"),
            ..master("m2", 2)
        },
    ]);
    inspected.requests = Some(vec![ServingRequest {
        name: "csr-1".to_owned(),
        node: "m1".to_owned(),
        created: None,
    }]);
    let (_, diagnoses) = judged(&inspected);
    let said: Vec<&str> = diagnoses.iter().map(|d| d.sentence.as_str()).collect();
    for expected in [
        "does not rotate its client certificate",
        "complained in the last 10 minutes: expired",
        "waits for the approval",
        "external CA",
        "m2 could not be asked: no route",
        "kubelet-client on m1 expires in 10 days",
    ] {
        assert!(said.iter().any(|s| s.contains(expected)), "{expected}: {said:#?}");
    }
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
