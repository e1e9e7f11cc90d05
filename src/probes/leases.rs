//! When did each kubelet last renew its node's lease?
//!
//! A kubelet does so every 10 s (Kubernetes 1.14 and later, KEP-589), over the same client certificate as everything else: a lease that was
//! renewed is an API server's answer to this kubelet, also where its journal says nothing any more.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use crate::model::{Command, Host, Output};

use super::error::{ProbeError, text_of};

const WHAT: &str = "node leases";

#[derive(Deserialize)]
struct List {
    items: Vec<Lease>,
}

#[derive(Deserialize)]
struct Lease {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize, Default)]
struct Spec {
    #[serde(rename = "renewTime")]
    renewed: Option<Timestamp>,
}

/// `kubectl get leases`, on a master.
pub fn command(master: &Host) -> Command {
    master.kubectl(["get", "leases", "--namespace=kube-node-lease", "--output=json"])
}

/// By node: when its lease was last renewed, by the clock of the node's host.
///
/// # Errors
/// The API did not answer, or knows no leases (before Kubernetes 1.14).
pub fn parse(output: &Output) -> Result<BTreeMap<String, Timestamp>, ProbeError> {
    let text = text_of(WHAT, output)?;
    let list: List = serde_json::from_str(&text).map_err(|e| ProbeError::format(WHAT, e))?;
    let leases = list.items.into_iter();
    Ok(leases
        .filter_map(|l| Some((l.metadata.name, l.spec.renewed?)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_microseconds_and_passes_over_a_lease_that_nobody_renewed() {
        let text = r#"{"kind":"List","items":[
            {"metadata":{"name":"w1"},"spec":{"holderIdentity":"w1","leaseDurationSeconds":40,"renewTime":"2020-11-22T19:00:10.123456Z"}},
            {"metadata":{"name":"w2"},"spec":{"holderIdentity":"w2"}}]}"#;
        let read = parse(&Output::new(0, text, "")).unwrap();
        assert_eq!(read.keys().collect::<Vec<_>>(), ["w1"]);
        assert_eq!(read["w1"].subsec_microsecond(), 123_456);
        let old = Output::new(1, "", "error: the server doesn't have a resource type \"leases\"\n");
        assert!(parse(&old).unwrap_err().to_string().contains("resource type"));
    }
}
