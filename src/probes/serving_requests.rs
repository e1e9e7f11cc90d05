//! Which kubelets wait for somebody to approve their serving certificate?

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Command, Host, Output};

use super::error::{ProbeError, text_of};

const WHAT: &str = "certificate signing requests";
const SIGNER: &str = "kubernetes.io/kubelet-serving";
const NODE_USER: &str = "system:node:";

/// A request of a kubelet for its serving certificate, neither approved nor denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServingRequest {
    pub name: String,
    /// The Node object that asks.
    pub node: String,
    pub created: Option<Timestamp>,
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
    #[serde(rename = "creationTimestamp")]
    created: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Spec {
    #[serde(rename = "signerName")]
    signer: Option<String>,
    #[serde(default)]
    username: String,
    #[serde(default)]
    usages: Vec<String>,
}

#[derive(Deserialize, Default)]
struct Status {
    #[serde(default)]
    conditions: Vec<serde_json::Value>,
}

/// Asks a master.
pub fn command(host: &Host) -> Command {
    host.kubectl(["get", "certificatesigningrequests", "--output=json"])
}

/// # Errors
/// kubectl failed, or said something else.
pub fn parse(output: &Output) -> Result<Vec<ServingRequest>, ProbeError> {
    let text = text_of(WHAT, output)?;
    let list: List = serde_json::from_str(&text).map_err(|e| ProbeError::format(WHAT, e))?;
    Ok(list.items.into_iter().filter_map(pending).collect())
}

/// Signer names exist from Kubernetes 1.18; before, the usages tell.
fn pending(item: Item) -> Option<ServingRequest> {
    let node = item.spec.username.strip_prefix(NODE_USER)?.to_owned();
    let serving = match item.spec.signer.as_deref() {
        Some(signer) => signer == SIGNER,
        None => item.spec.usages.iter().any(|u| u == "server auth"),
    };
    (serving && item.status.conditions.is_empty()).then_some(ServingRequest {
        name: item.metadata.name,
        node,
        created: item.metadata.created,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unanswered_requests_of_kubelets_for_serving_count() {
        let item = |name: &str, signer: &str, usage: &str, status: &str| {
            format!(
                r#"{{"metadata":{{"name":"{name}","creationTimestamp":"2026-01-01T00:00:00Z"}},"spec":{{{signer}"username":"system:node:w1","usages":["{usage}"],"request":"LS0t"}},"status":{status}}}"#
            )
        };
        let items = [
            item(
                "a",
                r#""signerName":"kubernetes.io/kubelet-serving","#,
                "server auth",
                "{}",
            ),
            item(
                "b",
                r#""signerName":"kubernetes.io/kubelet-serving","#,
                "server auth",
                r#"{"conditions":[{"type":"Approved"}]}"#,
            ),
            item(
                "c",
                r#""signerName":"kubernetes.io/kube-apiserver-client-kubelet","#,
                "client auth",
                "{}",
            ),
            item("d", "", "server auth", "{}"),
        ];
        let found = parse(&Output::new(0, format!(r#"{{"items":[{}]}}"#, items.join(",")), "")).unwrap();
        let names: Vec<&str> = found.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(names, ["a", "d"]);
        assert_eq!(found[0].node, "w1");
        assert!(parse(&Output::new(1, "", "The connection to the server was refused")).is_err());
    }
}
