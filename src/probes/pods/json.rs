//! `kubectl get pods` and `get daemonsets`, as far as a decision needs them. Own structs: unknown fields are ignored.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;

use crate::model::{Command, Host, Output};
use crate::probes::error::{ProbeError, text_of};

const PODS: &str = "pods";
const DAEMONSETS: &str = "daemonsets";

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

/// A pod.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Pod {
    pub metadata: Metadata,
    #[serde(default)]
    pub spec: PodSpec,
    #[serde(default)]
    pub status: PodStatus,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Metadata {
    pub name: String,
    #[serde(default)]
    pub namespace: String,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub owner_references: Vec<Owner>,
    pub creation_timestamp: Option<Timestamp>,
    /// When the pod should be gone: the time of deletion plus its grace period.
    pub deletion_timestamp: Option<Timestamp>,
}

/// What made the pod, and makes its successor.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct Owner {
    #[serde(default)]
    pub kind: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSpec {
    pub node_name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodStatus {
    pub phase: Option<String>,
    /// `Evicted`, `NodeLost` …
    pub reason: Option<String>,
    #[serde(default)]
    pub conditions: Vec<Condition>,
    #[serde(default)]
    pub init_container_statuses: Vec<ContainerStatus>,
    #[serde(default)]
    pub container_statuses: Vec<ContainerStatus>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
    pub message: Option<String>,
    pub last_transition_time: Option<Timestamp>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerStatus {
    #[serde(default)]
    pub ready: bool,
    #[serde(default)]
    pub restart_count: u32,
    #[serde(default)]
    pub state: ContainerState,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
pub struct ContainerState {
    pub waiting: Option<Reason>,
    pub terminated: Option<Reason>,
}

#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    pub reason: Option<String>,
    #[serde(default)]
    pub exit_code: i32,
}

/// How far a `DaemonSet` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonSetFacts {
    pub namespace: String,
    pub name: String,
    /// Nodes that should run a pod of it.
    pub desired: u32,
    pub ready: u32,
    /// The controller has seen the newest change, so the numbers are about it.
    pub observed: bool,
}

#[derive(Deserialize)]
struct DaemonSet {
    metadata: DaemonSetMetadata,
    #[serde(default)]
    status: DaemonSetStatus,
}

#[derive(Deserialize)]
struct DaemonSetMetadata {
    name: String,
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    generation: u64,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct DaemonSetStatus {
    #[serde(default)]
    desired_number_scheduled: u32,
    #[serde(default)]
    number_ready: u32,
    #[serde(default)]
    observed_generation: u64,
}

/// `kubectl get pods` of one label in all namespaces, on a master.
pub fn pods_command(master: &Host, label: &str) -> Command {
    get(master, "pods", label)
}

/// `kubectl get daemonsets` of one label in all namespaces, on a master.
pub fn daemonsets_command(master: &Host, label: &str) -> Command {
    get(master, "daemonsets", label)
}

/// One question per label: a namespace that does not exist is then no error, and an API that just came back is asked little.
fn get(master: &Host, kind: &str, label: &str) -> Command {
    let selector = format!("--selector={label}");
    master.kubectl(["get", kind, "--all-namespaces", &selector, "--output=json"])
}

/// # Errors
/// The API did not answer, or not with a list of pods.
pub fn parse_pods(output: &Output) -> Result<Vec<Pod>, ProbeError> {
    let text = text_of(PODS, output)?;
    let list: List<Pod> = serde_json::from_str(&text).map_err(|e| ProbeError::format(PODS, e))?;
    Ok(list.items)
}

/// # Errors
/// The API did not answer, or not with a list of `DaemonSet`s.
pub fn parse_daemonsets(output: &Output) -> Result<Vec<DaemonSetFacts>, ProbeError> {
    let text = text_of(DAEMONSETS, output)?;
    let list: List<DaemonSet> = serde_json::from_str(&text).map_err(|e| ProbeError::format(DAEMONSETS, e))?;
    Ok(list.items.into_iter().map(daemonset).collect())
}

fn daemonset(set: DaemonSet) -> DaemonSetFacts {
    DaemonSetFacts {
        namespace: set.metadata.namespace,
        name: set.metadata.name,
        desired: set.status.desired_number_scheduled,
        ready: set.status.number_ready,
        observed: set.status.observed_generation >= set.metadata.generation,
    }
}

impl Pod {
    pub(super) fn condition(&self, kind: &str) -> Option<&Condition> {
        self.status.conditions.iter().find(|c| c.kind == kind)
    }

    pub(super) fn is_ready(&self) -> bool {
        self.condition("Ready").is_some_and(|c| c.status == "True")
    }

    /// As `kubectl get pods` prints it in STATUS.
    pub fn state(&self) -> String {
        if self.metadata.deletion_timestamp.is_some() {
            return "Terminating".to_owned();
        }
        let init = self
            .status
            .init_container_statuses
            .iter()
            .find_map(trouble)
            .map(|r| format!("Init:{r}"));
        let main = || self.status.container_statuses.iter().find_map(trouble);
        let phase = || self.status.reason.clone().or_else(|| self.status.phase.clone());
        init.or_else(main)
            .or_else(phase)
            .unwrap_or_else(|| "Unknown".to_owned())
    }

    pub(super) fn restarts(&self) -> u32 {
        self.status.container_statuses.iter().map(|c| c.restart_count).sum()
    }
}

/// Why a container does not run: its waiting reason, or the reason of an exit that was not a success.
fn trouble(container: &ContainerStatus) -> Option<String> {
    let waiting = container.state.waiting.as_ref().and_then(|w| w.reason.clone());
    let ended = container.state.terminated.as_ref().filter(|t| t.exit_code != 0);
    waiting.or_else(|| ended.map(|t| t.reason.clone().unwrap_or_else(|| "Error".to_owned())))
}
