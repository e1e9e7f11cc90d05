//! Hosts and facts for the tests of operations.

use jiff::Timestamp;

use crate::model::certificate::{CertificateFact, CertificateState, KeyMatch, X509Facts};
use crate::model::{BecomeSettings, Host, HostFacts, KubernetesSettings, Role, SshSettings};

use super::RunContext;
use super::types::Fleet;

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

pub(crate) fn facts(name: &str) -> HostFacts {
    HostFacts::unknown(name.into())
}

pub(crate) fn context() -> RunContext<'static> {
    RunContext {
        now: Timestamp::UNIX_EPOCH,
        runtime_will_stop: false,
        outage_accepted: false,
        speaks_for_cluster: true,
        fleet: Fleet::NONE,
    }
}

/// As kubeadm lays them out.
fn path(name: &str) -> String {
    match name.strip_prefix("etcd-") {
        Some(member) => format!("/etc/kubernetes/pki/etcd/{member}.crt"),
        None => format!("/etc/kubernetes/pki/{name}.crt"),
    }
}

pub(crate) fn certificate(name: &str, key: KeyMatch) -> CertificateFact {
    CertificateFact {
        name: name.to_owned(),
        path: path(name),
        state: CertificateState::Present(Box::new(X509Facts {
            subject: format!("CN={name}"),
            issuer: "CN=kubernetes".to_owned(),
            serial: "1a".to_owned(),
            not_before: Timestamp::UNIX_EPOCH,
            not_after: Timestamp::UNIX_EPOCH,
            sha256: String::new(),
            sans: Vec::new(),
            is_ca: name.ends_with("ca"),
            signed_by: None,
        })),
        modified: None,
        key,
    }
}

pub(crate) fn missing(name: &str) -> CertificateFact {
    CertificateFact {
        state: CertificateState::Missing,
        ..certificate(name, KeyMatch::Absent)
    }
}
