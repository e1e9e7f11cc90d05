//! Where the key of etcd's CA is, and which certificates of a host it signs.

use crate::model::certificate::{KeyMatch, SIGNED_BY_ETCD};
use crate::model::{CertificateFact, Host, HostFacts, Role};

use super::types::RunContext;

/// The client of the API servers; kubeadm leaves it out where etcd is elsewhere.
pub const CLIENT: &str = "apiserver-etcd-client";

/// Whether the CA of etcd signs the certificate of that name.
pub(super) fn signs(name: &str) -> bool {
    SIGNED_BY_ETCD.contains(&name)
}

/// A master whose static pods are known and have no etcd among them.
pub(super) fn external_etcd(host: &Host, facts: &HostFacts) -> bool {
    let known = facts.static_pods.iter().any(|p| p == "kube-apiserver");
    host.role == Role::ControlPlane && known && !facts.static_pods.iter().any(|p| p == "etcd")
}

/// Whether the key of that CA is here; `None`: the host has no certificate of it.
pub(super) fn key_of(ca: &str, facts: &HostFacts) -> Option<KeyMatch> {
    facts.certificate(ca).filter(|c| c.x509().is_some()).map(|c| c.key)
}

/// kubeadm on this host cannot renew what etcd's CA signs: the key is elsewhere, or kubeadm knows that etcd is.
pub fn is_elsewhere(host: &Host, facts: &HostFacts) -> bool {
    match key_of("etcd-ca", facts) {
        Some(KeyMatch::Absent) => true,
        Some(_) => external_etcd(host, facts),
        None => external_etcd(host, facts) || (host.role == Role::ControlPlane && facts.shape.etcd_is_elsewhere()),
    }
}

/// etcd does not run on any host of this inventory: whoever runs it renews it.
pub fn is_foreign(host: &Host, facts: &HostFacts, context: RunContext<'_>) -> bool {
    let members = context.fleet.hosts.iter().any(|h| h.role == Role::Etcd);
    host.role == Role::ControlPlane && external_etcd(host, facts) && !members && holders(context).next().is_none()
}

/// Hosts that can sign with the key of etcd's CA, those that run etcd first.
fn holders(context: RunContext<'_>) -> impl Iterator<Item = (&Host, &CertificateFact)> {
    let of = move |role: Role| {
        let hosts = context.fleet.reachable().filter(move |(h, _)| h.role == role);
        let held = hosts.filter_map(|(h, f)| Some((h, f.certificate("etcd-ca")?)));
        held.filter(|(_, ca)| ca.key == KeyMatch::Match)
    };
    of(Role::Etcd).chain(of(Role::ControlPlane))
}

/// The host that signs for this one; else why there is none, and what to do.
pub(super) fn signer<'a>(facts: &HostFacts, context: RunContext<'a>) -> Result<&'a Host, (String, String)> {
    let refused = |why: &str, remedy: &str| Err((why.to_owned(), remedy.to_owned()));
    let Some(own) = facts.certificate("etcd-ca").and_then(CertificateFact::x509) else {
        return refused(
            "the certificate of etcd's CA (etcd/ca.crt) is not on this host, so nothing could be compared with it",
            "Copy etcd/ca.crt (never its key) from an etcd host; kubeadm puts it there.",
        );
    };
    if own.expired(context.now) {
        return refused(
            "etcd's CA has expired: what it signs is worthless",
            "Replace the CA first; renewing what it signed cannot help.",
        );
    }
    let mut all = holders(context).peekable();
    if all.peek().is_none() {
        return refused(
            "no host that can be reached holds the key of etcd's CA (etcd/ca.key)",
            "kubeadm leaves etcd/ca.key on the first etcd host: put it back on one host of the `etcd:` group, or have the requests signed \
             where it is kept, then `certfleet restart`. Step by step: docs/guide/external-ca.md.",
        );
    }
    let same = |ca: &CertificateFact| ca.x509().is_some_and(|x| x.sha256 == own.sha256);
    all.find(|(_, ca)| same(ca)).map(|(host, _)| host).ok_or_else(|| {
        (
            "the key of etcd's CA that was found belongs to another CA than this host's etcd/ca.crt".to_owned(),
            "Find out which etcd/ca.crt is the right one: all hosts must have the same.".to_owned(),
        )
    })
}
