//! Rules about whose certificates a host holds. kubeadm copies subject and names from the old certificate when it renews,
//! so a master with another master's files would only get newer wrong ones, and its etcd could not rejoin
//! (kubernetes#118216).

use crate::model::{Host, HostFacts, Role, X509Facts};

use super::super::planner::PlanInput;
use super::super::types::{Note, Plan};

/// Certificates that carry the names of one host.
const OWN: [&str; 3] = ["apiserver", "etcd-server", "etcd-peer"];

/// The same certificate on two masters, or one without any name of its own host.
pub(super) fn copied_certificates(input: &PlanInput<'_>, plan: &Plan) -> Vec<Note> {
    let busy = |h: &&Host| plan.work().any(|s| s.host == h.name);
    let masters = input.reachable().filter(|h| h.role != Role::Worker).filter(busy);
    masters.filter_map(|host| note(input, host)).collect()
}

fn note(input: &PlanInput<'_>, host: &Host) -> Option<Note> {
    let facts = input.facts_of(host);
    let foreign: Vec<&str> = OWN
        .into_iter()
        .filter(|name| is_foreign(input, host, facts, name))
        .collect();
    if foreign.is_empty() {
        return None;
    }
    let names = foreign.join(", ");
    Some(Note::error(
        "copied-certificates",
        Some(&host.name),
        format!(
            "{names}: made for another host (no name or address of this one in it); renewing keeps the wrong names"
        ),
        format!(
            "On {} move these files and keys aside and make them anew with `kubeadm init phase certs NAME` (apiserver, etcd-server, \
             etcd-peer) and the cluster's kubeadm configuration, then start again.",
            host.name
        ),
    ))
}

/// Without any of the host's names, or shared with a host whose name it does carry.
fn is_foreign(input: &PlanInput<'_>, host: &Host, facts: &HostFacts, name: &str) -> bool {
    // One that a flag names may be meant for all masters.
    let kubeadms = facts.certificate(name).filter(|c| !c.is_own(&host.kubernetes.cert_dir));
    let Some(x509) = kubeadms.and_then(|c| c.x509()) else {
        return false;
    };
    let known = facts.hostname.is_some() || facts.advertise_address.is_some();
    known && !carries_a_name(x509, host, facts) && input.reachable().any(|other| is_of(input, other, name, x509))
}

/// Another master has the very same certificate.
fn is_of(input: &PlanInput<'_>, other: &Host, name: &str, x509: &X509Facts) -> bool {
    let facts = input.facts_of(other);
    let same = facts
        .certificate(name)
        .and_then(|c| c.x509())
        .is_some_and(|o| o.sha256 == x509.sha256);
    same && carries_a_name(x509, other, facts)
}

fn carries_a_name(x509: &X509Facts, host: &Host, facts: &HostFacts) -> bool {
    let short = |name: &str| name.split('.').next().unwrap_or(name).to_lowercase();
    let own = [
        facts.hostname.as_deref(),
        facts.advertise_address.as_deref(),
        Some(host.name.as_str()),
        Some(host.address.as_str()),
    ];
    let own: Vec<&str> = own
        .into_iter()
        .flatten()
        .filter(|n| *n != "127.0.0.1" && *n != "localhost")
        .collect();
    x509.sans.iter().any(|san| {
        own.iter()
            .any(|n| san.eq_ignore_ascii_case(n) || (!is_address(n) && short(san) == short(n)))
    })
}

/// `10.0.0.1` must not be cut at its dots.
fn is_address(name: &str) -> bool {
    name.parse::<std::net::IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    fn x509(sans: &[&str]) -> X509Facts {
        X509Facts {
            subject: "CN=etcd".to_owned(),
            issuer: "CN=etcd-ca".to_owned(),
            serial: "1".to_owned(),
            not_before: Timestamp::UNIX_EPOCH,
            not_after: Timestamp::MAX,
            sha256: "00".to_owned(),
            sans: sans.iter().map(|s| (*s).to_owned()).collect(),
            is_ca: false,
            signed_by: None,
        }
    }

    #[test]
    fn a_certificate_knows_its_host_by_name_or_address() {
        let host = Host {
            name: "m2".into(),
            address: "10.0.0.2".to_owned(),
            role: Role::ControlPlane,
            ssh: crate::model::SshSettings::default(),
            r#become: crate::model::BecomeSettings::default(),
            kubernetes: crate::model::KubernetesSettings::default(),
        };
        let mut facts = HostFacts::unknown("m2".into());
        facts.hostname = Some("m2.example.com".to_owned());
        assert!(carries_a_name(&x509(&["localhost", "M2"]), &host, &facts));
        assert!(carries_a_name(&x509(&["10.0.0.2"]), &host, &facts));
        assert!(!carries_a_name(
            &x509(&["m1", "10.0.0.1", "10.0.0.20", "localhost"]),
            &host,
            &facts
        ));
    }
}
