//! The fleet's certificates: real X.509 (ECDSA P-256), shaped as kubeadm makes them.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose, SerialNumber,
};
use thiserror::Error;
use time::OffsetDateTime;

use super::asked_key::Asked;
use super::clock::{DAY, shift};

/// A certificate of the lab could not be made; a bug or an exhausted random source.
#[derive(Debug, Error)]
pub enum LabError {
    #[error("the lab could not make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("the lab's clock is outside of what X.509 can say: {0}")]
    Time(#[from] time::error::ComponentRange),
}

/// Who signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Signer {
    Ca,
    EtcdCa,
    FrontProxyCa,
    /// Self-signed.
    Own,
}

impl Signer {
    /// kubeadm's name of the CA.
    pub(super) fn name(self) -> &'static str {
        match self {
            Signer::Ca => "ca",
            Signer::EtcdCa => "etcd-ca",
            Signer::FrontProxyCa => "front-proxy-ca",
            Signer::Own => "",
        }
    }

    fn common_name(self) -> &'static str {
        match self {
            Signer::Ca | Signer::Own => "kubernetes",
            Signer::EtcdCa => "etcd-ca",
            Signer::FrontProxyCa => "front-proxy-ca",
        }
    }
}

/// A certificate authority.
#[derive(Debug)]
pub(super) struct Authority {
    pub(super) pem: String,
    pub(super) key_pem: String,
    pub(super) not_after: Timestamp,
    name: String,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new(signer: Signer, created: Timestamp) -> Result<Self, LabError> {
        Self::with_key(
            KeyPair::generate()?,
            signer.common_name(),
            (created, shift(created, 3650 * DAY)),
        )
    }

    /// The same key and name with another validity: what it signed stays signed.
    pub(super) fn redated(&self, from: Timestamp, until: Timestamp) -> Result<Self, LabError> {
        Self::with_key(KeyPair::from_pem(&self.key_pem)?, &self.name, (from, until))
    }

    fn with_key(key: KeyPair, name: &str, (from, not_after): (Timestamp, Timestamp)) -> Result<Self, LabError> {
        let key_pem = key.serialize_pem();
        let mut params = params(name, None, from, not_after)?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
            KeyUsagePurpose::KeyCertSign,
        ];
        params.serial_number = Some(SerialNumber::from_slice(&[0]));
        let issuer = CertifiedIssuer::self_signed(params, key)?;
        let pem = issuer.pem();
        Ok(Self {
            pem,
            key_pem,
            not_after,
            name: name.to_owned(),
            issuer,
        })
    }
}

/// What is asked of a leaf; kept with it, since renewal copies it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LeafSpec {
    pub(super) common_name: String,
    pub(super) organization: Option<String>,
    pub(super) sans: Vec<String>,
    pub(super) server: bool,
    pub(super) client: bool,
    pub(super) signer: Signer,
}

impl LeafSpec {
    pub(super) fn client(common_name: impl Into<String>, organization: Option<&str>, signer: Signer) -> Self {
        Self {
            common_name: common_name.into(),
            organization: organization.map(str::to_owned),
            sans: Vec::new(),
            server: false,
            client: true,
            signer,
        }
    }

    pub(super) fn server(common_name: impl Into<String>, sans: Vec<String>, signer: Signer) -> Self {
        Self {
            sans,
            server: true,
            client: false,
            ..Self::client(common_name, None, signer)
        }
    }
}

/// A certificate with its key. The key never leaves the lab: see `lab::alarm`.
pub(super) struct Leaf {
    pub(super) spec: LeafSpec,
    pub(super) pem: String,
    pub(super) key_pem: String,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
    pub(super) serial: u64,
}

impl std::fmt::Debug for Leaf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            spec,
            not_after,
            serial,
            ..
        } = self;
        write!(f, "Leaf({} serial {serial:x} until {not_after})", spec.common_name)
    }
}

impl Leaf {
    /// Within its validity.
    pub(super) fn valid(&self, now: Timestamp) -> bool {
        now >= self.not_before && now <= self.not_after
    }

    /// notAfter has passed.
    pub(super) fn expired(&self, now: Timestamp) -> bool {
        now > self.not_after
    }
}

/// The three CAs of a cluster, and the counter behind its serial numbers.
#[derive(Debug)]
pub(super) struct Pki {
    pub(super) ca: Arc<Authority>,
    pub(super) etcd: Arc<Authority>,
    pub(super) front_proxy: Arc<Authority>,
}

impl Pki {
    pub(super) fn new(created: Timestamp) -> Result<Self, LabError> {
        let made = |signer| Authority::new(signer, created).map(Arc::new);
        Ok(Self {
            ca: made(Signer::Ca)?,
            etcd: made(Signer::EtcdCa)?,
            front_proxy: made(Signer::FrontProxyCa)?,
        })
    }

    pub(super) fn authority(&self, signer: Signer) -> Option<&Arc<Authority>> {
        match signer {
            Signer::Ca => Some(&self.ca),
            Signer::EtcdCa => Some(&self.etcd),
            Signer::FrontProxyCa => Some(&self.front_proxy),
            Signer::Own => None,
        }
    }

    /// A new leaf with a new key.
    pub(super) fn issue(
        &self,
        spec: LeafSpec,
        serial: u64,
        not_before: Timestamp,
        not_after: Timestamp,
    ) -> Result<Arc<Leaf>, LabError> {
        let key = KeyPair::generate()?;
        let mut params = params(&spec.common_name, spec.organization.as_deref(), not_before, not_after)?;
        params.subject_alt_names = CertificateParams::new(spec.sans.clone())?.subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = usages(&spec);
        params.serial_number = Some(SerialNumber::from(serial));
        params.use_authority_key_identifier_extension = true;
        let certificate = self.sign(&params, &key, spec.signer)?;
        Ok(Arc::new(Leaf {
            spec,
            pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            not_before: whole(not_before),
            not_after: whole(not_after),
            serial,
        }))
    }

    /// Signs a key that somebody else holds (DER); serial, notBefore and notAfter.
    pub(super) fn sign_key(
        &self,
        spec: &LeafSpec,
        asked: &Asked,
        (serial, from, until): (u64, Timestamp, Timestamp),
    ) -> Result<Vec<u8>, LabError> {
        let mut params = params(&spec.common_name, spec.organization.as_deref(), from, until)?;
        params.subject_alt_names = CertificateParams::new(spec.sans.clone())?.subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages = usages(spec);
        params.serial_number = Some(SerialNumber::from(serial));
        params.use_authority_key_identifier_extension = true;
        let issuer = self.authority(spec.signer).unwrap_or(&self.ca);
        Ok(params.signed_by(asked, &issuer.issuer)?.der().to_vec())
    }

    fn sign(&self, params: &CertificateParams, key: &KeyPair, signer: Signer) -> Result<Certificate, LabError> {
        Ok(match self.authority(signer) {
            Some(authority) => params.signed_by(key, &authority.issuer)?,
            None => params.self_signed(key)?,
        })
    }
}

fn usages(spec: &LeafSpec) -> Vec<ExtendedKeyUsagePurpose> {
    let server = spec.server.then_some(ExtendedKeyUsagePurpose::ServerAuth);
    let client = spec.client.then_some(ExtendedKeyUsagePurpose::ClientAuth);
    server.into_iter().chain(client).collect()
}

fn params(
    common_name: &str,
    organization: Option<&str>,
    not_before: Timestamp,
    not_after: Timestamp,
) -> Result<CertificateParams, LabError> {
    let mut subject = DistinguishedName::new();
    if let Some(organization) = organization {
        subject.push(DnType::OrganizationName, organization);
    }
    subject.push(DnType::CommonName, common_name);
    let mut params = CertificateParams::default();
    params.distinguished_name = subject;
    params.not_before = OffsetDateTime::from_unix_timestamp(not_before.as_second())?;
    params.not_after = OffsetDateTime::from_unix_timestamp(not_after.as_second())?;
    Ok(params)
}

/// DER as PEM.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    let body = BASE64.encode(der);
    let lines: Vec<&str> = (0..body.len())
        .step_by(64)
        .filter_map(|at| body.get(at..(at + 64).min(body.len())))
        .collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// X.509 knows whole seconds only.
fn whole(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}
