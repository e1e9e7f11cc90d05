//! The probe against a rustls server in memory.

use rcgen::{CertificateParams, KeyPair};
use tokio::io::{AsyncReadExt, DuplexStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

use super::*;

const SOON: Duration = Duration::from_secs(5);

fn server(version: &'static SupportedProtocolVersion, demand: bool) -> (ServerConfig, Vec<u8>) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec!["m1".to_owned()]).expect("params");
    let certificate = params.self_signed(&key).expect("signed");
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_protocol_versions(&[version]).expect("versions");
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).expect("a root");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    let builder = if demand {
        builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
    } else {
        builder.with_no_client_auth()
    };
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = builder
        .with_single_cert(vec![certificate.der().clone()], key)
        .expect("a config");
    (config, certificate.der().to_vec())
}

fn serve(config: ServerConfig) -> DuplexStream {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    tokio::spawn(async move {
        if let Ok(mut tls) = TlsAcceptor::from(Arc::new(config)).accept(theirs).await {
            let _ = tls.read(&mut [0; 16]).await;
        }
    });
    ours
}

#[tokio::test]
async fn the_chain_is_captured_even_when_a_client_certificate_is_demanded() {
    for (version, name) in [(&TLS12, TlsVersion::Tls12), (&TLS13, TlsVersion::Tls13)] {
        for demand in [false, true] {
            let (config, leaf) = server(version, demand);
            let served = handshake(Box::new(serve(config)), None, SOON).await.expect("a chain");
            assert_eq!(served.der, [leaf], "{name} {demand}");
            assert_eq!((served.version, served.client_cert_demanded), (name, demand));
            assert!(served.key_proven || demand, "{name} {demand}");
        }
    }
}

#[tokio::test]
async fn other_listeners_are_told_apart() {
    let (ours, mut theirs) = tokio::io::duplex(1024);
    tokio::spawn(async move {
        let _ = theirs.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = theirs.read(&mut [0; 4096]).await;
        std::future::pending::<()>().await;
        drop(theirs);
    });
    assert_eq!(handshake(Box::new(ours), None, SOON).await, Err(TlsProbeError::NotTls));
    let (ours, theirs) = tokio::io::duplex(1024);
    drop(theirs);
    assert_eq!(
        handshake(Box::new(ours), Some("m1"), SOON).await,
        Err(TlsProbeError::Closed)
    );
}

#[tokio::test(start_paused = true)]
async fn silence_has_a_deadline() {
    let (ours, _theirs) = tokio::io::duplex(64 * 1024);
    assert_eq!(handshake(Box::new(ours), None, SOON).await, Err(TlsProbeError::Silent));
}
