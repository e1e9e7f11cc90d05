//! Certificates as facts: what a file says, never a key.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One certificate that a kubeadm host should have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateFact {
    /// kubeadm's name (`apiserver`, `admin.conf`), or ours: `kubelet-client`, `kubelet-serving`, `ca`, `etcd-ca`, `front-proxy-ca`.
    pub name: String,
    /// The file it was read from.
    pub path: String,
    pub state: CertificateState,
    /// Modification time of the file (the link's target), if the host told it.
    pub modified: Option<Timestamp>,
    pub key: KeyMatch,
}

/// What was found at the path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateState {
    Present(Box<X509Facts>),
    /// No such file.
    Missing,
    /// A symlink that leads nowhere; the target.
    Dangling(String),
    /// There is a file, but not one we can read; why.
    Unreadable(String),
}

/// Whether certificate and private key belong together, as compared on the host by public parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyMatch {
    Match,
    Mismatch,
    /// No private key where one is expected.
    Absent,
    /// Not compared (no openssl on the host, or not asked).
    Unknown,
}

/// The public content of an X.509 certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct X509Facts {
    /// RFC 4514-like: `CN=kube-apiserver`.
    pub subject: String,
    pub issuer: String,
    /// Lower-case hex without leading zeros; `0` is legal for a CA made by kubeadm.
    pub serial: String,
    pub not_before: Timestamp,
    pub not_after: Timestamp,
    /// SHA-256 of the DER, lower-case hex.
    pub sha256: String,
    /// DNS names and IP addresses, as text.
    pub sans: Vec<String>,
    pub is_ca: bool,
    /// Name of the CA certificate whose key signed this one, if a CA of the same host did (`ca`, `etcd-ca`, `front-proxy-ca`).
    pub signed_by: Option<String>,
}

impl X509Facts {
    /// notAfter has passed.
    pub fn expired(&self, now: Timestamp) -> bool {
        now > self.not_after
    }

    /// notBefore is still to come.
    pub fn not_yet_valid(&self, now: Timestamp) -> bool {
        now < self.not_before
    }
}

impl CertificateFact {
    /// The parsed certificate, if there is one.
    pub fn x509(&self) -> Option<&X509Facts> {
        match &self.state {
            CertificateState::Present(x509) => Some(x509),
            _ => None,
        }
    }
}

impl fmt::Display for CertificateState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CertificateState::Present(x509) => write!(f, "expires {}", x509.not_after),
            CertificateState::Missing => f.write_str("missing"),
            CertificateState::Dangling(target) => write!(f, "dangling symlink to {target}"),
            CertificateState::Unreadable(why) => write!(f, "unreadable: {why}"),
        }
    }
}

/// The names that `kubeadm certs renew` knows, in its own order (kubernetes `cmd/kubeadm/app/phases/certs/renewal/manager.go`).
/// `super-admin.conf` exists from 1.29, and only on the node of `kubeadm init`.
pub const RENEWABLE: [&str; 11] = [
    "admin.conf",
    "apiserver",
    "apiserver-etcd-client",
    "apiserver-kubelet-client",
    "controller-manager.conf",
    "etcd-healthcheck-client",
    "etcd-peer",
    "etcd-server",
    "front-proxy-client",
    "scheduler.conf",
    "super-admin.conf",
];

/// Where kubeadm keeps what a server or a client of the control plane loads, below its certificate directory.
const PLACES: [(&str, &str); 7] = [
    ("apiserver", "apiserver.crt"),
    ("apiserver-kubelet-client", "apiserver-kubelet-client.crt"),
    ("front-proxy-client", "front-proxy-client.crt"),
    ("apiserver-etcd-client", "apiserver-etcd-client.crt"),
    ("etcd-server", "etcd/server.crt"),
    ("etcd-peer", "etcd/peer.crt"),
    ("etcd-healthcheck-client", "etcd/healthcheck-client.crt"),
];

impl CertificateFact {
    /// A file that a flag of its component names and that is not kubeadm's in this certificate directory
    /// (`--tls-cert-file=/etc/ssl/api.crt`): kubeadm does not renew it, and somebody else's CA may have signed it.
    pub fn is_own(&self, cert_dir: &str) -> bool {
        let below = self.path.strip_prefix(cert_dir.trim_end_matches('/'));
        let place = PLACES.iter().find(|(name, _)| *name == self.name);
        place.is_some_and(|(_, place)| below.map(|path| path.trim_start_matches('/')) != Some(*place))
    }
}

/// What kubeadm has the CA of etcd sign, in its own order.
pub const SIGNED_BY_ETCD: [&str; 4] = [
    "apiserver-etcd-client",
    "etcd-healthcheck-client",
    "etcd-peer",
    "etcd-server",
];

/// What a certificate was before a change: the other half of "has it really been renewed".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateBefore {
    pub name: String,
    /// As in [`X509Facts::serial`].
    pub serial: String,
    pub not_after: Timestamp,
    /// A renewal may end earlier than what it replaces (`certificateValidityPeriod`), but never begins earlier.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
}

impl CertificateFact {
    /// Name, serial and notAfter to compare with later; `None` for a file without a certificate.
    pub fn before(&self) -> Option<CertificateBefore> {
        self.x509().map(|x509| CertificateBefore {
            name: self.name.clone(),
            serial: x509.serial.clone(),
            not_after: x509.not_after,
            not_before: Some(x509.not_before),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_elsewhere_is_not_kubeadms_wherever_its_directory_is() {
        let own = |cert_dir: &str, name: &str, path: &str| {
            let fact = CertificateFact {
                name: name.to_owned(),
                path: path.to_owned(),
                state: CertificateState::Missing,
                modified: None,
                key: KeyMatch::Unknown,
            };
            fact.is_own(cert_dir)
        };
        let pki = "/etc/kubernetes/pki";
        for (name, path) in [
            ("apiserver", "/etc/ssl/api.crt"),
            ("apiserver", "/etc/ssl/my-apiserver.crt"),
            ("apiserver", "/srv/pki/apiserver.crt"),
            ("apiserver", "/etc/kubernetes/pki-of-ours/apiserver.crt"),
            ("etcd-server", "/etc/etcd/server-cert.pem"),
            // The end of the path alone proves nothing.
            ("etcd-server", "/etc/etcd/server.crt"),
            (
                "apiserver-etcd-client",
                "/etc/kubernetes/pki/etcd/apiserver-etcd-client.crt",
            ),
        ] {
            assert!(own(pki, name, path), "{name} {path}");
        }
        for (cert_dir, path) in [
            ("/srv/pki", "/srv/pki/etcd/server.crt"),
            ("/srv/pki/", "/srv/pki//etcd/server.crt"),
            ("/etc/kubernetes/pki", "/etc/kubernetes/pki/etcd/server.crt"),
        ] {
            assert!(!own(cert_dir, "etcd-server", path), "{path}");
        }
        assert!(!own(pki, "admin.conf", "/root/admin.conf") && !own(pki, "kubelet-serving", "/etc/ssl/kubelet.crt"));
    }
}
