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
mod tests {
    use super::*;
    use crate::operations::fixtures::{certificate, facts, host, missing};

    /// A stacked master at a version.
    fn master(version: &str) -> HostFacts {
        let mut facts = facts("m1");
        facts.kubeadm_version = version.parse().ok();
        facts.ca_key = Some(true);
        facts.static_pods = vec!["etcd".to_owned(), "kube-apiserver".to_owned()];
        let leaves = RENEWABLE[..10].iter().map(|n| certificate(n, KeyMatch::Match));
        facts.certificates = leaves.chain([missing("super-admin.conf")]).collect();
        for ca in ["ca", "etcd-ca", "front-proxy-ca"] {
            facts.certificates.push(certificate(ca, KeyMatch::Match));
        }
        facts
    }

    fn renewed(facts: &HostFacts) -> Result<Planned, OperationError> {
        plan(&CertificateNames::All, &host("m1", Role::ControlPlane), facts, None)
    }

    #[test]
    fn the_command_line_follows_the_version() {
        for (version, line) in [
            (
                "v1.19.3",
                "kubeadm alpha certs renew admin.conf --cert-dir=/etc/kubernetes/pki",
            ),
            (
                "v1.20.0",
                "kubeadm certs renew admin.conf --cert-dir=/etc/kubernetes/pki",
            ),
        ] {
            let planned = renewed(&master(version)).unwrap();
            assert_eq!(planned.commands.len(), 10);
            assert_eq!(planned.commands[0].words.join(" "), line);
            assert_eq!(planned.left_out[0].what, "super-admin.conf");
        }
        let mut unknown = master("v1.19.3");
        unknown.kubeadm_version = None;
        assert!(matches!(
            renewed(&unknown),
            Err(OperationError::UnknownKubeadmVersion { .. })
        ));
        assert!(matches!(
            renewed(&master("v1.14.1")),
            Err(OperationError::UnsupportedKubeadm { .. })
        ));
    }

    #[test]
    fn a_kept_configuration_speaks_for_a_dead_api() {
        let mut facts = master("v1.31.0");
        facts.shape.kubeadm_config = Some("/var/lib/certfleet/backups/run/kubeadm-config.yaml".to_owned());
        let planned = renewed(&facts).unwrap();
        let line = planned.commands[0].words.join(" ");
        assert!(
            line.ends_with(
                "--cert-dir=/etc/kubernetes/pki --config=/var/lib/certfleet/backups/run/kubeadm-config.yaml"
            ),
            "{line}"
        );
        assert!(planned.forecast.unwrap().contains("does not answer"));
    }

    #[test]
    fn external_etcd_leaves_its_names_out() {
        let mut facts = master("v1.24.0");
        facts.static_pods = vec!["kube-apiserver".to_owned()];
        facts.certificates.retain(|c| !c.name.starts_with("etcd-"));
        let planned = renewed(&facts).unwrap();
        assert_eq!(planned.commands.len(), 6);
        let left: Vec<&str> = planned.left_out.iter().map(|p| p.what.as_str()).collect();
        assert!(
            left.contains(&"apiserver-etcd-client") && left.contains(&"etcd-server"),
            "{left:?}"
        );
    }

    #[test]
    fn an_external_ca_is_an_error_of_the_plan() {
        let mut facts = master("v1.24.0");
        facts.ca_key = Some(false);
        let error = renewed(&facts).unwrap_err();
        assert!(error.to_string().contains("external CA"), "{error}");
        let mut proxy = master("v1.24.0");
        if let Some(ca) = proxy.certificates.iter_mut().find(|c| c.name == "front-proxy-ca") {
            ca.key = KeyMatch::Absent;
        }
        assert!(renewed(&proxy).is_err());
    }

    #[test]
    fn a_worker_is_skipped_and_a_wrong_name_is_refused() {
        let planned = plan(&CertificateNames::All, &host("w1", Role::Worker), &facts("w1"), None).unwrap();
        assert!(planned.skip.is_some());
        let wrong = CertificateNames::Only(vec!["apisever".to_owned()]);
        let error = plan(&wrong, &host("m1", Role::ControlPlane), &master("v1.24.0"), None).unwrap_err();
        assert!(error.remedy().contains("apiserver"));
    }

    #[test]
    fn an_unreadable_file_stops_the_plan() {
        let mut facts = master("v1.24.0");
        facts.certificates[1].state = CertificateState::Dangling("/mnt/pki/apiserver.crt".to_owned());
        assert!(matches!(
            renewed(&facts),
            Err(OperationError::UnreadableCertificate { .. })
        ));
    }
}
