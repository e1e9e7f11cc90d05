//! Approve the serving certificates that this fleet's own kubelets ask for (`serverTLSBootstrap`). Which requests these
//! are is asked when the step runs; who may ask for what is fixed here.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::node_identity::NodeIdentity;
use crate::model::{CertificateFact, Host, HostFacts, Role, X509Facts};

use super::exchange::{REQUEST_PLACEHOLDER, ServingApproval};
use super::node_name::likely_name;
use super::types::{Expect, Planned, Postcondition, RunContext};

/// A kubelet asks within seconds of its start.
const PATIENCE: Duration = Duration::from_secs(60);
/// A kubelet asks for the next certificate when 10 to 30 % of the life of the present one are left.
const ROTATION_PERCENT: i64 = 30;

/// Asked and done on one master.
pub fn plan(host: &Host, context: RunContext<'_>) -> Planned {
    let title = "approve the kubelets' serving certificates";
    if host.role != Role::ControlPlane {
        return Planned::skipped(title, "requests are approved from a master");
    }
    if !context.speaks_for_cluster {
        return Planned::skipped(title, "another master does it for the cluster");
    }
    let fleet = || context.fleet.reachable().filter(|(h, _)| h.role != Role::Etcd);
    let asking: Vec<_> = fleet().filter(|(_, f)| f.serving_requested == Some(true)).collect();
    if asking.is_empty() {
        return Planned::skipped(
            title,
            "no kubelet requests its serving certificate (serverTLSBootstrap)",
        );
    }
    let (now, due) = (context.now, |(_, f): &&(&Host, &HostFacts)| is_due(f, context.now));
    if !asking.iter().any(|asker| due(&asker)) {
        return Planned::skipped(title, "those that kubelets requested are valid for long enough");
    }
    let silent = asking.iter().filter(|(_, f)| has_none(f, now));
    let approval = ServingApproval {
        requests: host.kubectl(["get", "certificatesigningrequests", "--output=json"]),
        approve: host.kubectl(["certificate", "approve", REQUEST_PLACEHOLDER]),
        nodes: fleet().filter_map(|(h, f)| identity(h, f)).collect(),
        expected: silent.filter_map(|(h, f)| likely_name(h, f)).collect(),
        patience: PATIENCE,
    };
    let commands = vec![approval.requests.clone(), approval.approve.clone()];
    let forecast = "only requests whose user and names belong to that very host; others are listed and left".to_owned();
    let expect = Expect::ApproveServing(Box::new(approval));
    Planned::work(title, commands, Postcondition::ServingApproved, expect).with_forecast(Some(forecast))
}

/// The certificate that the API gave it, if it ever did.
fn requested(facts: &HostFacts) -> Option<&X509Facts> {
    let row = facts.certificate("kubelet-serving");
    let signed = row.filter(|c| c.path.ends_with("kubelet-server-current.pem"));
    signed.and_then(CertificateFact::x509)
}

/// Its serving certificate has ended, or the API never gave it one: it asks as soon as it runs.
fn has_none(facts: &HostFacts, now: Timestamp) -> bool {
    requested(facts).is_none_or(|x| x.expired(now))
}

/// So little of its life is left that the kubelet may have asked for the next one.
fn is_due(facts: &HostFacts, now: Timestamp) -> bool {
    requested(facts).is_none_or(|x| {
        let seconds = |from: Timestamp, to: Timestamp| to.duration_since(from).as_secs();
        seconds(now, x.not_after) * 100 < seconds(x.not_before, x.not_after) * ROTATION_PERCENT
    })
}

/// The node's name, the host's names and its own addresses. An address that several hosts call their own is nobody's.
fn identity(host: &Host, facts: &HostFacts) -> Option<NodeIdentity> {
    let node = likely_name(host, facts)?;
    let single = [
        Some(node.as_str()),
        facts.hostname.as_deref(),
        facts.hostname_override.as_deref(),
        facts.advertise_address.as_deref(),
        Some(host.address.as_str()),
        Some(host.name.as_str()),
    ];
    let all = single
        .into_iter()
        .flatten()
        .chain(facts.addresses.iter().map(String::as_str));
    let mut names: Vec<String> = all.map(str::to_lowercase).filter(|n| !is_everybodys(n)).collect();
    names.sort();
    names.dedup();
    Some(NodeIdentity {
        host: host.name.clone(),
        node,
        names,
    })
}

fn is_everybodys(name: &str) -> bool {
    let loopback = name
        .parse::<std::net::IpAddr>()
        .is_ok_and(|a| a.is_loopback() || a.is_unspecified());
    loopback || name == "localhost"
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::HostName;
    use crate::operations::fixtures;
    use crate::operations::types::Fleet;

    fn planned(requested: Option<bool>) -> Planned {
        let hosts = [
            fixtures::host("m1", Role::ControlPlane),
            fixtures::host("w1", Role::Worker),
        ];
        let mut facts: BTreeMap<HostName, HostFacts> = hosts
            .iter()
            .map(|h| (h.name.clone(), fixtures::facts(h.name.as_str())))
            .collect();
        for (name, found) in &mut facts {
            found.hostname = Some(name.to_string());
            found.serving_requested = requested;
            found.addresses = vec!["127.0.0.1".to_owned(), format!("fd00::{}", name.as_str().len())];
        }
        let fleet = Fleet {
            hosts: &hosts,
            facts: &facts,
        };
        plan(
            &hosts[0],
            RunContext {
                fleet,
                ..fixtures::context()
            },
        )
    }

    #[test]
    fn each_host_may_ask_for_its_own_names_only() {
        let Expect::ApproveServing(approval) = planned(Some(true)).expect else {
            panic!("another expectation");
        };
        assert_eq!(approval.nodes[1].names, ["fd00::2", "w1"]);
        assert_eq!(approval.expected, ["m1", "w1"]);
        assert!(
            approval
                .approve_command("csr-7")
                .to_string()
                .ends_with("certificate approve csr-7")
        );
    }

    #[test]
    fn requests_are_looked_for_when_there_may_be_one() {
        let day = |n: i64| Timestamp::from_second(n * 86_400).unwrap();
        for (from, to, due, none) in [
            (0, 100, false, false),
            (-69, 31, false, false),
            (-71, 29, true, false),
            (-100, -1, true, true),
        ] {
            let mut row = fixtures::certificate("kubelet-serving", crate::model::KeyMatch::Match);
            "/var/lib/kubelet/pki/kubelet-server-current.pem".clone_into(&mut row.path);
            if let crate::model::CertificateState::Present(x509) = &mut row.state {
                (x509.not_before, x509.not_after) = (day(from), day(to));
            }
            let mut facts = fixtures::facts("w1");
            facts.certificates.push(row);
            assert_eq!(
                (is_due(&facts, day(0)), has_none(&facts, day(0))),
                (due, none),
                "{from}..{to}"
            );
        }
    }

    #[test]
    fn where_nobody_asks_there_is_nothing_to_approve() {
        for requested in [None, Some(false)] {
            assert!(planned(requested).skip.unwrap().0.contains("serverTLSBootstrap"));
        }
    }
}
