//! Host certificates: what OpenSSH checks of one (PROTOCOL.certkeys), none of which russh does.

use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Certificate, HashAlg};

use crate::remote::pattern;

/// Why a certificate signed by a known authority is not good for this host; `None` when it is.
///
/// `now` is seconds since the epoch, `name` the host without its port.
pub(super) fn objection(certificate: &Certificate, name: &str, now: u64) -> Option<String> {
    let authority = certificate.signature_key().fingerprint(HashAlg::Sha256);
    if certificate.verify_signature().is_err() {
        return Some(format!("its signature by {authority} is wrong"));
    }
    if certificate.cert_type() != CertType::Host {
        return Some("it is a user certificate".to_owned());
    }
    if now < certificate.valid_after() {
        return Some("it is not yet valid; compare the clocks".to_owned());
    }
    if now >= certificate.valid_before() {
        return Some("it has expired".to_owned());
    }
    principals(certificate, name).or_else(|| critical(certificate))
}

fn principals(certificate: &Certificate, name: &str) -> Option<String> {
    let listed = certificate.valid_principals();
    if listed.is_empty() {
        return Some("it names no host".to_owned());
    }
    let good = listed.iter().any(|p| pattern::matches(p, name));
    (!good).then(|| format!("it is for {}, not for {name}", listed.join(", ")))
}

/// No critical option is defined for hosts, so any is one that we do not understand.
fn critical(certificate: &Certificate) -> Option<String> {
    let option = certificate.critical_options().iter().next()?;
    Some(format!("its critical option `{}` is not known", option.0))
}
