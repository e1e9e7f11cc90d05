//! Which certificates are renewed by which command line, and what is refused.

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
        line.ends_with("--cert-dir=/etc/kubernetes/pki --config=/var/lib/certfleet/backups/run/kubeadm-config.yaml"),
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
