//! Do the certificates with which calico-node and typha know each other still hold? The Tigera operator keeps them in secrets; kubeadm
//! has no part in them, and deleting pods does not renew them. Only the public half is asked for.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use x509_parser::pem::Pem;

use crate::model::{Command, Host, Output, X509Facts};

use super::error::{ProbeError, text_of};
use super::x509;

const WHAT: &str = "certificates of typha";
/// Where an operator install has them; other installs have none.
pub const NAMESPACE: &str = "calico-system";
/// Typha's own, and what calico-node shows to it.
pub const SECRETS: [&str; 2] = ["typha-certs", "node-certs"];

/// The certificate in one of the secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TyphaCertificate {
    pub secret: String,
    pub x509: X509Facts,
}

/// Whether the inventory's network plugin may have such secrets.
pub fn applies(host: &Host) -> bool {
    host.kubernetes.cni.namespaces.iter().any(|n| n == NAMESPACE)
}

/// The public half of one secret, base64; nothing where there is no such secret. Older operators call it `cert.crt`.
pub fn command(host: &Host, secret: &str) -> Command {
    host.kubectl([
        "--namespace",
        NAMESPACE,
        "get",
        "secret",
        secret,
        "--ignore-not-found",
        r"--output=jsonpath={.data.tls\.crt}{.data.cert\.crt}",
    ])
}

/// # Errors
/// kubectl failed, or what it printed is no certificate.
pub fn parse(secret: &str, output: &Output) -> Result<Option<TyphaCertificate>, ProbeError> {
    let text = text_of(WHAT, output)?;
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let pem = BASE64.decode(text).map_err(|e| ProbeError::format(WHAT, e))?;
    let block = Pem::iter_from_buffer(&pem).next().and_then(Result::ok);
    let block = block.ok_or_else(|| ProbeError::format(WHAT, "its PEM is damaged"))?;
    Ok(Some(TyphaCertificate {
        secret: secret.to_owned(),
        x509: x509::parse_der(&block.contents)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Role;
    use crate::probes::fixtures;

    #[test]
    fn the_public_half_is_asked_for_and_read() {
        let host = fixtures::host("m1", Role::ControlPlane);
        assert!(applies(&host), "by default");
        let line = command(&host, "typha-certs").to_string();
        assert!(line.contains("tls") && !line.contains("key"), "{line}");
        let key = rcgen::KeyPair::generate().unwrap();
        let made = rcgen::CertificateParams::new(vec!["typha-server".to_owned()]).unwrap();
        let pem = made.self_signed(&key).unwrap().pem();
        let read = |text: &str| parse("typha-certs", &Output::new(0, text, ""));
        let found = read(&BASE64.encode(pem)).unwrap().unwrap();
        assert_eq!(found.x509.sans, ["typha-server"]);
        assert_eq!(read("\n"), Ok(None), "no such secret");
        assert!(read("bm9uc2Vuc2U=").is_err());
    }
}
