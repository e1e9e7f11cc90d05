//! `kubeadm certs renew`, name by name: exit statuses mean nothing, so each name is proven by its new serial.

use std::time::Duration;

use jiff::Timestamp;

use crate::model::certificate::{CertificateState, KeyMatch, RENEWABLE};
use crate::model::facts::KubeVersion;
use crate::model::playbook::CertificateNames;
use crate::model::{CertificateFact, Command, Host, HostFacts, Role};

use super::etcd_ca::{self, external_etcd, key_of};
use super::fresh;
use super::types::{Expect, OperationError, Planned, Postcondition, SkippedPart};

/// kubeadm first asks the API server for its configuration, and a dead one lets it wait.
const TIMEOUT: Duration = Duration::from_secs(120);
/// `kubeadm certs` exists from here; before, `kubeadm alpha certs` (alpha was removed in 1.21).
const WITHOUT_ALPHA: KubeVersion = KubeVersion::minor(20);
/// From here `renew` knows kubeconfigs and single names.
const OLDEST: KubeVersion = KubeVersion::minor(15);

/// Renews the names that this host has; with a time, not those that are fresh at it.
///
/// # Errors
/// kubeadm's version unknown or too old, unknown names, unreadable files, or a CA whose key is elsewhere.
pub fn plan(
    names: &CertificateNames,
    host: &Host,
    facts: &HostFacts,
    now: Option<Timestamp>,
) -> Result<Planned, OperationError> {
    let title = "renew certificates";
    if host.role == Role::Worker {
        return Ok(Planned::skipped(
            title,
            "a worker has no certificate that kubeadm renews; its kubelet renews its own",
        ));
    }
    let wanted = wanted(names, host)?;
    if facts.certificates.is_empty() {
        return Err(OperationError::CertificatesUnknown {
            host: host.name.clone(),
        });
    }
    let (present, mut left_out) = sort_out(&wanted, host, facts)?;
    let present = match now {
        Some(now) => fresh::leave_out(present, facts, now, &mut left_out),
        None => present,
    };
    if present.is_empty() {
        let why = if left_out.iter().any(|p| fresh::is_reason(&p.why)) {
            "every certificate is fresh already (`--force` renews all the same)"
        } else if etcd_ca::is_elsewhere(host, facts) {
            "etcd's CA signs what is on this host, and its key is on another"
        } else {
            "this host has none of the named certificates"
        };
        return Ok(Planned {
            left_out,
            ..Planned::skipped(title, why)
        });
    }
    external_ca(&present, host, facts)?;
    let version = version(host, facts)?;
    let config = facts.shape.kubeadm_config.as_deref();
    let commands = present.iter().map(|c| renew(&c.name, version, host, config)).collect();
    let before = present.iter().filter_map(|c| c.before()).collect();
    let title = format!(
        "renew {} certificate{}",
        present.len(),
        if present.len() == 1 { "" } else { "s" }
    );
    let postcondition = Postcondition::CertificatesRenewed { before };
    Ok(Planned {
        left_out,
        forecast: config.map(|c| format!("the API does not answer, so kubeadm is given the configuration kept in {c}")),
        ..Planned::work(title, commands, postcondition, Expect::KubeadmRenew)
    })
}

/// The names asked for, in kubeadm's order.
fn wanted(names: &CertificateNames, host: &Host) -> Result<Vec<&'static str>, OperationError> {
    let CertificateNames::Only(only) = names else {
        // On an etcd host the others are nothing that could be missed.
        let has = |name: &&str| host.role != Role::Etcd || etcd_ca::signs(name);
        return Ok(RENEWABLE.into_iter().filter(has).collect());
    };
    if let Some(name) = only.iter().find(|n| !RENEWABLE.contains(&n.as_str())) {
        return Err(OperationError::UnknownName {
            host: host.name.clone(),
            name: name.clone(),
        });
    }
    Ok(RENEWABLE.into_iter().filter(|r| only.iter().any(|o| o == r)).collect())
}

type Sorted<'a> = (Vec<&'a CertificateFact>, Vec<SkippedPart>);

/// What is there, and what is left out with its reason.
fn sort_out<'a>(wanted: &[&str], host: &Host, facts: &'a HostFacts) -> Result<Sorted<'a>, OperationError> {
    let (mut present, mut left_out) = (Vec::new(), Vec::new());
    for name in wanted {
        match look(name, host, facts)? {
            Ok(certificate) => present.push(certificate),
            Err(why) => left_out.push(SkippedPart {
                what: (*name).to_owned(),
                why,
            }),
        }
    }
    Ok((present, left_out))
}

fn look<'a>(
    name: &str,
    host: &Host,
    facts: &'a HostFacts,
) -> Result<Result<&'a CertificateFact, String>, OperationError> {
    let Some(certificate) = facts.certificate(name) else {
        return Ok(Err(absent(name, host, facts)));
    };
    if certificate.is_own(&host.kubernetes.cert_dir) {
        let why = format!("it is taken from {}, which kubeadm does not renew", certificate.path);
        return Ok(Err(why));
    }
    match &certificate.state {
        CertificateState::Missing => Ok(Err(absent(name, host, facts))),
        CertificateState::Present(_) if etcd_ca::signs(name) && key_of("etcd-ca", facts) == Some(KeyMatch::Absent) => {
            Ok(Err(
                "external etcd: the key of its CA is not on this host (`reissue-etcd-certificates`)".to_owned(),
            ))
        }
        CertificateState::Present(_) if etcd_ca::signs(name) && external_etcd(host, facts) => Ok(Err(
            "external etcd: kubeadm does not manage this certificate here (`reissue-etcd-certificates`)".to_owned(),
        )),
        CertificateState::Present(_) => Ok(Ok(certificate)),
        bad @ (CertificateState::Dangling(_) | CertificateState::Unreadable(_)) => {
            Err(OperationError::UnreadableCertificate {
                host: host.name.clone(),
                name: name.to_owned(),
                path: certificate.path.clone(),
                why: bad.to_string(),
            })
        }
    }
}

/// Why a name that is not on the host need not be there. kubeadm itself says `MISSING!` and exits with 0.
fn absent(name: &str, host: &Host, facts: &HostFacts) -> String {
    match name {
        "super-admin.conf" => "only the node of `kubeadm init` has it, from v1.29 on".to_owned(),
        etcd if etcd_ca::signs(etcd) && external_etcd(host, facts) => "external etcd: it has no file here".to_owned(),
        _ if host.role == Role::Etcd => "not part of an etcd-only host".to_owned(),
        _ => "MISSING: there is no such file on this host".to_owned(),
    }
}

fn signer(name: &str) -> &'static str {
    match name {
        "front-proxy-client" => "front-proxy-ca",
        etcd if etcd_ca::signs(etcd) => "etcd-ca",
        _ => "ca",
    }
}

/// A CA without its key: kubeadm would say `Detected external …` and exit with 0.
fn external_ca(present: &[&CertificateFact], host: &Host, facts: &HostFacts) -> Result<(), OperationError> {
    for ca in ["ca", "front-proxy-ca"] {
        let gone = key_of(ca, facts) == Some(KeyMatch::Absent) || (ca == "ca" && facts.ca_key == Some(false));
        let names: Vec<String> = present
            .iter()
            .filter(|c| signer(&c.name) == ca)
            .map(|c| c.name.clone())
            .collect();
        if gone && !names.is_empty() {
            return Err(OperationError::ExternalCa {
                host: host.name.clone(),
                ca: ca.to_owned(),
                names,
            });
        }
    }
    Ok(())
}

fn version(host: &Host, facts: &HostFacts) -> Result<KubeVersion, OperationError> {
    let version = facts
        .kubeadm_version
        .ok_or_else(|| OperationError::UnknownKubeadmVersion {
            host: host.name.clone(),
        })?;
    if version < OLDEST {
        return Err(OperationError::UnsupportedKubeadm {
            host: host.name.clone(),
            version: version.to_string(),
        });
    }
    Ok(version)
}

/// Without an API kubeadm falls back to its defaults: another certificate directory, an external etcd, a validity period
/// would be forgotten. A kept configuration says them.
fn renew(name: &str, version: KubeVersion, host: &Host, config: Option<&str>) -> Command {
    let alpha = (version < WITHOUT_ALPHA).then_some("alpha");
    let cert_dir = format!("--cert-dir={}", host.kubernetes.cert_dir);
    let config = config.map(|c| format!("--config={c}"));
    let words = [host.kubernetes.kubeadm.as_str()].into_iter().chain(alpha);
    let words = words
        .chain(["certs", "renew", name, &cert_dir])
        .chain(config.as_deref());
    Command::root(words).with_timeout(TIMEOUT)
}

#[cfg(test)]
mod tests;
