//! A new client certificate for a kubelet that could not start with the one it has. Offline: key and request on the node,
//! the signature on a master with ca.key; only public parts travel.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::certificate::{CertificateState, KeyMatch};
use crate::model::{CertificateFact, Command, Host, HostFacts, HostName, Role, scripts};

use super::exchange::{
    CERTIFICATE_PLACEHOLDER, KUBELET_GUIDE, KUBELET_OTHERWISE, NODE_PLACEHOLDER, REQUEST_PLACEHOLDER, Relay,
    kubelet_subject,
};
use super::node_name::node_name;
use super::types::{Expect, Planned, Postcondition, RUN_ID_PLACEHOLDER, RunContext};

/// A key of 2048 bits on a slow host.
const TIMEOUT: Duration = Duration::from_secs(60);
/// What ends within this may end before the kubelet is started.
const MARGIN_SECONDS: i64 = 3600;

const CURRENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
const CONF: &str = "/etc/kubernetes/kubelet.conf";
const SERVING: &str = "/var/lib/kubelet/pki/kubelet.crt";

/// What a kubelet needs before it can be started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing; why.
    Nothing(String),
    /// Its certificate is good, but kubelet.conf still holds an old one.
    Repoint { why: String, node: String },
    /// A new certificate.
    Reissue {
        why: String,
        node: String,
        signer: HostName,
    },
    /// A new certificate, which cannot be had.
    Impossible {
        why: String,
        obstacle: String,
        remedy: String,
    },
}

/// What is wrong with the certificate that a kubelet would start with; `Err`: nothing, and why that is known.
enum Need {
    New(String),
    Pointer(String),
}

/// Decides by the facts. `Etcd` hosts may have a kubelet that belongs to no cluster.
pub fn decide(host: &Host, facts: &HostFacts, context: RunContext<'_>) -> Decision {
    let (why, pointer) = match need(host, facts, context.now) {
        Err(why) => return Decision::Nothing(why),
        Ok(Need::New(why)) => (why, false),
        Ok(Need::Pointer(why)) => (why, true),
    };
    let node = match node_name(host, facts, context.fleet) {
        Ok(node) => node,
        Err(trouble) => {
            return Decision::Impossible {
                why,
                obstacle: trouble.message,
                remedy: trouble.remedy,
            };
        }
    };
    if pointer {
        return Decision::Repoint { why, node };
    }
    match signer(context) {
        Ok(signer) => Decision::Reissue {
            why,
            node,
            signer: signer.name.clone(),
        },
        Err((obstacle, remedy)) => Decision::Impossible {
            why,
            obstacle: obstacle.to_owned(),
            remedy: remedy.to_owned(),
        },
    }
}

/// Commands on the node and on the signer. Also an expired self-signed serving pair is kept aside: a kubelet makes a
/// new one where it finds none, and goes on with an expired one.
pub fn plan(host: &Host, facts: &HostFacts, context: RunContext<'_>) -> Planned {
    let title = "reissue the kubelet's client certificate";
    let serving = serving_ended(facts, context.now);
    let retire = serving.then(|| node_command(&["retire-serving", &keep()]));
    match decide(host, facts, context) {
        Decision::Nothing(why) => match retire {
            Some(command) => retire_only(command),
            None => Planned::skipped(title, why),
        },
        Decision::Impossible { obstacle, .. } => Planned::skipped(title, obstacle),
        Decision::Repoint { why, node } => {
            let commands = std::iter::once(node_command(&["repoint", &keep()])).chain(retire);
            let goal = goal(node, serving);
            let title = "let kubelet.conf name the kubelet's own client certificate";
            Planned::work(title, commands.collect(), goal, Expect::ExitStatus).with_forecast(Some(why))
        }
        Decision::Reissue { why, node, signer } => {
            let relay = relay(host, &node, &signer, context);
            let commands = [&relay.request, &relay.sign, &relay.install].map(Clone::clone);
            let commands = commands.into_iter().chain(retire).collect();
            let forecast = format!("{why}; the new one is for system:node:{node}");
            Planned::work(title, commands, goal(node, serving), Expect::Relay(Box::new(relay)))
                .with_forecast(Some(forecast))
        }
    }
}

fn retire_only(command: Command) -> Planned {
    let goal = Postcondition::KubeletCertificates {
        node: None,
        serving: true,
    };
    let title = "put the kubelet's expired serving certificate aside";
    let forecast = "self-signed; the kubelet makes a new one when it starts".to_owned();
    Planned::work(title, vec![command], goal, Expect::ExitStatus).with_forecast(Some(forecast))
}

fn goal(node: String, serving: bool) -> Postcondition {
    Postcondition::KubeletCertificates {
        node: Some(node),
        serving,
    }
}

/// Where what is replaced is kept on the host: beside the backups, which are pruned.
pub(super) fn keep() -> String {
    format!("/var/lib/certfleet/replaced/{RUN_ID_PLACEHOLDER}")
}

fn node_command(words: &[&str]) -> Command {
    Command::script(&scripts::KUBELET_CLIENT, words.iter().copied()).with_timeout(TIMEOUT)
}

fn relay(host: &Host, node: &str, signer: &HostName, context: RunContext<'_>) -> Relay {
    let (pki, keep) = (host.kubernetes.cert_dir.as_str(), keep());
    let masters = context.fleet.hosts.iter();
    let theirs = masters
        .filter(|h| h.name == *signer)
        .map(|h| h.kubernetes.cert_dir.as_str())
        .next();
    let sign = [theirs.unwrap_or(pki), NODE_PLACEHOLDER, REQUEST_PLACEHOLDER];
    Relay {
        node: node.to_owned(),
        subjects: vec![kubelet_subject(node)],
        signer: signer.clone(),
        request: node_command(&["request", pki, NODE_PLACEHOLDER]),
        sign: Command::script(&scripts::SIGN_KUBELET_CLIENT, sign).with_timeout(TIMEOUT),
        install: node_command(&["install", pki, NODE_PLACEHOLDER, &keep, CERTIFICATE_PLACEHOLDER]),
        discard: node_command(&["discard"]),
        otherwise: KUBELET_OTHERWISE.to_owned(),
        guide: KUBELET_GUIDE.to_owned(),
    }
}

fn need(host: &Host, facts: &HostFacts, now: Timestamp) -> Result<Need, String> {
    if host.role == Role::Etcd && facts.kubelet_server.is_none() {
        return Err("its kubelet belongs to no cluster".to_owned());
    }
    let Some(own) = facts.certificate("kubelet-client") else {
        return Err("its certificates are not known".to_owned());
    };
    let inside = facts.certificate("kubelet.conf");
    let embedded = own.path == CONF || inside.is_some();
    match flaw(own, now) {
        Some(Flaw::Unknown(why)) => Err(why),
        Some(Flaw::Bad(why)) => Ok(Need::New(why)),
        None if own.path == CONF => Ok(Need::New(format!(
            "the certificate lies inside {CONF}, where the kubelet does not renew it"
        ))),
        None if embedded => Ok(Need::Pointer(format!(
            "{CONF} still holds an earlier certificate{}",
            ended(inside, now)
        ))),
        None => Err(match own.x509() {
            Some(x509) => format!("it is valid until {}", x509.not_after.strftime("%Y-%m-%d")),
            None => "it is valid".to_owned(),
        }),
    }
}

fn ended(inside: Option<&CertificateFact>, now: Timestamp) -> String {
    let x509 = inside.and_then(CertificateFact::x509).filter(|x| x.expired(now));
    x509.map_or_else(String::new, |x| {
        format!(
            ", expired {}: a kubelet does not start with it",
            x.not_after.strftime("%Y-%m-%d")
        )
    })
}

enum Flaw {
    Bad(String),
    /// Nobody can tell.
    Unknown(String),
}

fn flaw(own: &CertificateFact, now: Timestamp) -> Option<Flaw> {
    let bad = |why: &str| Some(Flaw::Bad(why.to_owned()));
    match &own.state {
        CertificateState::Missing => bad("there is none"),
        CertificateState::Dangling(target) => bad(&format!("{CURRENT} leads to {target}, which is not there")),
        CertificateState::Unreadable(why) if why.contains("permission") => {
            Some(Flaw::Unknown(format!("it is unreadable: {why}")))
        }
        CertificateState::Unreadable(why) => bad(&format!("{CURRENT} {why}")),
        CertificateState::Present(x509) => {
            let soon = now
                .checked_add(SignedDuration::from_secs(MARGIN_SECONDS))
                .unwrap_or(now);
            let day = x509.not_after.strftime("%Y-%m-%d");
            match own.key {
                _ if x509.expired(now) => bad(&format!("expired {day}")),
                _ if x509.expired(soon) => bad(&format!("expires within the hour ({})", x509.not_after)),
                KeyMatch::Mismatch => bad("certificate and key do not belong together"),
                KeyMatch::Absent => bad("its key is not there"),
                KeyMatch::Match | KeyMatch::Unknown => None,
            }
        }
    }
}

/// A self-signed pair that the kubelet made itself, and that has ended.
fn serving_ended(facts: &HostFacts, now: Timestamp) -> bool {
    let row = facts.certificate("kubelet-serving").filter(|c| c.path == SERVING);
    row.and_then(CertificateFact::x509)
        .is_some_and(|x| x.expired(now) && x.signed_by.is_none())
}

/// The first master that can sign; else why there is none.
fn signer(context: RunContext<'_>) -> Result<&Host, (&'static str, &'static str)> {
    let masters = context.fleet.reachable().filter(|(h, _)| h.role == Role::ControlPlane);
    let mut holders = masters.filter(|(_, f)| f.ca_key == Some(true)).peekable();
    if holders.peek().is_none() {
        return Err((
            "no master that can be reached holds ca.key",
            "Have the node's request signed where the CA's key is (docs/guide/recover-after-expiry.md), or put ca.key back on a master.",
        ));
    }
    let ended = |facts: &HostFacts| {
        let ca = facts.certificate("ca").and_then(CertificateFact::x509);
        ca.is_some_and(|x| x.expired(context.now))
    };
    holders.find(|(_, f)| !ended(f)).map(|(h, _)| h).ok_or((
        "the cluster's CA has expired: what it signs is worthless",
        "Replace the CA first (kubernetes.io: manual rotation of CA certificates).",
    ))
}

#[cfg(test)]
mod tests;
