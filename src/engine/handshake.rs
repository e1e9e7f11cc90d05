//! Which certificate does a port of a host serve now? Through the SSH connection; else by openssl on the host.

use std::time::Duration;

use tokio::time::timeout;

use crate::check::{Handshake, Via};
use crate::model::Host;
use crate::probes::served::{Endpoint, ServedAnswer, ServedCertificate, on_host};
use crate::probes::x509;
use crate::remote::error::TunnelRefusal;
use crate::remote::{RemoteError, TlsProbeError, Transport, tls};

/// Connect, handshake, certificate: a healthy server needs milliseconds.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// The way to the port; the connection to the host has deadlines of its own.
const DIAL: Duration = Duration::from_secs(60);
/// The script gives up twice after eight seconds.
const ON_HOST: Duration = Duration::from_secs(25);

/// One look at one port.
pub async fn shake(transport: &dyn Transport, host: &Host, endpoint: Endpoint) -> Handshake {
    let through_ssh = timeout(DIAL, by_tunnel(transport, host, &endpoint)).await;
    let (answer, via) = match through_ssh
        .unwrap_or_else(|_| Looked::Answer(ServedAnswer::Unknown("no tunnel to it within a minute".to_owned())))
    {
        Looked::Answer(answer) => (answer, Via::Tunnel),
        Looked::AskTheHost(why) => match ask_host(transport, host, &endpoint).await {
            Ok(answer) => (answer, Via::OpensslOnHost),
            Err(second) => (
                ServedAnswer::Unknown(format!("{why}; on the host: {second}")),
                Via::Tunnel,
            ),
        },
    };
    Handshake {
        served: ServedCertificate { endpoint, answer },
        via,
    }
}

/// The same, by openssl on the host only.
pub(super) async fn shake_on_host(transport: &dyn Transport, host: &Host, endpoint: Endpoint) -> Handshake {
    let answer = ask_host(transport, host, &endpoint)
        .await
        .unwrap_or_else(ServedAnswer::Unknown);
    Handshake {
        served: ServedCertificate { endpoint, answer },
        via: Via::OpensslOnHost,
    }
}

enum Looked {
    Answer(ServedAnswer),
    /// The tunnel cannot say; why.
    AskTheHost(String),
}

async fn by_tunnel(transport: &dyn Transport, host: &Host, endpoint: &Endpoint) -> Looked {
    match transport.dial(&host.name, &endpoint.address, endpoint.port).await {
        Ok(stream) => from_handshake(Box::pin(tls::handshake(stream, name_of(endpoint), HANDSHAKE)).await),
        Err(RemoteError::TunnelRefused {
            reason: TunnelRefusal::Closed,
            ..
        }) => Looked::Answer(ServedAnswer::Closed),
        Err(error @ (RemoteError::TunnelRefused { .. } | RemoteError::ChannelRefused { .. })) => {
            Looked::AskTheHost(error.to_string())
        }
        Err(error) => Looked::Answer(ServedAnswer::Unknown(error.to_string())),
    }
}

/// A name is sent only where the caller would send one: a load balancer may choose by it.
fn name_of(endpoint: &Endpoint) -> Option<&str> {
    let address = endpoint.address.parse::<std::net::IpAddr>().is_ok();
    (!address).then_some(endpoint.address.as_str())
}

fn from_handshake(result: Result<tls::ServedChain, TlsProbeError>) -> Looked {
    match result {
        Ok(chain) => Looked::Answer(from_chain(&chain)),
        Err(error @ (TlsProbeError::NoSharedSuite | TlsProbeError::Other(_))) => Looked::AskTheHost(error.to_string()),
        Err(error) => Looked::Answer(ServedAnswer::Unknown(error.to_string())),
    }
}

fn from_chain(chain: &tls::ServedChain) -> ServedAnswer {
    match chain.der.first().map(|leaf| x509::parse_der(leaf)) {
        Some(Ok(x509)) => ServedAnswer::Certificate(Box::new(x509)),
        Some(Err(error)) => ServedAnswer::Unknown(error.to_string()),
        None => ServedAnswer::Unknown("the server showed no certificate".to_owned()),
    }
}

async fn ask_host(transport: &dyn Transport, host: &Host, endpoint: &Endpoint) -> Result<ServedAnswer, String> {
    let command = on_host::command(endpoint, name_of(endpoint).unwrap_or_default()).with_timeout(ON_HOST);
    let output = transport.run(&host.name, &command).await.map_err(|e| e.to_string())?;
    on_host::parse(&output).map_err(|e| e.to_string())
}
