//! TLS as Go's programs speak it: servers that ask for a client certificate and judge it later, clients that say what
//! Go says when a certificate does not please.

mod failure;

pub use failure::Failure;

use std::net::TcpStream;
use std::sync::{Arc, RwLock};

use anyhow::{Result, anyhow};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme, StreamOwned,
};
use time::OffsetDateTime;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::host;
use crate::pki::{self, Pair};

pub type ServerStream = StreamOwned<rustls::ServerConnection, TcpStream>;
pub type ClientStream = StreamOwned<rustls::ClientConnection, TcpStream>;

fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|e| anyhow!("{e:?}"))
}

fn key(pem: &str) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|e| anyhow!("{e:?}"))
}

/// The certificate a server shows; it may be exchanged while the server runs.
#[derive(Debug)]
pub struct Served(RwLock<Arc<CertifiedKey>>);

impl Served {
    pub fn new(pair: &Pair) -> Result<Arc<Self>> {
        Ok(Arc::new(Self(RwLock::new(certified(pair)?))))
    }

    /// Takes another certificate for the connections to come.
    pub fn exchange(&self, pair: &Pair) -> Result<()> {
        let new = certified(pair)?;
        if let Ok(mut held) = self.0.write() {
            *held = new;
        }
        Ok(())
    }
}

fn certified(pair: &Pair) -> Result<Arc<CertifiedKey>> {
    let signer = default_provider().key_provider.load_private_key(key(&pair.key)?)?;
    let certified = CertifiedKey::new(chain(&pair.cert)?, signer);
    certified
        .keys_match()
        .map_err(|_| anyhow!("tls: private key does not match public key"))?;
    Ok(Arc::new(certified))
}

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.read().ok().map(|held| held.clone())
    }
}

/// Go's `RequestClientCert`: any certificate will do for the handshake, the authenticator judges it.
#[derive(Debug)]
struct Later(Vec<DistinguishedName>);

impl ClientCertVerifier for Later {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.0
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, &known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let known = default_provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, &known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// A server that shows `served` and asks clients for a certificate of `client_ca`.
pub fn server(served: Arc<Served>, client_ca: Option<&str>) -> Result<Arc<ServerConfig>> {
    let hints = match client_ca {
        Some(pem) => {
            let der = pki::der(pem)?;
            let (_, ca) = X509Certificate::from_der(&der).map_err(|e| anyhow!("{e}"))?;
            vec![DistinguishedName::from(ca.subject().as_raw().to_vec())]
        }
        None => Vec::new(),
    };
    let config = ServerConfig::builder()
        .with_client_cert_verifier(Arc::new(Later(hints)))
        .with_cert_resolver(served);
    Ok(Arc::new(config))
}

/// Shakes hands as a server.
pub fn accept(config: &Arc<ServerConfig>, mut tcp: TcpStream) -> Result<ServerStream> {
    let mut conn = rustls::ServerConnection::new(config.clone())?;
    while conn.is_handshaking() {
        conn.complete_io(&mut tcp)?;
    }
    Ok(StreamOwned::new(conn, tcp))
}

/// What a client needs to connect: its roots, its own certificate, and when they end.
#[derive(Debug)]
pub struct Client {
    pub config: Arc<ClientConfig>,
    pub ca: (OffsetDateTime, OffsetDateTime),
    pub own: Option<(OffsetDateTime, OffsetDateTime)>,
}

impl Client {
    /// Loads roots and certificate once; a file that changes later is not seen.
    pub fn load(ca: &str, own: Option<&Pair>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for root in chain(ca)? {
            roots.add(root)?;
        }
        let builder = ClientConfig::builder().with_root_certificates(roots);
        let (config, dates) = match own {
            Some(pair) => {
                let dates = pki::validity(&pki::der(&pair.cert)?)?;
                (
                    builder.with_client_auth_cert(chain(&pair.cert)?, key(&pair.key)?)?,
                    Some(dates),
                )
            }
            None => (builder.with_no_client_auth(), None),
        };
        Ok(Self {
            config: Arc::new(config),
            ca: pki::validity(&pki::der(ca)?)?,
            own: dates,
        })
    }

    /// Shakes hands as a client of `name`, a DNS name or an address.
    pub fn connect(&self, name: &str, mut tcp: TcpStream) -> Result<ClientStream, Failure> {
        let server = name
            .to_owned()
            .try_into()
            .map_err(|_| Failure::Other(format!("bad name {name}")))?;
        let mut conn =
            rustls::ClientConnection::new(self.config.clone(), server).map_err(|e| Failure::Other(e.to_string()))?;
        while conn.is_handshaking() {
            conn.complete_io(&mut tcp).map_err(|e| Failure::of(&e, name))?;
        }
        // rustls takes a root as it is; Go also looks at its dates.
        outside(self.ca)?;
        Ok(StreamOwned::new(conn, tcp))
    }
}

fn outside((from, until): (OffsetDateTime, OffsetDateTime)) -> Result<(), Failure> {
    let now = host::now();
    if now > until {
        return Err(Failure::Expired { now, until });
    }
    if now < from {
        return Err(Failure::NotYetValid { now, from });
    }
    Ok(())
}

/// Judges a client certificate as the API server's authenticator does.
pub fn authenticate(client: &[u8], ca: &str) -> Result<String, Failure> {
    let broken = |e: String| Failure::Other(e);
    let root = pki::der(ca).map_err(|e| broken(e.to_string()))?;
    let (_, root) = X509Certificate::from_der(&root).map_err(|e| broken(e.to_string()))?;
    let (_, cert) = X509Certificate::from_der(client).map_err(|e| broken(e.to_string()))?;
    if cert.verify_signature(Some(root.public_key())).is_err() {
        return Err(Failure::UnknownAuthority);
    }
    outside(pki::validity(client).map_err(|e| broken(e.to_string()))?)?;
    outside(pki::validity(&pki::der(ca).unwrap_or_default()).map_err(|e| broken(e.to_string()))?)?;
    let user = cert
        .subject()
        .iter_common_name()
        .next()
        .and_then(|n| n.as_str().ok().map(str::to_owned));
    Ok(user.unwrap_or_default())
}
