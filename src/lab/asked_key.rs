//! A key whose certificate is asked for elsewhere: the request, and whether a certificate fits it.

use jiff::Timestamp;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_ECDSA_P256_SHA256, PublicKeyData, SignatureAlgorithm,
};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::pki::{LabError, Leaf, LeafSpec};

/// What a request says: who asks, with which public key.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) subject: String,
    point: Vec<u8>,
}

impl PublicKeyData for Asked {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

/// A new key, still without a certificate, and its request (DER).
pub(super) fn make(spec: LeafSpec) -> Result<(Leaf, Vec<u8>), LabError> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(spec.sans.clone())?;
    params.distinguished_name = DistinguishedName::new();
    if let Some(organization) = &spec.organization {
        params
            .distinguished_name
            .push(DnType::OrganizationName, organization.as_str());
    }
    params
        .distinguished_name
        .push(DnType::CommonName, spec.common_name.as_str());
    let der = params.serialize_request(&key)?.der().to_vec();
    let leaf = Leaf {
        spec,
        pem: String::new(),
        key_pem: key.serialize_pem(),
        not_before: Timestamp::UNIX_EPOCH,
        not_after: Timestamp::UNIX_EPOCH,
        serial: 0,
    };
    Ok((leaf, der))
}

/// Reads a request; `None` unless it is signed by its own key.
pub(super) fn read(der: &[u8]) -> Option<Asked> {
    let (_, request) = X509CertificationRequest::from_der(der).ok()?;
    request.verify_signature().ok()?;
    let info = &request.certification_request_info;
    Some(Asked {
        subject: info.subject.to_string(),
        point: info.subject_pki.subject_public_key.data.to_vec(),
    })
}

/// The pending key with its certificate (DER); `None` when the two do not belong together.
pub(super) fn fit(pending: &Leaf, spec: LeafSpec, der: &[u8]) -> Option<Leaf> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    let key = KeyPair::from_pem(&pending.key_pem).ok()?;
    let theirs: &[u8] = &certificate.public_key().subject_public_key.data;
    if theirs != key.der_bytes() {
        return None;
    }
    let at =
        |time: x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp()).unwrap_or(Timestamp::UNIX_EPOCH);
    let serial = certificate
        .raw_serial()
        .iter()
        .fold(0u64, |n, b| (n << 8) | u64::from(*b));
    Some(Leaf {
        spec,
        pem: super::pki::pem("CERTIFICATE", der),
        key_pem: pending.key_pem.clone(),
        not_before: at(certificate.validity().not_before),
        not_after: at(certificate.validity().not_after),
        serial,
    })
}
