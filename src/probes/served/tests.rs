//! The seed's question: served is not what is on disk.

use super::*;
use crate::model::facts::ContainerFacts;
use crate::probes::Verdict;
use crate::probes::fixtures::{at, host, on_disk, x509};

/// Renewed on disk in March; the processes are from January.
fn seed(started: &str) -> HostFacts {
    let mut facts = HostFacts::unknown("m1".into());
    let renewed = "2020-03-16T10:00:00Z";
    facts.certificates = vec![
        on_disk("apiserver", "2", "2021-03-16T10:00:00Z", renewed),
        on_disk("scheduler.conf", "3", "2021-03-16T10:00:00Z", renewed),
    ];
    let container = |name: &str| ContainerFacts {
        name: name.to_owned(),
        id: format!("{name}-1"),
        started: Some(at(started)),
    };
    facts.containers = vec![container("kube-apiserver"), container("kube-scheduler")];
    facts.static_pods = vec!["kube-apiserver".to_owned(), "etcd".to_owned()];
    facts.advertise_address = Some("10.0.0.1".to_owned());
    facts
}

fn served(serial: &str) -> ServedCertificate {
    ServedCertificate {
        endpoint: Endpoint {
            server: Server::ApiServer,
            address: "127.0.0.1".to_owned(),
            port: 6443,
        },
        answer: ServedAnswer::Certificate(Box::new(x509(serial, "2020-11-20T00:00:00Z"))),
    }
}

#[test]
fn renewed_on_disk_but_not_in_use_is_seen() {
    let rows = in_use(&seed("2020-01-02T00:00:00Z"), &[served("1")]);
    assert!(matches!(rows[0].verdict, InUse::Stale(_)), "{:?}", rows[0]);
    assert!(
        rows.iter()
            .any(|r| r.process == "kube-scheduler" && matches!(r.verdict, InUse::Stale(_)))
    );
    let Verdict::Wait(seen) = judge(&rows) else {
        panic!("a stale certificate passed");
    };
    assert!(
        seen.contains("kube-apiserver: apiserver renewed on disk but not in use: serves serial 1"),
        "{seen}"
    );
}

#[test]
fn a_new_process_with_the_file_passes_and_silence_does_not() {
    let facts = seed("2020-11-22T19:00:00Z");
    assert!(judge(&in_use(&facts, &[served("2")])).passed());
    let silent = |answer| ServedCertificate { answer, ..served("2") };
    assert!(!judge(&in_use(&facts, &[silent(ServedAnswer::Closed)])).passed());
    assert!(!judge(&in_use(&facts, &[silent(ServedAnswer::Unknown("deadline".to_owned()))])).passed());
    assert!(!judge(&[]).passed());
}

#[test]
fn a_load_balancer_may_answer_for_another_master() {
    let mut vip = served("1");
    vip.endpoint.server = Server::Endpoint;
    let rows = in_use(&seed("2020-11-22T19:00:00Z"), &[vip]);
    assert!(matches!(rows[0].verdict, InUse::Unknown(_)));
}

#[test]
fn ports_follow_the_host() {
    let facts = seed("2020-11-22T19:00:00Z");
    let ports = |role, facts: &HostFacts| -> Vec<(String, u16)> {
        let endpoints = endpoints(&host("m1", role), facts);
        endpoints.into_iter().map(|e| (e.address, e.port)).collect()
    };
    let master = ports(Role::ControlPlane, &facts);
    assert_eq!(master.len(), 4);
    assert!(master.contains(&("10.0.0.1".to_owned(), 2380)));
    assert_eq!(
        ports(Role::Worker, &HostFacts::unknown("w1".into())),
        [("127.0.0.1".to_owned(), 10250)]
    );
    let of = |url| kubelet_endpoint(url).map(|e| (e.address, e.port));
    assert_eq!(of("https://[fd00::1]:6443"), Some(("fd00::1".to_owned(), 6443)));
    assert_eq!(of("https://lb.example.com"), Some(("lb.example.com".to_owned(), 443)));
    assert_eq!(of("https://[fd00::1]"), Some(("fd00::1".to_owned(), 443)));
    assert_eq!(of("http://x"), None);
}

#[test]
fn a_host_that_lost_its_power_before_the_renewal_is_not_taken_for_recycled() {
    let newer = |started: &str| {
        let facts = seed(started);
        newer_than_files(&facts.containers, &facts.certificates)
    };
    assert!(newer("2020-11-22T19:00:00Z").passed());
    let Verdict::Wait(seen) = newer("2020-01-02T00:00:00Z") else {
        panic!("processes older than their files passed");
    };
    assert!(seen.contains("kube-apiserver is older than apiserver"), "{seen}");
    assert!(newer_than_files(&[], &seed("2020-01-02T00:00:00Z").certificates).passed());
}
