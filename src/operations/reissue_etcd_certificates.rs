//! New certificates by etcd's CA for a host that has not its key: masters whose etcd is elsewhere, and etcd hosts other than the
//! first, as kubeadm leaves them. Keys and requests here, signatures there; subject, names, usages and sort of key stay.

use std::net::IpAddr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::certificate::{CertificateState, SIGNED_BY_ETCD};
use crate::model::facts::KubeVersion;
use crate::model::{CertificateFact, Command, Host, HostFacts, Role, X509Facts, scripts};

use super::etcd_ca::{self, CLIENT};
use super::exchange::{CERTIFICATE_PLACEHOLDER, REQUEST_PLACEHOLDER, Relay};
use super::fresh;
use super::reissue_kubelet_client::keep;
use super::types::{Expect, Planned, Postcondition, RunContext, SkippedPart};

/// Four keys of 4096 bits on a slow host.
const TIMEOUT: Duration = Duration::from_secs(120);
/// What kubeadm gives, in days; only from here on it can be told otherwise (`certificateValidityPeriod`).
const YEAR: i64 = 365;
const CONFIGURABLE: KubeVersion = KubeVersion::minor(31);
const GUIDE: &str = "docs/guide/external-ca.md";

/// What is to be done on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<'a> {
    /// Nothing; why, and what is left out for its freshness.
    Nothing { why: String, left_out: Vec<SkippedPart> },
    Reissue {
        certificates: Vec<&'a CertificateFact>,
        left_out: Vec<SkippedPart>,
        signer: &'a Host,
    },
    /// New certificates, which cannot be had.
    Impossible {
        certificates: Vec<&'a CertificateFact>,
        obstacle: String,
        remedy: String,
    },
}

/// Decides by the facts; `force`: fresh ones, too.
pub fn decide<'a>(host: &Host, facts: &'a HostFacts, context: RunContext<'a>, force: bool) -> Decision<'a> {
    let nothing = |why: &str| Decision::Nothing {
        why: why.to_owned(),
        left_out: Vec::new(),
    };
    if host.role == Role::Worker || !etcd_ca::is_elsewhere(host, facts) {
        return nothing("kubeadm renews here what etcd's CA signs");
    }
    if etcd_ca::is_foreign(host, facts, context) {
        return nothing("etcd is not in this inventory: whoever runs it renews it");
    }
    let there = mine(host, facts);
    if there.is_empty() {
        return nothing("this host has nothing that etcd's CA signs");
    }
    let mut left_out = Vec::new();
    let certificates = if force {
        there
    } else {
        fresh::leave_out(there, facts, context.now, &mut left_out)
    };
    if certificates.is_empty() {
        let why = "what etcd's CA signs is fresh already (`--force` renews all the same)".to_owned();
        return Decision::Nothing { why, left_out };
    }
    let signer = certificates
        .iter()
        .try_for_each(|c| wanted(c).map(|_| ()))
        .and_then(|()| etcd_ca::signer(facts, context));
    match signer {
        Ok(signer) => Decision::Reissue {
            certificates,
            left_out,
            signer,
        },
        Err((obstacle, remedy)) => Decision::Impossible {
            certificates,
            obstacle,
            remedy,
        },
    }
}

/// A master with an external etcd may still have the files of a stacked one of earlier days: nobody uses them.
fn mine<'a>(host: &Host, facts: &'a HostFacts) -> Vec<&'a CertificateFact> {
    let names: &[&str] = if host.role == Role::ControlPlane && etcd_ca::external_etcd(host, facts) {
        &[CLIENT]
    } else {
        &SIGNED_BY_ETCD
    };
    let found = names.iter().filter_map(|name| facts.certificate(name));
    found
        .filter(|c| c.state != CertificateState::Missing && !c.is_own(&host.kubernetes.cert_dir))
        .collect()
}

/// Commands here and on the signer.
pub fn plan(host: &Host, facts: &HostFacts, context: RunContext<'_>, force: bool) -> Planned {
    let title = "renew what etcd's CA signs";
    match decide(host, facts, context, force) {
        Decision::Nothing { why, left_out } => Planned {
            left_out,
            ..Planned::skipped(title, why)
        },
        Decision::Impossible { obstacle, .. } => Planned::skipped(title, obstacle),
        Decision::Reissue {
            certificates,
            left_out,
            signer,
        } => {
            let relay = relay(host, signer, &certificates, days(&certificates, facts));
            let commands = [&relay.request, &relay.sign, &relay.install].map(Clone::clone);
            let before = certificates.iter().filter_map(|c| c.before()).collect();
            let goal = Postcondition::CertificatesRenewed { before };
            let title = format!("renew {}, signed on {}", names(&certificates, ", "), signer.name);
            Planned {
                left_out,
                forecast: Some(ends(&certificates, context.now)),
                ..Planned::work(title, commands.into(), goal, Expect::Relay(Box::new(relay)))
            }
        }
    }
}

fn relay(host: &Host, signer: &Host, certificates: &[&CertificateFact], days: i64) -> Relay {
    let (pki, keep) = (host.kubernetes.cert_dir.as_str(), keep());
    let names = names(certificates, ",");
    let here =
        |words: &[&str]| Command::script(&scripts::ETCD_CERTIFICATES, words.iter().copied()).with_timeout(TIMEOUT);
    let specs: Vec<String> = certificates.iter().filter_map(|c| wanted(c).ok()).collect();
    let sign = [
        signer.kubernetes.cert_dir.clone(),
        days.to_string(),
        specs.join(";"),
        REQUEST_PLACEHOLDER.to_owned(),
    ];
    let subject = |c: &&CertificateFact| c.x509().map(|x| x.subject.clone());
    Relay {
        node: String::new(),
        subjects: certificates.iter().filter_map(subject).collect(),
        signer: signer.name.clone(),
        request: here(&["request", pki, &names]),
        sign: Command::script(&scripts::SIGN_ETCD_CERTIFICATES, sign).with_timeout(TIMEOUT),
        install: here(&["install", pki, &names, &keep, CERTIFICATE_PLACEHOLDER]),
        discard: here(&["discard", pki]),
        otherwise: format!("{} as before", self::names(certificates, ", ")),
        guide: GUIDE.to_owned(),
    }
}

fn names(certificates: &[&CertificateFact], between: &str) -> String {
    let names: Vec<&str> = certificates.iter().map(|c| c.name.as_str()).collect();
    names.join(between)
}

/// When those that are replaced end, the first of them.
fn ends(certificates: &[&CertificateFact], now: Timestamp) -> String {
    let first = certificates
        .iter()
        .filter_map(|c| Some((c.x509()?, &c.name)))
        .min_by_key(|(x, _)| x.not_after);
    first.map_or_else(String::new, |(x509, name)| {
        let verb = if x509.expired(now) { "expired" } else { "expires" };
        format!("{name} {verb} {}", x509.not_after.strftime("%Y-%m-%d"))
    })
}

/// As `certfleet:sign-etcd-certificates` wants it: `SUBJECT|USAGES|NAMES`.
fn wanted(certificate: &CertificateFact) -> Result<String, (String, String)> {
    let odd = |why: String| {
        let remedy = format!("Have it signed by hand where etcd's CA is ({GUIDE}), then `certfleet restart`.");
        (format!("{} ({}) {why}", certificate.name, certificate.path), remedy)
    };
    let x509 = certificate
        .x509()
        .ok_or_else(|| odd(format!("is {}", certificate.state)))?;
    let subject = subject(x509).ok_or_else(|| odd(format!("has a subject of its own kind: {}", x509.subject)))?;
    let names: Option<Vec<String>> = x509.sans.iter().map(|n| name(n)).collect();
    let names = names.ok_or_else(|| odd("has names of its own kind".to_owned()))?;
    let serves = matches!(certificate.name.as_str(), "etcd-server" | "etcd-peer");
    let usages = if serves { "serverAuth,clientAuth" } else { "clientAuth" };
    Ok(format!("{subject}|{usages}|{}", names.join(",")))
}

/// The subject as openssl writes it (RFC 2253): the other way round. `None`: other than kubeadm's.
fn subject(x509: &X509Facts) -> Option<String> {
    let known = |part: &&str| {
        part.strip_prefix("CN=")
            .or_else(|| part.strip_prefix("O="))
            .is_some_and(plain)
    };
    let parts: Vec<&str> = x509.subject.split(", ").collect();
    let mut back = parts.clone();
    back.reverse();
    (parts.iter().all(known) && x509.subject.contains("CN=")).then(|| back.join(","))
}

fn name(san: &str) -> Option<String> {
    let kind = if san.parse::<IpAddr>().is_ok() { "IP" } else { "DNS" };
    plain(san).then(|| format!("{kind}:{san}"))
}

/// Nothing that means something to openssl, or to a shell.
fn plain(text: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "-._:@*".contains(c);
    !text.is_empty() && text.chars().all(fine)
}

/// As long as those that are replaced were made for, and no longer than kubeadm's year where it knows nothing else.
fn days(certificates: &[&CertificateFact], facts: &HostFacts) -> i64 {
    let lives = certificates
        .iter()
        .filter_map(|c| c.x509())
        .map(|x| fresh::life(x, facts));
    let life = lives.min().unwrap_or(SignedDuration::from_hours(YEAR * 24));
    let days = ((life.as_secs() + 43_200) / 86_400).max(1);
    let configurable = facts.kubeadm_version.is_some_and(|v| v >= CONFIGURABLE);
    if configurable { days } else { days.min(YEAR) }
}

#[cfg(test)]
mod tests;
