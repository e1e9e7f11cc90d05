//! Under which name is this host a Node? A certificate for a wrong name would make one node speak for another.

use crate::model::{CertificateFact, Host, HostFacts};

use super::types::Fleet;

/// What the API server takes a kubelet's user name from.
const NODE_USER: &str = "system:node:";

/// Why the name is not certain, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameTrouble {
    pub message: String,
    pub remedy: String,
}

/// From the certificate that the kubelet has; without one from the inventory, the kubelet's flag, kubelet.conf, the host name.
///
/// # Errors
/// Nothing tells it, two sources disagree, it is no name of a Node, or another host of the fleet has it, too.
pub fn node_name(host: &Host, facts: &HostFacts, fleet: Fleet<'_>) -> Result<String, NameTrouble> {
    let certified = of_certificate(facts);
    let expected = expected(host, facts);
    let name = match (certified, expected) {
        (Some(own), Some((other, source))) if !same_machine(&own, &other, source) => {
            return Err(disagree(host, &own, &other, source));
        }
        (Some(own), _) => own,
        (None, Some((other, _))) => other,
        (None, None) => return Err(trouble("nothing tells the name of its Node", host)),
    };
    if !is_node_name(&name) {
        return Err(trouble(&format!("`{name}` cannot be the name of a Node"), host));
    }
    let twin = fleet.reachable().find(|(h, f)| {
        h.name != host.name
            && (of_certificate(f).as_ref() == Some(&name) || expected_name(h, f).as_ref() == Some(&name))
    });
    match twin {
        Some((other, _)) => Err(trouble(
            &format!("its node name `{name}` is that of {} too", other.name),
            host,
        )),
        None => Ok(name),
    }
}

/// The name without any doubt about it: what a certificate says, else what is expected.
pub(super) fn likely_name(host: &Host, facts: &HostFacts) -> Option<String> {
    of_certificate(facts).or_else(|| expected_name(host, facts))
}

fn expected_name(host: &Host, facts: &HostFacts) -> Option<String> {
    expected(host, facts).map(|(name, _)| name)
}

/// What the subject of the kubelet's certificate says, wherever that lies.
fn of_certificate(facts: &HostFacts) -> Option<String> {
    let rows = ["kubelet-client", "kubelet.conf"].map(|name| facts.certificate(name).and_then(CertificateFact::x509));
    let mut subjects = rows.into_iter().flatten().map(|x| x.subject.as_str());
    subjects.find_map(|subject| {
        let mut parts = subject.split(", ").filter_map(|part| part.strip_prefix("CN="));
        parts.find_map(|cn| cn.strip_prefix(NODE_USER)).map(str::to_owned)
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Inventory,
    Override,
    Kubeconfig,
    Hostname,
}

/// What the kubelet calls itself, as far as anything but its certificate tells.
fn expected(host: &Host, facts: &HostFacts) -> Option<(String, Source)> {
    let kubeconfig = facts.kubelet_user.as_deref().and_then(|u| u.strip_prefix(NODE_USER));
    let sources = [
        (host.kubernetes.node_name.as_deref(), Source::Inventory),
        (facts.hostname_override.as_deref(), Source::Override),
        (kubeconfig, Source::Kubeconfig),
        (facts.hostname.as_deref(), Source::Hostname),
    ];
    // A copied kubelet.conf comes with a copied certificate: it proves nothing about it.
    let certified = of_certificate(facts).is_some();
    let usable = sources
        .into_iter()
        .filter(|(_, s)| !(certified && *s == Source::Kubeconfig));
    usable
        .into_iter()
        .find_map(|(name, source)| name.map(|n| (n.trim().to_lowercase(), source)))
}

/// A host name may have got or lost its domain since the node joined.
fn same_machine(certified: &str, expected: &str, source: Source) -> bool {
    let short = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let one_is_short = !certified.contains('.') || !expected.contains('.');
    certified == expected || (source == Source::Hostname && one_is_short && short(certified) == short(expected))
}

fn disagree(host: &Host, certified: &str, expected: &str, source: Source) -> NameTrouble {
    let who = match source {
        Source::Inventory => "the inventory says",
        Source::Override => "its kubelet's --hostname-override is",
        Source::Kubeconfig | Source::Hostname => "the host is called",
    };
    NameTrouble {
        message: format!("the kubelet's certificate is for node `{certified}`, but {who} `{expected}`"),
        remedy: format!(
            "If `kubectl get nodes` knows this host as {certified}, set `kubernetes: {{ node-name: {certified} }}` for {}. \
             If the file was copied from another node, move kubelet-client-current.pem aside.",
            host.name
        ),
    }
}

fn trouble(message: &str, host: &Host) -> NameTrouble {
    NameTrouble {
        message: message.to_owned(),
        remedy: format!(
            "Set `kubernetes: {{ node-name: … }}` for {} to the name that `kubectl get nodes` shows.",
            host.name
        ),
    }
}

/// RFC 1123: labels of lower-case letters, digits and inner dashes.
fn is_node_name(name: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let label =
        |l: &str| (1..=63).contains(&l.len()) && l.chars().all(inner) && !l.starts_with('-') && !l.ends_with('-');
    name.len() <= 253 && name.split('.').all(label)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::certificate::{CertificateState, KeyMatch};
    use crate::model::{HostName, Role};
    use crate::operations::fixtures;

    /// Inventory, certificate, flag, user of kubelet.conf, host name.
    type Sources<'a> = [Option<&'a str>; 5];

    fn case([inventory, certified, flag, user, hostname]: Sources<'_>) -> (Host, HostFacts) {
        let mut host = fixtures::host("w1", Role::Worker);
        host.kubernetes.node_name = inventory.map(str::to_owned);
        let mut facts = fixtures::facts("w1");
        if let Some(name) = certified {
            let mut row = fixtures::certificate("kubelet-client", KeyMatch::Match);
            if let CertificateState::Present(x509) = &mut row.state {
                x509.subject = format!("O=system:nodes, CN=system:node:{name}");
            }
            facts.certificates.push(row);
        }
        facts.hostname_override = flag.map(str::to_owned);
        facts.kubelet_user = user.map(str::to_owned);
        facts.hostname = hostname.map(str::to_owned);
        (host, facts)
    }

    fn name(sources: Sources<'_>) -> Result<String, String> {
        let (host, facts) = case(sources);
        node_name(&host, &facts, Fleet::NONE).map_err(|t| t.message)
    }

    #[test]
    fn the_certificate_comes_first_and_must_agree() {
        let own = Some("system:node:n3");
        let table: [(Sources<'_>, Result<&str, &str>); 10] = [
            ([None, Some("n1"), None, None, Some("n1")], Ok("n1")),
            ([None, Some("n1"), None, None, None], Ok("n1")),
            ([None, Some("n1"), None, None, Some("N1.example.com")], Ok("n1")),
            ([Some("n1"), Some("n1"), None, None, Some("other")], Ok("n1")),
            ([None, None, Some("n2"), own, Some("n4")], Ok("n2")),
            ([None, None, None, own, Some("n4")], Ok("n3")),
            ([None, None, None, Some("default-auth"), Some("Node-4")], Ok("node-4")),
            (
                [None, Some("n1"), None, own, Some("n3")],
                Err("is for node `n1`, but the host is called `n3`"),
            ),
            (
                [Some("n9"), Some("n1"), None, None, Some("n1")],
                Err("the inventory says `n9`"),
            ),
            (
                [None, None, None, None, Some("a_b")],
                Err("cannot be the name of a Node"),
            ),
        ];
        for (sources, expected) in table {
            match (name(sources), expected) {
                (Ok(found), Ok(wanted)) => assert_eq!(found, wanted, "{sources:?}"),
                (Err(why), Err(wanted)) => assert!(why.contains(wanted), "{sources:?}: {why}"),
                (found, _) => panic!("{sources:?}: {found:?}"),
            }
        }
        assert!(name([None; 5]).is_err());
    }

    #[test]
    fn two_hosts_cannot_be_one_node() {
        let (host, facts) = case([None, Some("n1"), None, None, None]);
        let (mut twin, mut same) = case([None, Some("n1"), None, None, None]);
        (twin.name, same.host) = ("w2".into(), "w2".into());
        let hosts = [host.clone(), twin];
        let all: BTreeMap<HostName, HostFacts> = [("w1".into(), facts.clone()), ("w2".into(), same)].into();
        let fleet = Fleet {
            hosts: &hosts,
            facts: &all,
        };
        let trouble = node_name(&host, &facts, fleet).unwrap_err();
        assert!(trouble.message.contains("is that of w2 too") && trouble.remedy.contains("node-name"));
    }

    #[test]
    fn names_of_nodes_are_rfc_1123() {
        let long = format!("{}.x", "a".repeat(64));
        for bad in [
            "",
            "-a",
            "a-",
            "a..b",
            "A",
            "a b",
            "a;b",
            "a/b",
            ".a",
            "ä",
            long.as_str(),
        ] {
            assert!(!is_node_name(bad), "{bad}");
        }
        assert!(is_node_name("ip-10-0-0-1.eu-west-1.compute.internal"));
    }
}
