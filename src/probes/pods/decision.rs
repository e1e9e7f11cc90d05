//! The decision: stuck or not, and whether deletion cures it. Pure; `now` is the cluster's clock.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::json::{DaemonSetFacts, Pod};
use crate::model::duration;
use crate::probes::nodes::NodeFacts;
use crate::probes::verdict::Verdict;

/// A pod that is not well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct PodFinding {
    pub namespace: String,
    pub name: String,
    /// `None`: not scheduled.
    pub node: Option<String>,
    /// The label selector it was found by.
    pub label: String,
    /// As kubectl prints it: `Init:CrashLoopBackOff`, `Terminating` …
    pub state: String,
    pub cure: Cure,
}

/// What to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cure {
    /// Delete it; its controller makes a new one.
    Delete,
    /// It is being deleted, its node is Ready, and it does not go: delete it without waiting for the node.
    ForceDelete,
    /// It may recover by itself; look again.
    Wait { why: String },
    /// Deletion does not help.
    LeaveAlone { why: String },
}

impl Cure {
    /// Something is to be deleted.
    pub fn deletes(&self) -> bool {
        matches!(self, Cure::Delete | Cure::ForceDelete)
    }
}

/// Whether deletion cures a state.
enum Kind {
    /// The process has given up on what was wrong before.
    Curable,
    /// It does nothing of itself; why.
    Hopeless(&'static str),
    /// Neither yet; why.
    Young(&'static str),
}

/// Every pod of one query that is not well, in the order of the nodes' names.
pub fn findings(pods: &[Pod], label: &str, nodes: &[NodeFacts], now: Timestamp, grace: Duration) -> Vec<PodFinding> {
    let mut found: Vec<PodFinding> = pods
        .iter()
        .filter_map(|p| finding(p, label, nodes, now, grace))
        .collect();
    found.sort_by(|a, b| (&a.node, &a.namespace, &a.name).cmp(&(&b.node, &b.namespace, &b.name)));
    found
}

fn finding(pod: &Pod, label: &str, nodes: &[NodeFacts], now: Timestamp, grace: Duration) -> Option<PodFinding> {
    let finished = pod.status.phase.as_deref() == Some("Succeeded");
    if pod.metadata.deletion_timestamp.is_none() && (pod.is_ready() || finished) {
        return None;
    }
    let node = pod.spec.node_name.as_deref();
    let facts = nodes.iter().find(|n| Some(n.name.as_str()) == node);
    Some(PodFinding {
        namespace: pod.metadata.namespace.clone(),
        name: pod.metadata.name.clone(),
        node: node.map(str::to_owned),
        label: label.to_owned(),
        state: pod.state(),
        cure: cure(pod, facts, now, grace),
    })
}

fn cure(pod: &Pod, node: Option<&NodeFacts>, now: Timestamp, grace: Duration) -> Cure {
    if pod.spec.node_name.is_none() {
        let message = pod.condition("PodScheduled").and_then(|c| c.message.clone());
        let why = message.unwrap_or_else(|| "it waits for a node".to_owned());
        return Cure::LeaveAlone {
            why: format!("not scheduled: {why}"),
        };
    }
    let Some(node) = node.filter(|n| n.ready) else {
        let why = "its node is not Ready".to_owned();
        return Cure::Wait { why };
    };
    let kind = kind(pod);
    if let Kind::Hopeless(why) = kind {
        return Cure::LeaveAlone { why: why.to_owned() };
    }
    if let Some(why) = within_grace(pod, node, now, grace) {
        return Cure::Wait { why };
    }
    match kind {
        Kind::Young(why) => Cure::Wait { why: why.to_owned() },
        _ if pod.metadata.deletion_timestamp.is_some() => Cure::ForceDelete,
        _ => Cure::Delete,
    }
}

fn kind(pod: &Pod) -> Kind {
    if pod.metadata.deletion_timestamp.is_some() {
        return Kind::Curable;
    }
    let state = pod.state();
    match state.strip_prefix("Init:").unwrap_or(&state) {
        "ImagePullBackOff" | "ErrImagePull" | "InvalidImageName" | "ErrImageNeverPull" => {
            Kind::Hopeless("its image cannot be pulled; deletion does not change that")
        }
        "CreateContainerConfigError" => Kind::Hopeless("its configuration names something that is not there"),
        "CrashLoopBackOff" | "Error" | "CreateContainerError" | "RunContainerError" | "StartError" | "OOMKilled" => {
            Kind::Curable
        }
        "Failed" | "Unknown" | "NodeLost" | "Evicted" | "UnexpectedAdmissionError" => Kind::Curable,
        // Between two crashes a pod is Running; one that never restarted may still be finding its peers.
        "Running" if pod.restarts() > 0 => Kind::Curable,
        "Running" => Kind::Young("runs, but is not ready"),
        _ => Kind::Young("is being started"),
    }
}

/// Why it is too early to judge. The grace time counts from the last of: the node became Ready, the pod became not
/// ready, the pod was made, and (for one being deleted) the end of its own grace period.
fn within_grace(pod: &Pod, node: &NodeFacts, now: Timestamp, grace: Duration) -> Option<String> {
    let not_ready = pod.condition("Ready").and_then(|c| c.last_transition_time);
    let end = pod.metadata.deletion_timestamp;
    let since = [node.changed, not_ready, pod.metadata.creation_timestamp, end]
        .into_iter()
        .flatten()
        .max()?;
    let age = now.duration_since(since);
    let grace = SignedDuration::try_from(grace).unwrap_or(SignedDuration::MAX);
    let age_text = duration::display(Duration::try_from(age).unwrap_or_default());
    (age <= grace).then(|| format!("for {age_text} only; it may recover by itself"))
}

/// The node agents (pods of a `DaemonSet`) on nodes whose CNI token has ended. They look well; their successors write a new one.
pub fn with_ended_token(pods: &[Pod], label: &str, nodes: &BTreeSet<String>) -> Vec<PodFinding> {
    let agent = |p: &&Pod| p.metadata.owner_references.iter().any(|o| o.kind == "DaemonSet");
    let on_node = |p: &&Pod| p.spec.node_name.as_ref().is_some_and(|n| nodes.contains(n));
    let well = pods.iter().filter(agent).filter(on_node).filter(|p| p.is_ready());
    let finding = |pod: &Pod| PodFinding {
        namespace: pod.metadata.namespace.clone(),
        name: pod.metadata.name.clone(),
        node: pod.spec.node_name.clone(),
        label: label.to_owned(),
        state: "Ready, but the CNI token on its host has ended".to_owned(),
        cure: Cure::Delete,
    };
    well.map(finding).collect()
}

/// Whether the CNI is well: every `DaemonSet` ready, no pod to delete or to wait for. Pods that deletion cannot cure are
/// named, but only a `DaemonSet` that misses them holds the gate.
pub fn judge(findings: &[PodFinding], daemonsets: &[DaemonSetFacts]) -> Verdict {
    let sets = daemonsets.iter().filter(|d| !d.observed || d.ready < d.desired);
    let sets = sets.map(|d| format!("{}/{} {} of {} ready", d.namespace, d.name, d.ready, d.desired));
    let open = |f: &&PodFinding| !matches!(f.cure, Cure::LeaveAlone { .. });
    let pods = findings.iter().filter(open).map(describe);
    let waits: Vec<String> = sets.chain(pods).collect();
    let left: Vec<String> = findings.iter().filter(|f| !open(f)).map(describe).collect();
    let left = if left.is_empty() {
        String::new()
    } else {
        format!("; left alone: {}", left.join(", "))
    };
    if waits.is_empty() {
        Verdict::pass(format!("{} DaemonSets ready{left}", daemonsets.len()))
    } else {
        Verdict::wait(format!("{}{left}", waits.join(", ")))
    }
}

fn describe(finding: &PodFinding) -> String {
    let node = finding.node.as_deref().unwrap_or("no node");
    let why = match &finding.cure {
        Cure::Delete | Cure::ForceDelete => "stuck",
        Cure::Wait { why } | Cure::LeaveAlone { why } => why,
    };
    format!(
        "{}/{} on {node} is {} ({why})",
        finding.namespace, finding.name, finding.state
    )
}
