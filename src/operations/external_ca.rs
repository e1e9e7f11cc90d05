//! What to do where the key of a CA is kept elsewhere: new keys and requests here, signatures there.

use crate::model::facts::KubeVersion;

/// `kubeadm alpha certs generate-csr` exists from here, `kubeadm certs generate-csr` from the next.
const GENERATES: KubeVersion = KubeVersion::minor(19);

/// The way for a version of kubeadm; `docs/guide/external-ca.md` has it in full.
pub fn guide(version: Option<KubeVersion>, cert_dir: &str) -> String {
    let program = match version {
        Some(v) if v < GENERATES => None,
        Some(v) if v < KubeVersion::minor(GENERATES.minor + 1) => Some("kubeadm alpha certs"),
        _ => Some("kubeadm certs"),
    };
    let requests = program.map_or_else(
        || "make a new key and a request for each name with `openssl req -new -newkey rsa:2048 -nodes` (subject and names of the old certificate)".to_owned(),
        |p| format!("`{p} generate-csr --cert-dir /root/certfleet-csr/pki --kubeconfig-dir /root/certfleet-csr --config CONFIG` makes new keys and requests"),
    );
    format!(
        "On each master {requests}; have the *.csr signed by the owner of the CA; put each certificate with its key in {cert_dir} \
         (kubeconfigs: /etc/kubernetes); then `certfleet restart`. Step by step: docs/guide/external-ca.md."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_follows_the_version() {
        let at = |minor| guide(Some(KubeVersion::minor(minor)), "/etc/kubernetes/pki");
        assert!(at(18).contains("openssl req") && !at(18).contains("generate-csr"));
        assert!(at(19).contains("`kubeadm alpha certs generate-csr"));
        assert!(at(20).contains("`kubeadm certs generate-csr") && at(34).contains("certfleet restart"));
        assert!(guide(None, "/srv/pki").contains("in /srv/pki"));
    }
}
