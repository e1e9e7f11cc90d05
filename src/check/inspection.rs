//! Everything gathered of a fleet for a check: facts, handshakes, and what is around them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{CertificateFact, HostFacts, HostName, Role, X509Facts};
use crate::probes::nodes::MarkedNode;
use crate::probes::recent_journal::JournalSummary;
use crate::probes::served::ServedCertificate;
use crate::probes::serving_requests::ServingRequest;
use crate::probes::surroundings::Surroundings;
use crate::probes::typha::TyphaCertificate;

/// How a served certificate was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// A handshake of ours through the SSH connection.
    Tunnel,
    /// `openssl s_client` on the host.
    OpensslOnHost,
}

/// One look at one port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handshake {
    pub served: ServedCertificate,
    pub via: Via,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inspection {
    pub role: Role,
    /// Where the inventory says that the host is.
    pub address: String,
    /// kubeadm's certificate directory, as the inventory says it.
    pub cert_dir: String,
    pub facts: HostFacts,
    pub handshakes: Vec<Handshake>,
    /// `None`: could not be asked; the reason is among `facts.problems`.
    pub surroundings: Option<Surroundings>,
    /// `None`: not asked, or no answer.
    pub journal: Option<JournalSummary>,
}

/// The whole fleet, in the order of the inventory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FleetInspection {
    pub cluster: String,
    /// When it was gathered, by our clock.
    pub at: Timestamp,
    pub hosts: Vec<Inspection>,
    /// Kubelets that wait for their serving certificate; `None`: no API server answered.
    pub requests: Option<Vec<ServingRequest>>,
    /// The network plugin's own certificates, where it has some and an API server answered.
    pub typha: Vec<TyphaCertificate>,
    /// Nodes that bear the mark of a run of ours, where an API server answered.
    #[serde(default)]
    pub marked: Vec<MarkedNode>,
}

impl Inspection {
    /// The name in the inventory.
    pub fn name(&self) -> &HostName {
        &self.facts.host
    }

    /// The certificate of that name on disk.
    pub(super) fn file(&self, name: &str) -> Option<&CertificateFact> {
        self.facts.certificate(name)
    }

    /// Not kubeadm's: a flag of its component names it.
    pub(super) fn is_own(&self, fact: &CertificateFact) -> bool {
        fact.is_own(&self.cert_dir)
    }

    /// What the file of that name says, if it can be read.
    pub(super) fn x509(&self, name: &str) -> Option<&X509Facts> {
        self.file(name).and_then(CertificateFact::x509)
    }
}
