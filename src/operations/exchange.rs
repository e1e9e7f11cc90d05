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
    /// Whom each certificate is for, as in `X509Facts`; requests and certificates come in this order. Asked for by
    /// [`Relay::subjects`]: plans of earlier days do not say it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
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
    /// How the node is left then, for a person; see [`Relay::otherwise`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub otherwise: String,
    /// Where it is written how to do it by hand; see [`Relay::guide`].
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub guide: String,
}

/// How a node is left where its kubelet's certificate does not come. Before a relay could be for anything else, a plan did not say
/// so, nor what follows.
pub(super) const KUBELET_OTHERWISE: &str = "the kubelet's certificate is as it was; its kubelet cannot start with it";
/// How that is done by hand.
pub(super) const KUBELET_GUIDE: &str = "docs/guide/recover-after-expiry.md";

/// The subject of a kubelet's client certificate, as in `X509Facts`.
pub(super) fn kubelet_subject(node: &str) -> String {
    format!("O=system:nodes, CN=system:node:{node}")
}

impl Relay {
    /// Whom each certificate is for.
    pub fn subjects(&self) -> Vec<String> {
        if self.subjects.is_empty() {
            return vec![kubelet_subject(&self.node)];
        }
        self.subjects.clone()
    }

    /// How the node is left when the certificate does not come.
    pub fn otherwise(&self) -> &str {
        said(&self.otherwise, KUBELET_OTHERWISE)
    }

    /// How it is done by hand.
    pub fn guide(&self) -> &str {
        said(&self.guide, KUBELET_GUIDE)
    }

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

fn said<'a>(words: &'a str, otherwise: &'a str) -> &'a str {
    if words.is_empty() { otherwise } else { words }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// As a plan of before the etcd certificates has it.
    const EARLIER: &str = r#"{
        "node": "w1",
        "signer": "m1",
        "request": { "words": ["request"], "run_as": "root", "timeout": "30s" },
        "sign": { "words": ["sign"], "run_as": "root", "timeout": "30s" },
        "install": { "words": ["install"], "run_as": "root", "timeout": "30s" },
        "discard": { "words": ["discard"], "run_as": "root", "timeout": "30s" }
    }"#;

    #[test]
    fn a_relay_of_an_earlier_plan_is_for_the_client_of_a_kubelet_and_stays_as_it_was_written() {
        let relay: Relay = serde_json::from_str(EARLIER).unwrap();
        assert_eq!(relay.subjects(), ["O=system:nodes, CN=system:node:w1"]);
        assert!(relay.otherwise().contains("kubelet"), "{}", relay.otherwise());
        assert!(relay.guide().starts_with("docs/guide/"), "{}", relay.guide());
        // The checksum of a saved plan is over its JSON.
        let again = serde_json::to_value(&relay).unwrap();
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(EARLIER).unwrap());
    }
}
