//! What processes show and hold.

use super::*;

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
