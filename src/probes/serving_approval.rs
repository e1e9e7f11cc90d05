//! May this request for a kubelet's serving certificate be approved? Only the host itself may ask, and only for its names.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use x509_parser::pem::Pem;

use crate::model::Output;
use crate::model::node_identity::NodeIdentity;

use super::error::{ProbeError, text_of};
use super::kubelet_client;
use super::signing_request;

const WHAT: &str = "certificate signing requests";
const SIGNER: &str = "kubernetes.io/kubelet-serving";
const USAGES: [&str; 3] = ["digital signature", "key encipherment", "server auth"];

/// A request that nobody has answered, as the API server keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    pub name: String,
    /// As whom the asker was authenticated.
    pub user: String,
    groups: Vec<String>,
    signer: Option<String>,
    usages: Vec<String>,
    /// Base64 of the PEM.
    request: String,
}

/// What to do with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// It is this node's own.
    Approve { node: String },
    /// Left for a person; why.
    Leave { why: String },
    /// Not about a serving certificate at all.
    Foreign,
}

#[derive(Deserialize)]
struct List {
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
struct Spec {
    #[serde(rename = "signerName")]
    signer: Option<String>,
    #[serde(default)]
    username: String,
    #[serde(default)]
    groups: Vec<String>,
    #[serde(default)]
    usages: Vec<String>,
    #[serde(default)]
    request: String,
}

#[derive(Deserialize, Default)]
struct Status {
    #[serde(default)]
    conditions: Vec<serde_json::Value>,
}

/// Requests without an answer.
///
/// # Errors
/// kubectl failed, or said something else.
pub fn parse(output: &Output) -> Result<Vec<Pending>, ProbeError> {
    let text = text_of(WHAT, output)?;
    let list: List = serde_json::from_str(&text).map_err(|e| ProbeError::format(WHAT, e))?;
    let open = list.items.into_iter().filter(|i| i.status.conditions.is_empty());
    Ok(open
        .map(|item| Pending {
            name: item.metadata.name,
            user: item.spec.username,
            groups: item.spec.groups,
            signer: item.spec.signer,
            usages: item.spec.usages,
            request: item.spec.request,
        })
        .collect())
}

/// Judges one request by what belongs to each host.
pub fn judge(pending: &Pending, nodes: &[NodeIdentity]) -> Approval {
    match pending.signer.as_deref() {
        Some(SIGNER) => {}
        None if pending.usages.iter().any(|u| u == "server auth") => {
            return leave("it names no signer (Kubernetes before 1.18)");
        }
        _ => return Approval::Foreign,
    }
    let own = |n: &&NodeIdentity| pending.user == format!("system:node:{}", n.node);
    let mut askers = nodes.iter().filter(own);
    let (Some(node), None) = (askers.next(), askers.next()) else {
        return leave(&format!("its user {} is no node of the inventory", pending.user));
    };
    match objection(pending, node, nodes) {
        Some(why) => leave(&why),
        None => Approval::Approve {
            node: node.node.clone(),
        },
    }
}

fn leave(why: &str) -> Approval {
    Approval::Leave { why: why.to_owned() }
}

fn objection(pending: &Pending, node: &NodeIdentity, nodes: &[NodeIdentity]) -> Option<String> {
    if !is_plain(&pending.name) {
        return Some("its name is odd".to_owned());
    }
    if !pending.groups.iter().any(|g| g == "system:nodes") {
        return Some("its user is not in group system:nodes".to_owned());
    }
    if !pending.usages.iter().any(|u| u == "server auth")
        || !pending.usages.iter().all(|u| USAGES.contains(&u.as_str()))
    {
        return Some(format!("it asks for {}", pending.usages.join(", ")));
    }
    let Some(asked) = der(&pending.request).and_then(|der| signing_request::parse_der(&der).ok()) else {
        return Some("it cannot be read".to_owned());
    };
    if !asked.signed_by_own_key {
        return Some("its signature is not good".to_owned());
    }
    if asked.subject != kubelet_client::subject(&node.node) {
        return Some(format!("its subject is {}", asked.subject));
    }
    if asked.odd || asked.names.is_empty() {
        return Some("it asks for other things than names and addresses".to_owned());
    }
    let foreign: Vec<&str> = asked
        .names
        .iter()
        .filter(|name| !belongs(name, node, nodes))
        .map(String::as_str)
        .collect();
    (!foreign.is_empty()).then(|| {
        format!(
            "it asks for {}, which is not known to be of {}",
            foreign.join(", "),
            node.host
        )
    })
}

/// Of this host, and of no other.
fn belongs(name: &str, node: &NodeIdentity, nodes: &[NodeIdentity]) -> bool {
    let holds = |n: &NodeIdentity| n.names.iter().any(|own| own.eq_ignore_ascii_case(name));
    holds(node) && !nodes.iter().any(|n| n.host != node.host && holds(n))
}

/// Names of objects: nothing that kubectl could take for an option.
fn is_plain(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | ':');
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain)
}

fn der(request: &str) -> Option<Vec<u8>> {
    let pem = BASE64.decode(request.trim()).ok()?;
    let block = Pem::iter_from_buffer(&pem).next()?.ok()?;
    (block.label == "CERTIFICATE REQUEST").then_some(block.contents)
}

#[cfg(test)]
mod tests;
