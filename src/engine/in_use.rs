//! The probe `certificates-in-use`: a TLS handshake with every server of the host, through the SSH connection.

use std::time::Duration;

use futures::future::join_all;

use crate::model::Host;
use crate::probes::served::{self, Endpoint, ServedAnswer, ServedCertificate};
use crate::probes::verdict::Verdict;
use crate::probes::{certificates_on_disk, containers, x509};
use crate::remote::error::TunnelRefusal;
use crate::remote::{RemoteError, TlsProbeError, tls};

use super::context::Run;

/// Connect, handshake, certificate: a healthy server needs milliseconds.
const HANDSHAKE: Duration = Duration::from_secs(5);

/// Served certificates against the files as they are now, and processes against the age of their files.
pub(super) async fn look(run: &Run, host: &Host) -> Result<Verdict, String> {
    let mut facts = run.facts_of(&host.name);
    let output = run.ask(&host.name, &certificates_on_disk::command(host)).await.map_err(|e| e.to_string())?;
    facts.certificates = certificates_on_disk::parse(&output).map_err(|e| e.to_string())?;
    if let Some(runtime) = facts.runtime {
        let output = run.ask(&host.name, &containers::command(runtime)).await.map_err(|e| e.to_string())?;
        facts.containers = containers::parse(&output).map_err(|e| e.to_string())?;
    }
    let endpoints = served::endpoints(host, &facts);
    let handshakes = join_all(endpoints.into_iter().map(|endpoint| shake(run, host, endpoint))).await;
    Ok(served::judge(&served::in_use(&facts, &handshakes)))
}

async fn shake(run: &Run, host: &Host, endpoint: Endpoint) -> ServedCertificate {
    let answer = match run.transport.dial(&host.name, &endpoint.address, endpoint.port).await {
        Ok(stream) => from_handshake(tls::handshake(stream, None, HANDSHAKE).await),
        Err(RemoteError::TunnelRefused { reason: TunnelRefusal::Closed, .. }) => ServedAnswer::Closed,
        Err(error) => ServedAnswer::Unknown(error.to_string()),
    };
    ServedCertificate { endpoint, answer }
}

fn from_handshake(result: Result<tls::ServedChain, TlsProbeError>) -> ServedAnswer {
    match result {
        Ok(chain) => match chain.der.first().map(|leaf| x509::parse_der(leaf)) {
            Some(Ok(x509)) => ServedAnswer::Certificate(Box::new(x509)),
            Some(Err(error)) => ServedAnswer::Unknown(error.to_string()),
            None => ServedAnswer::Unknown("the server showed no certificate".to_owned()),
        },
        Err(error) => ServedAnswer::Unknown(error.to_string()),
    }
}
