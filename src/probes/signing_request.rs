//! The public content of a PKCS#10 request: who asks, for which names, and whether the asker holds the key.

use std::net::IpAddr;

use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension};

use super::error::ProbeError;

const WHAT: &str = "certificate signing request";

/// What a request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningRequest {
    /// RFC 4514-like, as in `X509Facts`.
    pub subject: String,
    /// DNS names in lower case and addresses, as text.
    pub names: Vec<String>,
    /// It asks for names of another kind (mail, URI …) or for a CA.
    pub odd: bool,
    /// Its signature is good.
    pub signed_by_own_key: bool,
}

/// Reads one request. A signature that cannot be checked (an algorithm that ring lacks) is no signature.
///
/// # Errors
/// Not a request.
pub fn parse_der(der: &[u8]) -> Result<SigningRequest, ProbeError> {
    let (rest, request) = X509CertificationRequest::from_der(der).map_err(|e| ProbeError::format(WHAT, e))?;
    if !rest.is_empty() {
        return Err(ProbeError::format(WHAT, "something follows it"));
    }
    let mut read = SigningRequest {
        subject: request.certification_request_info.subject.to_string(),
        names: Vec::new(),
        odd: false,
        signed_by_own_key: request.verify_signature().is_ok(),
    };
    for extension in request.requested_extensions().into_iter().flatten() {
        match extension {
            ParsedExtension::SubjectAlternativeName(names) => {
                names.general_names.iter().for_each(|n| add(&mut read, n));
            }

            ParsedExtension::BasicConstraints(basic) => read.odd |= basic.ca,
            ParsedExtension::KeyUsage(_) | ParsedExtension::ExtendedKeyUsage(_) => {}
            _ => read.odd = true,
        }
    }
    Ok(read)
}

fn add(read: &mut SigningRequest, name: &GeneralName<'_>) {
    match name {
        GeneralName::DNSName(dns) => read.names.push(dns.to_lowercase()),
        GeneralName::IPAddress(bytes) => match address(bytes) {
            Some(address) => read.names.push(address.to_string()),
            None => read.odd = true,
        },
        _ => read.odd = true,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let four = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    four.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}
