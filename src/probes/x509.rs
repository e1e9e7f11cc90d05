//! The public content of an X.509 certificate, from a file or from a handshake.

use std::net::{Ipv4Addr, Ipv6Addr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

use crate::model::X509Facts;

use super::error::ProbeError;

const WHAT: &str = "certificate";

/// Reads one certificate; `signed_by` is left open.
///
/// # Errors
/// Not a certificate.
pub fn parse_der(der: &[u8]) -> Result<X509Facts, ProbeError> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|e| ProbeError::format(WHAT, e))?;
    Ok(X509Facts {
        subject: certificate.subject().to_string(),
        issuer: certificate.issuer().to_string(),
        serial: serial(certificate.raw_serial()),
        not_before: time(certificate.validity().not_before.timestamp()),
        not_after: time(certificate.validity().not_after.timestamp()),
        sha256: hex(&Sha256::digest(der)),
        sans: sans(&certificate),
        is_ca: certificate.is_ca(),
        signed_by: None,
    })
}

/// Whether the key of `ca` signed `leaf`. A signature we cannot check (an algorithm that ring lacks) is no proof.
pub fn signed_by(leaf: &[u8], ca: &[u8]) -> bool {
    let (Ok((_, leaf)), Ok((_, ca))) = (X509Certificate::from_der(leaf), X509Certificate::from_der(ca)) else {
        return false;
    };
    leaf.verify_signature(Some(ca.public_key())).is_ok()
}

/// SHA-256 of the public keys of all certificates in a PEM text, or in the base64 of one; line ends do not matter. What
/// cannot be read is left out.
pub fn public_keys(text: &str) -> Vec<String> {
    let text = text.trim();
    let decoded = BASE64.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let pem = decoded.as_deref().unwrap_or(text);
    let blocks = pem.split("-----BEGIN CERTIFICATE-----").skip(1);
    let bodies = blocks.filter_map(|b| b.split_once("-----END").map(|(body, _)| body));
    bodies.filter_map(public_key).collect()
}

fn public_key(body: &str) -> Option<String> {
    let plain: String = body.split_whitespace().collect();
    let der = BASE64.decode(plain).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    Some(hex(&Sha256::digest(certificate.public_key().raw)))
}

fn serial(raw: &[u8]) -> String {
    let text = hex(raw);
    let short = text.trim_start_matches('0');
    if short.is_empty() {
        "0".to_owned()
    } else {
        short.to_owned()
    }
}

/// RFC 5280's "no expiration" is in the last hours of the year 9999, beyond what `Timestamp` holds.
fn time(seconds: i64) -> Timestamp {
    let limit = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Timestamp::from_second(seconds).unwrap_or(limit)
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
}

fn sans(certificate: &X509Certificate<'_>) -> Vec<String> {
    let names = certificate
        .extensions()
        .iter()
        .filter_map(|e| match e.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => Some(names),
            _ => None,
        });
    names.flat_map(|n| n.general_names.iter()).filter_map(san).collect()
}

fn san(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(dns) => Some((*dns).to_owned()),
        GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
            .map(|b| Ipv4Addr::from(b).to_string())
            .or_else(|_| <[u8; 16]>::try_from(*bytes).map(|b| Ipv6Addr::from(b).to_string()))
            .ok(),
        _ => None,
    }
}
