//! Which names and addresses are a host's own, and do a certificate's names mean this host?

use std::collections::BTreeSet;

use crate::model::{Host, HostFacts, Role};
use crate::probes::served::{Endpoint, Server, endpoints, kubelet_endpoint};
use crate::probes::surroundings::Surroundings;

use super::inspection::Inspection;

/// Every port of a host whose certificate should be looked at, and what its kubelet talks to.
pub fn dial_targets(host: &Host, facts: &HostFacts, around: Option<&Surroundings>) -> Vec<Endpoint> {
    let mut found = endpoints(host, facts);
    for endpoint in &mut found {
        if endpoint.server == Server::EtcdPeer && endpoint.address == "127.0.0.1" {
            endpoint.address = peer_address(facts, around).unwrap_or_else(|| endpoint.address.clone());
        }
    }
    if host.role == Role::ControlPlane {
        found.extend([Server::ControllerManager.on(facts), Server::Scheduler.on(facts)]);
    }
    found.extend(facts.kubelet_server.as_deref().and_then(kubelet_endpoint));
    found
}

/// An etcd-only host has no API server to name its address: it is the one that the peer certificate names.
fn peer_address(facts: &HostFacts, around: Option<&Surroundings>) -> Option<String> {
    let sans = &facts.certificate("etcd-peer")?.x509()?.sans;
    around?
        .addresses
        .iter()
        .find(|a| !is_loopback(a) && sans.contains(a))
        .cloned()
}

/// Names and addresses of the host, lower case, without those that every host has.
pub(super) fn own(host: &Inspection) -> BTreeSet<String> {
    let facts = &host.facts;
    let around = host.surroundings.iter().flat_map(|s| s.addresses.iter());
    let named = [
        Some(facts.host.as_str()),
        Some(host.address.as_str()),
        facts.hostname.as_deref(),
        facts.advertise_address.as_deref(),
    ];
    let shared = facts
        .kubelet_server
        .as_deref()
        .and_then(kubelet_endpoint)
        .map(|e| e.address);
    let all = named.into_iter().flatten().chain(around.map(String::as_str));
    let mut own: BTreeSet<String> = all.map(str::to_ascii_lowercase).filter(|a| !is_loopback(a)).collect();
    // The VIP is on one master at a time, and in the certificate of each.
    if let Some(vip) = shared.filter(|v| facts.advertise_address.as_ref() != Some(v)) {
        own.remove(&vip);
    }
    own
}

/// Whether one of the names means the host: exactly, or by the first label of a host name.
pub(super) fn any_means(sans: &[String], own: &BTreeSet<String>) -> bool {
    let labels: BTreeSet<&str> = own.iter().filter_map(|n| first_label(n)).collect();
    sans.iter().map(|s| s.to_ascii_lowercase()).any(|san| {
        let generic = san == "localhost" || san.starts_with("kubernetes") || is_loopback(&san);
        !generic && (own.contains(&san) || first_label(&san).is_some_and(|l| labels.contains(l)))
    })
}

/// `m1` of `m1.example.com`; nothing for an address.
fn first_label(name: &str) -> Option<&str> {
    let address = name.contains(':') || name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    if address {
        None
    } else {
        name.split('.').next().filter(|l| !l.is_empty())
    }
}

fn is_loopback(text: &str) -> bool {
    text.starts_with("127.") || matches!(text, "::1" | "localhost" | "0:0:0:0:0:0:0:1")
}
