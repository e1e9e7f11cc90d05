//! A fleet in which every host has another trouble: the verdict on each row, what the diagnosis says of it, and the cure.

use certfleet::check::{Findings, Level, Subject, Verdict};
use certfleet::lab::{CalicoTrouble, Lab, LabConfig, Scenario};
use certfleet::model::HostName;

const PKI: &str = "/etc/kubernetes/pki";
const ADMIN: &str = "/etc/kubernetes/admin.conf";

/// One trouble: the row it makes, and a piece of its sentence and of its cure.
struct Case(&'static str, Subject, &'static str, Verdict, &'static str, &'static str);

const RESTART: &str = "certfleet restart -i lab/inventory.yaml";
const RENEW: &str = "certfleet renew -i lab/inventory.yaml";

/// What [`damage`] leads to. An empty sentence: nothing is to be said of the row.
const CASES: [Case; 16] = [
    Case("m1", Subject::File, "apiserver", Verdict::Ok, "", ""),
    Case(
        "m1",
        Subject::File,
        "apiserver-kubelet-client",
        Verdict::Expiring,
        "apiserver-kubelet-client on m1 expires in",
        RENEW,
    ),
    Case(
        "m1",
        Subject::File,
        "front-proxy-client",
        Verdict::Expired,
        "front-proxy-client on m1 expired 24 h ago",
        RENEW,
    ),
    Case(
        "m1",
        Subject::File,
        "apiserver-etcd-client",
        Verdict::NotYetValid,
        "apiserver-etcd-client on m1 is valid only in",
        "set the host's clock",
    ),
    Case(
        "m2",
        Subject::Held,
        "scheduler.conf",
        Verdict::RenewedNotInUse,
        "kube-scheduler on m2 still uses",
        RESTART,
    ),
    Case(
        "m2",
        Subject::File,
        "admin.conf",
        Verdict::Missing,
        "admin.conf on m2 is missing",
        "restore /etc/kubernetes/admin.conf",
    ),
    Case(
        "m2",
        Subject::File,
        "apiserver",
        Verdict::Mismatch,
        "the private key belongs to another",
        RENEW,
    ),
    Case(
        "m3",
        Subject::File,
        "etcd-server",
        Verdict::Mismatch,
        "it is m1's",
        "do not copy certificates between hosts",
    ),
    Case(
        "m3",
        Subject::File,
        "etcd-peer",
        Verdict::Missing,
        "a symlink to /gone",
        "from a backup of this host",
    ),
    Case(
        "m3",
        Subject::File,
        "controller-manager.conf",
        Verdict::Unknown,
        "could not be seen",
        "look at /etc/kubernetes/controller-manager.conf",
    ),
    Case(
        "w1",
        Subject::File,
        "kubelet-client",
        Verdict::Expired,
        "own client certificate on w1 expired",
        RENEW,
    ),
    Case(
        "w2",
        Subject::Served,
        "kubelet-serving",
        Verdict::Expired,
        "what the kubelet on w2 serves expired",
        RENEW,
    ),
    Case(
        "w5",
        Subject::File,
        "ca",
        Verdict::Expiring,
        "ca on w5 expires in",
        "renew the CA itself",
    ),
    Case(
        "w6",
        Subject::Copy,
        "kubeconfig of root",
        Verdict::RenewedNotInUse,
        "kubeconfig of root (/root/.kube/config) on w6",
        "copy the renewed one over it",
    ),
    Case(
        "w7",
        Subject::Token,
        "cni-token",
        Verdict::Expired,
        "no pod can be created or deleted there",
        "calico-node",
    ),
    Case(
        "w8",
        Subject::File,
        "kubelet-client",
        Verdict::Ok,
        "the clock of w8 is ",
        "set the host's clock",
    ),
];

/// What is no row, but said: host, sentence, cure.
const SAID: [(&str, &str, &str); 3] = [
    (
        "w3",
        "the kubelet on w3 does not rotate its client certificate",
        "rotateCertificates: true",
    ),
    (
        "w4",
        "the kubelet on w4 waits for the approval",
        "kubectl certificate approve",
    ),
    ("w5", "before certificates that it signed", "renew the CA itself"),
];

/// Three masters and eight workers; all is well but a token and a clock.
pub(crate) fn config() -> LabConfig {
    LabConfig {
        calico: vec![("w7".to_owned(), CalicoTrouble::Token)],
        clock_offsets: vec![("w8".to_owned(), -600_000)],
        ..LabConfig::new(Scenario::Healthy).sized(3, 8)
    }
}

/// Another trouble for every host.
pub(crate) fn damage(lab: &Lab) {
    let host = |name: &str| HostName::from(name);
    let reissue = |name: &str, path: &str, days| lab.reissue(&host(name), path, days).expect("a certificate");
    lab.copy_file((&host("m1"), ADMIN), (&host("w6"), "/root/.kube/config"));
    reissue("m1", ADMIN, (0, 365));
    reissue("m1", &format!("{PKI}/apiserver-kubelet-client.crt"), (-345, 20));
    reissue("m1", &format!("{PKI}/front-proxy-client.crt"), (-366, -1));
    reissue("m1", &format!("{PKI}/apiserver-etcd-client.crt"), (2, 367));
    reissue("m2", "/etc/kubernetes/scheduler.conf", (0, 365));
    lab.remove_file(&host("m2"), ADMIN);
    let (own, other) = (format!("{PKI}/apiserver.key"), format!("{PKI}/front-proxy-client.key"));
    lab.copy_file((&host("m2"), &other), (&host("m2"), &own));
    let etcd = format!("{PKI}/etcd/server.crt");
    lab.copy_file((&host("m1"), &etcd), (&host("m3"), &etcd));
    lab.link_file(&host("m3"), &format!("{PKI}/etcd/peer.crt"), "/gone");
    lab.write_file(&host("m3"), "/etc/kubernetes/controller-manager.conf", "rubbish\n");
    reissue("w1", "/var/lib/kubelet/pki/kubelet-client-current.pem", (-366, -1));
    reissue("w2", "/var/lib/kubelet/pki/kubelet.crt", (-366, -1));
    lab.write_file(
        &host("w3"),
        "/var/lib/kubelet/config.yaml",
        "rotateCertificates: false\n",
    );
    lab.request_serving_certificate(&host("w4"));
    reissue("w5", &format!("{PKI}/ca.crt"), (-3000, 3));
}

/// Every case is found, said and cured.
pub(crate) fn expect(findings: &Findings) {
    for Case(host, subject, name, verdict, sentence, cure) in CASES {
        let row = findings
            .certificates
            .iter()
            .find(|r| r.host.as_str() == host && r.subject == subject && r.name == name)
            .unwrap_or_else(|| panic!("no {subject:?} row {name} of {host}"));
        assert_eq!(row.verdict, verdict, "{row:#?}");
        if !sentence.is_empty() {
            is_said(findings, host, sentence, cure);
        }
    }
    for (host, sentence, cure) in SAID {
        is_said(findings, host, sentence, cure);
    }
}

/// A diagnosis of this host has these words and this cure.
pub(crate) fn is_said(findings: &Findings, host: &str, sentence: &str, cure: &str) {
    let of_host = findings
        .diagnoses
        .iter()
        .filter(|d| d.hosts.iter().any(|h| h.as_str() == host));
    let found = of_host
        .clone()
        .find(|d| d.sentence.contains(sentence) && d.cure.text().contains(cure));
    assert!(
        found.is_some(),
        "{host}: `{sentence}`, `{cure}` in {:#?}",
        of_host.collect::<Vec<_>>()
    );
}

#[tokio::test(start_paused = true)]
async fn every_trouble_has_its_row_its_sentence_and_its_cure() {
    let lab = Lab::new(config()).expect("a fleet");
    damage(&lab);
    expect(&super::check(&lab).await);
}

#[tokio::test(start_paused = true)]
async fn what_a_run_has_left_cordoned_is_named_with_the_run() {
    let lab = Lab::scenario(Scenario::Healthy).expect("a fleet");
    for (node, cordoned) in [("w1", true), ("w2", false)] {
        lab.cordon(&node.into(), true);
        lab.mark(&node.into(), "run-7");
        lab.cordon(&node.into(), cordoned);
    }
    lab.cordon(&"w3".into(), true);
    let findings = super::check(&lab).await;
    is_said(&findings, "w1", "run run-7 has left w1 cordoned", "certfleet renew");
    is_said(
        &findings,
        "w2",
        "the mark of run run-7 is still on w2",
        "certfleet renew",
    );
    let of_w3 = findings.diagnoses.iter().filter(|d| d.hosts.contains(&"w3".into()));
    assert_eq!(of_w3.count(), 0, "a person's cordon is theirs");
    assert_eq!(findings.level, Level::Warning);
}

#[tokio::test(start_paused = true)]
async fn kube_vip_holds_the_admin_conf_it_started_with() {
    let lab = Lab::scenario(Scenario::Healthy).expect("a fleet");
    let m3 = HostName::from("m3");
    lab.write_file(&m3, "/etc/kubernetes/manifests/kube-vip.yaml", "kind: Pod\n");
    tokio::time::sleep(std::time::Duration::from_secs(10)).await;
    lab.reissue(&m3, ADMIN, (0, 365)).expect("a certificate");
    let findings = super::check(&lab).await;
    is_said(
        &findings,
        "m3",
        "kube-vip on m3 still uses an earlier certificate",
        RESTART,
    );
}

#[tokio::test(start_paused = true)]
async fn an_external_ca_is_said_and_changes_the_cure() {
    let config = LabConfig {
        external_ca: true,
        ..LabConfig::new(Scenario::Expired)
    };
    let findings = super::check(&Lab::new(config).expect("a fleet")).await;
    is_said(
        &findings,
        "m1",
        "is not on m1, m2, m3 (external CA)",
        "signed by the owner of the CA",
    );
    is_said(&findings, "m1", "expired 60 min ago", "signed by the owner of the CA");
}

#[tokio::test(start_paused = true)]
async fn other_ports_are_found_where_the_host_says_them() {
    let lab = Lab::scenario(Scenario::Healthy).expect("a fleet");
    let m1 = HostName::from("m1");
    let manifest = |name: &str, flags: &str| {
        let path = format!("/etc/kubernetes/manifests/{name}.yaml");
        lab.write_file(&m1, &path, &format!("kind: Pod\n  - command:\n    - {name}\n{flags}"));
    };
    manifest(
        "kube-apiserver",
        "    - --advertise-address=192.168.140.11\n    - --secure-port=7443\n",
    );
    manifest(
        "kube-scheduler",
        "    - --bind-address=127.0.0.1\n    - --secure-port=11259\n",
    );
    manifest(
        "etcd",
        "    - --listen-client-urls=https://127.0.0.1:12379,https://192.168.140.11:12379\n    - --listen-peer-urls=https://192.168.140.11:12380\n",
    );
    lab.write_file(
        &m1,
        "/var/lib/kubelet/config.yaml",
        "rotateCertificates: true\nport: 10260\n",
    );
    let findings = super::check(&lab).await;
    let of_m1 = findings
        .certificates
        .iter()
        .filter(|r| r.host == m1 && r.subject == Subject::Served);
    let mut seen: Vec<(&str, Verdict)> = of_m1.map(|r| (r.place.as_str(), r.verdict)).collect();
    seen.sort_unstable();
    let expected = [
        "127.0.0.1:10257",
        "127.0.0.1:10260",
        "127.0.0.1:11259",
        "127.0.0.1:12379",
        "127.0.0.1:7443",
        "192.168.140.100:6443",
        "192.168.140.11:12380",
    ];
    assert_eq!(seen, expected.map(|place| (place, Verdict::Ok)));
}
