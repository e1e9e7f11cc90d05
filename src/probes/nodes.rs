//! Which nodes are Ready, and since when?

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{Command, Host, Output};

use super::cordon::CORDONED_BY;
use super::error::{ProbeError, text_of};
use super::verdict::Verdict;

const WHAT: &str = "nodes";

/// A Node object, as far as a gate needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeFacts {
    pub name: String,
    pub ready: bool,
    /// When Ready last changed, by the cluster's clock.
    pub changed: Option<Timestamp>,
    /// The message of the Ready condition.
    pub message: String,
    pub addresses: Vec<String>,
    /// Cordoned.
    pub unschedulable: bool,
    /// The run whose mark is on it (`certfleet.io/cordoned-by`).
    pub cordoned_by: Option<String>,
}

/// A node with the mark of a run on it: cordoned by that run, or opened by somebody since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MarkedNode {
    pub name: String,
    pub run: String,
    pub cordoned: bool,
}

/// The nodes that bear a mark.
pub fn marked(nodes: Vec<NodeFacts>) -> Vec<MarkedNode> {
    let mark = |node: NodeFacts| {
        Some(MarkedNode {
            run: node.cordoned_by?,
            name: node.name,
            cordoned: node.unschedulable,
        })
    };
    nodes.into_iter().filter_map(mark).collect()
}

#[derive(Deserialize)]
struct List {
    items: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
struct Spec {
    #[serde(default)]
    unschedulable: bool,
}

#[derive(Deserialize, Default)]
struct Status {
    #[serde(default)]
    conditions: Vec<Condition>,
    #[serde(default)]
    addresses: Vec<Address>,
}

#[derive(Deserialize)]
pub(super) struct Condition {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) status: String,
    #[serde(default, rename = "lastTransitionTime")]
    pub(super) changed: Option<Timestamp>,
    #[serde(default)]
    pub(super) message: Option<String>,
}

#[derive(Deserialize)]
struct Address {
    address: String,
}

/// `kubectl get nodes`, on a master.
pub fn command(master: &Host) -> Command {
    master.kubectl(["get", "nodes", "--output=json"])
}

/// # Errors
/// The API did not answer, or not with a list of nodes.
pub fn parse(output: &Output) -> Result<Vec<NodeFacts>, ProbeError> {
    let text = text_of(WHAT, output)?;
    let list: List = serde_json::from_str(&text).map_err(|e| ProbeError::format(WHAT, e))?;
    Ok(list.items.into_iter().map(facts).collect())
}

fn facts(mut node: Node) -> NodeFacts {
    let cordoned_by = node.metadata.annotations.remove(CORDONED_BY);
    let ready = node.status.conditions.into_iter().find(|c| c.kind == "Ready");
    NodeFacts {
        name: node.metadata.name,
        ready: ready.as_ref().is_some_and(|c| c.status == "True"),
        changed: ready.as_ref().and_then(|c| c.changed),
        message: ready
            .and_then(|c| c.message)
            .unwrap_or_else(|| "no Ready condition".to_owned()),
        addresses: node.status.addresses.into_iter().map(|a| a.address).collect(),
        unschedulable: node.spec.unschedulable,
        cordoned_by,
    }
}

/// The node of a host: the name of the inventory's `node-name:`, the host's inventory name, its own hostname, the first
/// label of either, or its address; the first that a node has. `hostname` is that of the host's facts.
pub fn node_of<'a>(host: &Host, hostname: Option<&str>, nodes: &'a [NodeFacts]) -> Option<&'a NodeFacts> {
    let find = |name: &str| nodes.iter().find(|n| n.name == name.to_lowercase());
    if let Some(name) = &host.kubernetes.node_name {
        return nodes.iter().find(|n| n.name == *name);
    }
    let names = [Some(host.name.as_str()), hostname].into_iter().flatten();
    let short = names
        .clone()
        .filter(|n| n.parse::<std::net::IpAddr>().is_err())
        .map(first_label);
    let by_name = names.chain(short).find_map(find);
    by_name.or_else(|| nodes.iter().find(|n| n.addresses.contains(&host.address)))
}

fn first_label(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

/// Whether the host's node is Ready.
pub fn judge(host: &Host, hostname: Option<&str>, nodes: &[NodeFacts]) -> Verdict {
    let Some(node) = node_of(host, hostname, nodes) else {
        let reason = format!("no node is called like {}, has its hostname or its address", host.name);
        return Verdict::fail(
            reason,
            "Set `kubernetes: { node-name: … }` for the host in the inventory.",
        );
    };
    if node.ready {
        Verdict::pass(format!("node {} is Ready", node.name))
    } else {
        Verdict::wait(format!("node {} is not Ready: {}", node.name, node.message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Role;
    use crate::probes::fixtures::{at, host};

    const NODES: &str = r#"{"kind":"List","items":[
        {"metadata":{"name":"m1"},"spec":{},"status":{"addresses":[{"type":"InternalIP","address":"10.0.0.1"}],
         "conditions":[{"type":"MemoryPressure","status":"False"},
                       {"type":"Ready","status":"True","lastTransitionTime":"2020-11-22T19:00:00Z","message":"ok"}]}},
        {"metadata":{"name":"w1","annotations":{"certfleet.io/cordoned-by":"r1"}},"spec":{"unschedulable":true},"status":{
         "conditions":[{"type":"Ready","status":"Unknown","lastTransitionTime":null,"message":"Kubelet stopped posting node status."}]}}]}"#;

    #[test]
    fn reads_readiness_with_its_time() {
        let nodes = parse(&Output::new(0, NODES, "")).unwrap();
        assert_eq!(
            (nodes[0].ready, nodes[0].changed),
            (true, Some(at("2020-11-22T19:00:00Z")))
        );
        assert!(!nodes[1].ready && nodes[1].unschedulable);
        assert_eq!(nodes[1].cordoned_by.as_deref(), Some("r1"));
        assert!(parse(&Output::new(1, "", "The connection to the server was refused")).is_err());
    }

    #[test]
    fn a_host_finds_its_node() {
        let nodes = parse(&Output::new(0, NODES, "")).unwrap();
        let found =
            |name: &str, hostname| node_of(&host(name, Role::Worker), hostname, &nodes).map(|n| n.name.as_str());
        assert_eq!(found("M1.example.com", None), Some("m1"));
        assert_eq!(found("10.0.0.1", None), Some("m1"));
        assert_eq!(found("rack7", Some("w1.example.com")), Some("w1"));
        assert_eq!(found("w2", None), None);
        assert!(matches!(
            judge(&host("w1", Role::Worker), None, &nodes),
            Verdict::Wait(_)
        ));
        assert!(matches!(
            judge(&host("w2", Role::Worker), None, &nodes),
            Verdict::Fail { .. }
        ));
    }
}
