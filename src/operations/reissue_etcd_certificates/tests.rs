//! Who signs for whom, for how long, and what the plan shows of it.

use std::collections::BTreeMap;

use super::*;
use crate::model::{HostName, KeyMatch};
use crate::operations::fixtures;
use crate::operations::types::Fleet;

const DAY: i64 = 86_400;

fn at(day: i64) -> Timestamp {
    Timestamp::from_second(1_600_000_000 + day * DAY).unwrap()
}

/// As kubeadm makes it, valid from a day to a day; day 0 is now.
fn leaf(name: &str, subject: &str, sans: &[&str], (from, until): (i64, i64)) -> CertificateFact {
    let mut fact = fixtures::certificate(name, KeyMatch::Match);
    if let CertificateState::Present(x509) = &mut fact.state {
        subject.clone_into(&mut x509.subject);
        x509.sans = sans.iter().map(|s| (*s).to_owned()).collect();
        (x509.not_before, x509.not_after) = (at(from), at(until));
        x509.signed_by = Some("etcd-ca".to_owned());
    }
    fact
}

fn authority(key: KeyMatch, sha256: &str) -> CertificateFact {
    let mut fact = leaf("etcd-ca", "CN=etcd-ca", &[], (-1000, 2650));
    fact.key = key;
    if let CertificateState::Present(x509) = &mut fact.state {
        sha256.clone_into(&mut x509.sha256);
    }
    fact
}

fn client(life: (i64, i64)) -> CertificateFact {
    leaf(CLIENT, "O=system:masters, CN=kube-apiserver-etcd-client", &[], life)
}

/// A master whose etcd is on `e1` to `e3`, of which the first has the key.
struct Cluster {
    hosts: Vec<Host>,
    facts: BTreeMap<HostName, HostFacts>,
}

impl Cluster {
    fn new(life: (i64, i64)) -> Self {
        let names = [("m1", Role::ControlPlane), ("e1", Role::Etcd), ("e2", Role::Etcd)];
        let hosts = names.map(|(n, role)| fixtures::host(n, role)).to_vec();
        let own = |name: &str| {
            let mut facts = fixtures::facts(name);
            facts.static_pods = vec![if name == "m1" { "kube-apiserver" } else { "etcd" }.to_owned()];
            let key = if name == "e1" {
                KeyMatch::Match
            } else {
                KeyMatch::Absent
            };
            facts.certificates = vec![authority(key, "one")];
            if name == "m1" {
                facts.certificates.push(client(life));
            } else {
                let sans = ["localhost", name, "10.0.0.31", "::1"];
                for server in ["etcd-server", "etcd-peer"] {
                    facts
                        .certificates
                        .push(leaf(server, &format!("CN={name}"), &sans, life));
                }
                let subject = "O=system:masters, CN=kube-etcd-healthcheck-client";
                facts
                    .certificates
                    .push(leaf("etcd-healthcheck-client", subject, &[], life));
            }
            facts
        };
        let facts = ["m1", "e1", "e2"].map(|n| (HostName::new(n), own(n)));
        Self {
            hosts,
            facts: facts.into(),
        }
    }

    fn with(mut self, host: &str, change: impl FnOnce(&mut HostFacts)) -> Self {
        change(self.facts.get_mut(&HostName::new(host)).unwrap());
        self
    }

    fn context(&self) -> RunContext<'_> {
        RunContext {
            now: at(0),
            fleet: Fleet {
                hosts: &self.hosts,
                facts: &self.facts,
            },
            ..fixtures::context()
        }
    }

    fn plan(&self, host: &str) -> Planned {
        let found = self.hosts.iter().find(|h| h.name.as_str() == host).unwrap();
        plan(found, &self.facts[&found.name], self.context(), false)
    }

    fn obstacle(&self, host: &str) -> String {
        let found = self.hosts.iter().find(|h| h.name.as_str() == host).unwrap();
        match decide(found, &self.facts[&found.name], self.context(), false) {
            Decision::Impossible { obstacle, remedy, .. } => {
                assert!(!remedy.is_empty());
                obstacle
            }
            other => panic!("{other:?}"),
        }
    }
}

fn lines(planned: &Planned) -> Vec<String> {
    planned.commands.iter().map(ToString::to_string).collect()
}

#[test]
fn the_first_etcd_host_signs_for_masters_and_for_the_other_etcd_hosts() {
    let cluster = Cluster::new((-366, -1));
    assert_eq!(
        lines(&cluster.plan("m1")),
        [
            "certfleet:etcd-certificates request /etc/kubernetes/pki apiserver-etcd-client",
            "certfleet:sign-etcd-certificates /etc/kubernetes/pki 365 \
             'CN=kube-apiserver-etcd-client,O=system:masters|clientAuth|' '{request}'",
            "certfleet:etcd-certificates install /etc/kubernetes/pki apiserver-etcd-client \
             '/var/lib/certfleet/replaced/{run-id}' '{certificate}'",
        ]
    );
    let member = cluster.plan("e2");
    assert_eq!(
        lines(&member)[1],
        "certfleet:sign-etcd-certificates /etc/kubernetes/pki 365 \
         'CN=kube-etcd-healthcheck-client,O=system:masters|clientAuth|;\
         CN=e2|serverAuth,clientAuth|DNS:localhost,DNS:e2,IP:10.0.0.31,IP:::1;\
         CN=e2|serverAuth,clientAuth|DNS:localhost,DNS:e2,IP:10.0.0.31,IP:::1' '{request}'"
    );
    assert_eq!(
        member.title,
        "renew etcd-healthcheck-client, etcd-peer, etcd-server, signed on e1"
    );
    let Expect::Relay(relay) = &member.expect else {
        panic!("{:?}", member.expect);
    };
    assert_eq!(relay.subjects[1..], ["CN=e2", "CN=e2"]);
    let Postcondition::CertificatesRenewed { before } = &member.postcondition else {
        panic!("{:?}", member.postcondition);
    };
    assert_eq!(before.len(), 3);
    // The first has the key: kubeadm does it there.
    assert!(cluster.plan("e1").skip.unwrap().0.contains("kubeadm renews here"));
}

#[test]
fn what_is_fresh_stays_and_a_shorter_life_is_kept() {
    assert!(Cluster::new((-1, 364)).plan("m1").skip.is_some());
    for (version, life, days) in [
        ("v1.30.0", (-20, 10), "30"),
        ("v1.30.0", (-2000, 1650), "365"),
        ("v1.31.0", (-700, 30), "730"),
    ] {
        let cluster = Cluster::new(life).with("m1", |facts| facts.kubeadm_version = version.parse().ok());
        let line = lines(&cluster.plan("m1"))[1].clone();
        assert!(line.contains(&format!(" {days} ")), "{version} {life:?}: {line}");
    }
}

#[test]
fn without_the_key_or_with_another_authority_nobody_signs() {
    let old = || Cluster::new((-366, -1));
    let lost = old().with("e1", |facts| facts.certificates[0].key = KeyMatch::Absent);
    for host in ["m1", "e1", "e2"] {
        assert!(
            lost.obstacle(host)
                .contains("no host that can be reached holds the key")
        );
        assert!(lost.plan(host).skip.is_some());
    }
    let other = old().with("e1", |facts| facts.certificates[0] = authority(KeyMatch::Match, "two"));
    assert!(other.obstacle("m1").contains("another CA"));
    let none = old().with("m1", |facts| facts.certificates.retain(|c| c.name != "etcd-ca"));
    assert!(none.obstacle("m1").contains("etcd/ca.crt"));
    let away = old().with("e1", |facts| facts.unreachable = Some("no route".to_owned()));
    assert!(away.obstacle("m1").contains("can be reached"));
    let odd = old().with("m1", |facts| {
        facts.certificates[1] = leaf(CLIENT, "C=DE, CN=x", &[], (-366, -1));
    });
    assert!(odd.obstacle("m1").contains("C=DE"));
}

#[test]
fn an_etcd_of_somebody_else_and_a_stacked_one_are_left_alone() {
    let mut foreign = Cluster::new((-366, -1));
    foreign.hosts.truncate(1);
    assert!(foreign.plan("m1").skip.unwrap().0.contains("not in this inventory"));
    let stacked = Cluster::new((-366, -1)).with("m1", |facts| {
        facts.static_pods.push("etcd".to_owned());
        facts.certificates[0].key = KeyMatch::Match;
    });
    assert!(stacked.plan("m1").skip.unwrap().0.contains("kubeadm renews here"));
    // kubeadm would refuse there, although the key was copied to the master: it signs for itself.
    let copied = Cluster::new((-366, -1))
        .with("m1", |facts| facts.certificates[0].key = KeyMatch::Match)
        .with("e1", |facts| facts.unreachable = Some("no route".to_owned()));
    assert!(copied.plan("m1").title.ends_with("signed on m1"));
}
