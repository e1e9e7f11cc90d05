//! When a kubelet gets a new client certificate, from whom, and when it cannot.

use std::collections::BTreeMap;

use super::*;
use crate::operations::fixtures;
use crate::operations::types::Fleet;

const DAY: i64 = 86_400;

/// A certificate that ends so many seconds from 1970, which is now.
fn row(name: &str, path: &str, ends: i64, key: KeyMatch) -> CertificateFact {
    let mut row = fixtures::certificate(name, key);
    path.clone_into(&mut row.path);
    if let CertificateState::Present(x509) = &mut row.state {
        x509.not_after = Timestamp::from_second(ends).unwrap();
        "O=system:nodes, CN=system:node:w1".clone_into(&mut x509.subject);
    }
    row
}

fn without(state: CertificateState) -> CertificateFact {
    CertificateFact {
        state,
        ..row("kubelet-client", CURRENT, DAY, KeyMatch::Unknown)
    }
}

fn good(name: &str) -> CertificateFact {
    row(name, CURRENT, 200 * DAY, KeyMatch::Match)
}

/// Two masters, of which the second holds ca.key, and the worker with these certificates.
struct Fixture {
    hosts: Vec<Host>,
    facts: BTreeMap<HostName, HostFacts>,
}

impl Fixture {
    fn new(certificates: Vec<CertificateFact>) -> Self {
        let hosts = vec![
            fixtures::host("m1", Role::ControlPlane),
            fixtures::host("m2", Role::ControlPlane),
            fixtures::host("w1", Role::Worker),
        ];
        let mut all: BTreeMap<HostName, HostFacts> = hosts
            .iter()
            .map(|h| (h.name.clone(), fixtures::facts(h.name.as_str())))
            .collect();
        all.entry("m1".into()).and_modify(|f| f.ca_key = Some(false));
        all.entry("m2".into()).and_modify(|f| f.ca_key = Some(true));
        all.entry("w1".into()).and_modify(|f| {
            f.certificates = certificates;
            f.hostname = Some("w1".to_owned());
        });
        Self { hosts, facts: all }
    }

    fn with(mut self, host: &str, change: impl FnOnce(&mut HostFacts)) -> Self {
        change(self.facts.get_mut(&HostName::from(host)).unwrap());
        self
    }

    fn context(&self) -> RunContext<'_> {
        RunContext {
            fleet: Fleet {
                hosts: &self.hosts,
                facts: &self.facts,
            },
            ..fixtures::context()
        }
    }

    fn decide(&self) -> Decision {
        decide(&self.hosts[2], &self.facts[&HostName::from("w1")], self.context())
    }

    fn plan(&self) -> Planned {
        plan(&self.hosts[2], &self.facts[&HostName::from("w1")], self.context())
    }
}

#[test]
fn what_a_kubelet_cannot_start_with_is_replaced() {
    let inside = |ends| row("kubelet.conf", CONF, ends, KeyMatch::Match);
    let bad: Vec<(Vec<CertificateFact>, &str)> = vec![
        (
            vec![row("kubelet-client", CURRENT, -DAY, KeyMatch::Match)],
            "expired 1969-12-31",
        ),
        (
            vec![row("kubelet-client", CURRENT, 600, KeyMatch::Match)],
            "within the hour",
        ),
        (
            vec![row("kubelet-client", CURRENT, DAY, KeyMatch::Mismatch)],
            "do not belong together",
        ),
        (
            vec![row("kubelet-client", CURRENT, DAY, KeyMatch::Absent)],
            "key is not there",
        ),
        (vec![without(CertificateState::Missing)], "there is none"),
        (
            vec![without(CertificateState::Dangling("/x".to_owned()))],
            "leads to /x",
        ),
        (
            vec![without(CertificateState::Unreadable("is empty".to_owned()))],
            "is empty",
        ),
        (vec![row("kubelet-client", CONF, DAY, KeyMatch::Match)], "lies inside"),
        (
            vec![row("kubelet-client", CURRENT, -DAY, KeyMatch::Match), inside(-DAY)],
            "expired",
        ),
    ];
    for (certificates, needle) in bad {
        match Fixture::new(certificates).decide() {
            Decision::Reissue { why, node, signer } => {
                assert!(why.contains(needle), "{why} lacks {needle}");
                assert_eq!((node.as_str(), signer.as_str()), ("w1", "m2"));
            }
            other => panic!("{needle}: {other:?}"),
        }
    }
    let beside = Fixture::new(vec![good("kubelet-client"), inside(-DAY)]).decide();
    assert!(matches!(beside, Decision::Repoint { why, .. } if why.contains("does not start with it")));
}

#[test]
fn what_is_well_or_not_known_is_left_alone() {
    let denied = CertificateState::Unreadable("permission denied".to_owned());
    let unknown = row("kubelet-client", CURRENT, 200 * DAY, KeyMatch::Unknown);
    for certificates in [
        vec![good("kubelet-client")],
        vec![unknown],
        vec![without(denied)],
        vec![],
    ] {
        let fixture = Fixture::new(certificates);
        assert!(matches!(fixture.decide(), Decision::Nothing(_)));
        assert!(fixture.plan().skip.is_some());
    }
    let etcd = fixtures::host("e1", Role::Etcd);
    let planned = plan(&etcd, &fixtures::facts("e1"), fixtures::context());
    assert_eq!(planned.skip.unwrap().0, "its kubelet belongs to no cluster");
}

#[test]
fn without_a_key_of_the_authority_or_a_certain_name_it_is_impossible() {
    let expired = || Fixture::new(vec![row("kubelet-client", CURRENT, -DAY, KeyMatch::Match)]);
    let ended = row("ca", "/etc/kubernetes/pki/ca.crt", -DAY, KeyMatch::Match);
    let table = [
        (expired().with("m2", |f| f.ca_key = Some(false)), "holds ca.key"),
        (
            expired().with("m2", |f| f.unreachable = Some("away".to_owned())),
            "holds ca.key",
        ),
        (expired().with("m2", |f| f.certificates.push(ended)), "CA has expired"),
        (
            expired().with("w1", |f| f.hostname = Some("db7".to_owned())),
            "is called `db7`",
        ),
    ];
    for (fixture, needle) in table {
        match fixture.decide() {
            Decision::Impossible { obstacle, remedy, .. } => {
                assert!(obstacle.contains(needle), "{obstacle} lacks {needle}");
                assert!(!remedy.is_empty());
            }
            other => panic!("{needle}: {other:?}"),
        }
        assert!(fixture.plan().skip.unwrap().0.contains(needle));
    }
}

#[test]
fn the_plan_shows_every_command_and_the_same_words_for_every_node() {
    let planned = Fixture::new(vec![row("kubelet-client", CURRENT, -DAY, KeyMatch::Match)]).plan();
    let lines: Vec<String> = planned.commands.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "certfleet:kubelet-client request /etc/kubernetes/pki '{node}'",
            "certfleet:sign-kubelet-client /etc/kubernetes/pki '{node}' '{request}'",
            "certfleet:kubelet-client install /etc/kubernetes/pki '{node}' '/var/lib/certfleet/replaced/{run-id}' '{certificate}'",
        ]
    );
    let Expect::Relay(relay) = planned.expect else {
        panic!("another expectation");
    };
    assert_eq!(
        relay.sign_command("AAAA").to_string(),
        "certfleet:sign-kubelet-client /etc/kubernetes/pki w1 AAAA"
    );
    assert_eq!(relay.request_command().words[2], scripts::KUBELET_CLIENT.text);
    let wanted = Postcondition::KubeletCertificates {
        node: Some("w1".to_owned()),
        serving: false,
    };
    assert_eq!(planned.postcondition, wanted);
}

#[test]
fn an_expired_self_signed_serving_pair_is_put_aside_too() {
    let serving = || row("kubelet-serving", SERVING, -DAY, KeyMatch::Match);
    let alone = Fixture::new(vec![good("kubelet-client"), serving()]).plan();
    assert_eq!((alone.commands.len(), alone.expect), (1, Expect::ExitStatus));
    let both = Fixture::new(vec![row("kubelet-client", CURRENT, -DAY, KeyMatch::Match), serving()]).plan();
    assert_eq!(both.commands.len(), 4);
    let rotated = CertificateFact {
        path: "/var/lib/kubelet/pki/kubelet-server-current.pem".to_owned(),
        ..serving()
    };
    assert!(
        Fixture::new(vec![good("kubelet-client"), rotated])
            .plan()
            .skip
            .is_some()
    );
}
