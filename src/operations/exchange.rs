//! What a plan holds of operations that speak with two hosts, or whose objects are known only when they run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::node_identity::NodeIdentity;
use crate::model::{Command, HostName, duration};

use super::types::fill;

/// Stands for the node's name in the commands of [`Relay`], so that hosts that do the same look the same in a plan.
pub const NODE_PLACEHOLDER: &str = "{node}";
/// Stands for the requests that the node made, and for the name of a request that the API server keeps.
pub const REQUEST_PLACEHOLDER: &str = "{request}";
/// Stands for the certificates that the signer made.
pub const CERTIFICATE_PLACEHOLDER: &str = "{certificate}";

/// Certificates for keys that never leave their node: asked for there, signed elsewhere, installed there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Relay {
    /// What [`NODE_PLACEHOLDER`] stands for: the name of the Node object. Empty where the commands do not need it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node: String,
    /// Whom each certificate is for, as in `X509Facts`; requests and certificates come in this order.
    pub subjects: Vec<String>,
    /// The host that signs.
    pub signer: HostName,
    /// On the node: makes key and request.
    pub request: Command,
    /// On the signer.
    pub sign: Command,
    /// On the node.
    pub install: Command,
    /// On the node, when the certificate does not come: nothing of the request stays.
    pub discard: Command,
    /// How the node is left then, for a person.
    pub otherwise: String,
    /// Where it is written how to do it by hand.
    pub guide: String,
}

impl Relay {
    /// The request, for this node.
    pub fn request_command(&self) -> Command {
        self.filled(&self.request, "", "")
    }

    /// The signature of requests (base64 of their DER, with commas between them).
    pub fn sign_command(&self, request: &str) -> Command {
        self.filled(&self.sign, request, "")
    }

    /// The installation of certificates (base64 of their DER, with commas between them).
    pub fn install_command(&self, certificate: &str) -> Command {
        self.filled(&self.install, "", certificate)
    }

    fn filled(&self, command: &Command, request: &str, certificate: &str) -> Command {
        fill(command, |word| match word {
            NODE_PLACEHOLDER => self.node.clone(),
            REQUEST_PLACEHOLDER => request.to_owned(),
            CERTIFICATE_PLACEHOLDER => certificate.to_owned(),
            other => other.to_owned(),
        })
    }
}

/// Workload is taken off a node, or let back: done by a master on behalf of the node's host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Cordon {
    /// Name of the Node object.
    pub node: String,
    /// The master whose kubectl does it.
    pub speaker: HostName,
    pub aim: NodeState,
    /// On the speaker, with [`NODE_PLACEHOLDER`].
    pub command: Command,
}

/// What is to be true of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeState {
    /// Cordoned, and emptied by this run.
    Drained,
    /// Neither cordoned by certfleet nor marked as drained.
    Released,
}

impl Cordon {
    /// The command for this node.
    pub fn command(&self) -> Command {
        fill(&self.command, |word| {
            if word == NODE_PLACEHOLDER {
                self.node.clone()
            } else {
                word.to_owned()
            }
        })
    }
}

/// How serving certificates of kubelets are approved: everything but the requests' names is fixed by the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServingApproval {
    /// Lists the requests.
    pub requests: Command,
    /// With [`REQUEST_PLACEHOLDER`].
    pub approve: Command,
    /// Who may ask, and for which names.
    pub nodes: Vec<NodeIdentity>,
    /// Nodes whose kubelet is going to ask once it runs: waited for.
    pub expected: Vec<String>,
    /// How long they are waited for.
    #[serde(with = "duration")]
    pub patience: Duration,
}

impl ServingApproval {
    /// The command that approves one request.
    pub fn approve_command(&self, request: &str) -> Command {
        fill(&self.approve, |word| word.replace(REQUEST_PLACEHOLDER, request))
    }
}
