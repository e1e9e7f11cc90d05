//! Which certificate does a port serve right now? A TLS handshake that captures the chain and trusts nothing.
//!
//! A certificate renewed on disk is not yet in use; only a handshake shows what is. The chain is captured while it is
//! verified, so it is there even when the server then refuses us for want of a client certificate (TLS 1.2 fails the
//! handshake at that point, TLS 1.3 only later). Not covered by rustls: TLS 1.1 and older, RSA key exchange, CBC.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use tokio_rustls::rustls::client::{ResolvesClientCert, Resumption};
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::{CertificateDer, IpAddr, Ipv4Addr, ServerName, UnixTime};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{
    AlertDescription, ClientConfig, DigitallySignedStruct, Error as TlsError, ProtocolVersion, SignatureScheme,
};

use super::transport::Duplex;

/// What a port serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedChain {
    /// DER certificates, leaf first.
    pub der: Vec<Vec<u8>>,
    /// The server asked for a client certificate (etcd, kubelet).
    pub client_cert_demanded: bool,
    pub version: TlsVersion,
    /// The server proved that it holds the leaf's private key; `false` also when ring cannot check (P-521, RSA-1024).
    pub key_proven: bool,
}

/// The negotiated version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    Tls12,
    Tls13,
}

impl fmt::Display for TlsVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            TlsVersion::Tls12 => "TLS 1.2",
            TlsVersion::Tls13 => "TLS 1.3",
        })
    }
}

/// Why no certificate was seen.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TlsProbeError {
    /// Something else listens there (plain HTTP, SSH).
    #[error("what listens there does not speak TLS")]
    NotTls,
    /// TLS 1.1 or older, RSA key exchange or CBC only: ask `openssl s_client` on the node.
    #[error("the server shares no TLS version or cipher with us")]
    NoSharedSuite,
    /// The connection is open but nothing came in time: a hung process, or a proxy without a backend.
    #[error("no answer to the TLS handshake")]
    Silent,
    /// The connection was closed before a certificate was shown.
    #[error("the connection was closed before a certificate was shown")]
    Closed,
    /// Anything else TLS can say.
    #[error("the TLS handshake failed: {0}")]
    Other(String),
}

/// Shakes hands over any stream, usually a tunnel. Without a name no SNI is sent, as kubelets do towards an address.
///
/// # Errors
/// Only when no certificate was shown; a refusal after that is an answer.
pub async fn handshake(
    stream: Box<dyn Duplex>,
    server_name: Option<&str>,
    deadline: Duration,
) -> Result<ServedChain, TlsProbeError> {
    let seen = Arc::new(Seen::default());
    let config = config(&seen).map_err(|e| TlsProbeError::Other(e.to_string()))?;
    let connector = TlsConnector::from(Arc::new(config));
    let name = server_name.and_then(|n| ServerName::try_from(n.to_owned()).ok());
    let name = name.unwrap_or(ServerName::IpAddress(IpAddr::V4(Ipv4Addr::from([127, 0, 0, 1]))));
    let outcome = timeout(deadline, Box::pin(connector.connect(name, stream))).await;
    let mut version = None;
    let failure = match outcome {
        Ok(Ok(mut tls)) => {
            version = tls.get_ref().1.protocol_version();
            // Saying goodbye is polite only: nobody waits for the answer.
            let _ = timeout(Duration::from_millis(200), tls.shutdown()).await;
            TlsProbeError::Closed
        }
        Ok(Err(error)) => classify(&error),
        Err(_) => TlsProbeError::Silent,
    };
    seen.answer(version).ok_or(failure)
}

fn config(seen: &Arc<Seen>) -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Witness {
            seen: Arc::clone(seen),
            provider,
        }))
        .with_client_cert_resolver(Arc::new(NoClientCert(Arc::clone(seen))));
    config.resumption = Resumption::disabled();
    Ok(config)
}

fn classify(error: &std::io::Error) -> TlsProbeError {
    match error.get_ref().and_then(|e| e.downcast_ref::<TlsError>()) {
        Some(TlsError::InvalidMessage(_)) => TlsProbeError::NotTls,
        Some(TlsError::AlertReceived(AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion)) => {
            TlsProbeError::NoSharedSuite
        }
        Some(TlsError::PeerIncompatible(_)) => TlsProbeError::NoSharedSuite,
        Some(other) => TlsProbeError::Other(other.to_string()),
        None => TlsProbeError::Closed,
    }
}

/// What the handshake has shown so far.
#[derive(Debug, Default)]
struct Seen {
    facts: Mutex<Facts>,
}

#[derive(Debug, Default)]
struct Facts {
    chain: Vec<Vec<u8>>,
    demanded: bool,
    version: Option<TlsVersion>,
    proven: bool,
}

impl Seen {
    fn note(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.facts.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn answer(&self, negotiated: Option<ProtocolVersion>) -> Option<ServedChain> {
        let mut facts = self.facts.lock().unwrap_or_else(PoisonError::into_inner);
        let by_handshake = match negotiated {
            Some(ProtocolVersion::TLSv1_3) => Some(TlsVersion::Tls13),
            Some(_) => Some(TlsVersion::Tls12),
            None => None,
        };
        if facts.chain.is_empty() {
            return None;
        }
        Some(ServedChain {
            der: std::mem::take(&mut facts.chain),
            client_cert_demanded: facts.demanded,
            version: by_handshake.or(facts.version).unwrap_or(TlsVersion::Tls12),
            key_proven: facts.proven,
        })
    }
}

/// Takes the chain down and lets everything pass: expiry and trust are judged elsewhere.
#[derive(Debug)]
struct Witness {
    seen: Arc<Seen>,
    provider: Arc<CryptoProvider>,
}

impl Witness {
    fn record(&self, version: TlsVersion, verified: bool) -> HandshakeSignatureValid {
        self.seen.note(|facts| {
            facts.version = Some(version);
            facts.proven = verified;
        });
        HandshakeSignatureValid::assertion()
    }
}

impl ServerCertVerifier for Witness {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, TlsError> {
        let chain = std::iter::once(leaf).chain(intermediates).map(|c| c.to_vec()).collect();
        self.seen.note(|facts| facts.chain = chain);
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let verified = verify_tls12_signature(message, cert, signed, algorithms).is_ok();
        Ok(self.record(TlsVersion::Tls12, verified))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let verified = verify_tls13_signature(message, cert, signed, algorithms).is_ok();
        Ok(self.record(TlsVersion::Tls13, verified))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let mut schemes = self.provider.signature_verification_algorithms.supported_schemes();
        schemes.extend([SignatureScheme::ECDSA_NISTP521_SHA512, SignatureScheme::RSA_PKCS1_SHA1]);
        schemes
    }
}

/// Never has a certificate, but learns that one was asked for.
#[derive(Debug)]
struct NoClientCert(Arc<Seen>);

impl ResolvesClientCert for NoClientCert {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.note(|facts| facts.demanded = true);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[cfg(test)]
#[path = "tls/tests.rs"]
mod tests;
