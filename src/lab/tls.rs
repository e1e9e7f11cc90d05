//! The server side of TLS as a process of the fleet speaks it, with the certificate it holds in memory.

use std::io;
use std::sync::Arc;

use tokio::io::AsyncReadExt;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error as TlsError, ServerConfig, SignatureScheme,
};

use crate::remote::Duplex;

/// Answers one connection: handshake, then reads until the caller goes away. A process that demands a client
/// certificate accepts none: the lab has no honest caller, and the server's certificate is seen before that.
///
/// # Errors
/// Unusable PEM, a failed handshake, a broken stream.
pub async fn serve(
    stream: Box<dyn Duplex>,
    chain_pem: &str,
    key_pem: &str,
    demand_client_cert: bool,
) -> io::Result<()> {
    let config = server_config(chain_pem, key_pem, demand_client_cert).map_err(io::Error::other)?;
    let mut session = TlsAcceptor::from(Arc::new(config)).accept(stream).await?;
    let mut sink = [0_u8; 1024];
    while session.read(&mut sink).await? > 0 {}
    Ok(())
}

fn server_config(chain_pem: &str, key_pem: &str, demand_client_cert: bool) -> Result<ServerConfig, TlsError> {
    let broken = |e: tokio_rustls::rustls::pki_types::pem::Error| TlsError::General(e.to_string());
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain_pem.as_bytes()).collect();
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).map_err(broken)?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions()?;
    let builder = if demand_client_cert {
        builder.with_client_cert_verifier(Arc::new(RefuseAll { provider }))
    } else {
        builder.with_no_client_auth()
    };
    builder.with_single_cert(chain.map_err(broken)?, key)
}

/// Asks for a client certificate and accepts none.
#[derive(Debug)]
struct RefuseAll {
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for RefuseAll {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, TlsError> {
        Err(TlsError::InvalidCertificate(CertificateError::UnknownIssuer))
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, TlsError> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
