//! Hosts and certificates for the tests of probes.

use jiff::Timestamp;

use crate::model::certificate::{CertificateFact, CertificateState, KeyMatch, X509Facts};
use crate::model::{BecomeSettings, Host, KubernetesSettings, Role, SshSettings};

pub(crate) fn host(name: &str, role: Role) -> Host {
    Host {
        name: name.into(),
        address: name.to_owned(),
        role,
        ssh: SshSettings::default(),
        r#become: BecomeSettings::default(),
        kubernetes: KubernetesSettings::default(),
    }
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn x509(serial: &str, not_after: &str) -> X509Facts {
    X509Facts {
        subject: "CN=x".to_owned(),
        issuer: "CN=kubernetes".to_owned(),
        serial: serial.to_owned(),
        not_before: at("2019-01-01T00:00:00Z"),
        not_after: at(not_after),
        sha256: format!("sha-{serial}"),
        sans: Vec::new(),
        is_ca: false,
        signed_by: None,
    }
}

pub(crate) fn on_disk(name: &str, serial: &str, not_after: &str, modified: &str) -> CertificateFact {
    CertificateFact {
        name: name.to_owned(),
        path: format!("/etc/kubernetes/{name}"),
        state: CertificateState::Present(Box::new(x509(serial, not_after))),
        modified: Some(at(modified)),
        key: KeyMatch::Match,
    }
}
