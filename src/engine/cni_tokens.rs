//! The invisible trouble: the CNI's agent is Ready, but the token it left on its host has ended, so no pod can be made or
//! deleted there (calico#7846, #9428). Deleting the agent's pod makes its successor write a new one.

use std::collections::BTreeSet;

use futures::future::join_all;

use crate::model::{Host, Role};
use crate::probes::nodes::{self, NodeFacts};
use crate::probes::pods::{self, PodFinding};
use crate::probes::surroundings;

use super::context::Run;
use super::looks::now_on_host;

/// Names of the nodes whose CNI token has ended, by each host's own clock. A host that cannot be asked is left out:
/// other probes speak about it.
pub(super) async fn nodes_with_ended_token(run: &Run, nodes: &[NodeFacts]) -> BTreeSet<String> {
    let hosts = run
        .inventory
        .hosts
        .iter()
        .filter(|h| h.role != Role::Etcd && run.facts_of(&h.name).unreachable.is_none());
    let looks = hosts.map(|host| async move {
        has_ended(run, host)
            .await
            .then(|| node_name(run, host, nodes))
            .flatten()
    });
    join_all(looks).await.into_iter().flatten().collect()
}

async fn has_ended(run: &Run, host: &Host) -> bool {
    let Ok(output) = run.ask(&host.name, &surroundings::command(host, &[])).await else {
        return false;
    };
    let now = now_on_host(run, &host.name);
    let ended = |found: surroundings::Surroundings| found.tokens.iter().any(|t| t.expires.is_some_and(|end| end < now));
    surroundings::parse(&output).is_ok_and(ended)
}

fn node_name(run: &Run, host: &Host, found: &[NodeFacts]) -> Option<String> {
    let hostname = run.facts_of(&host.name).hostname;
    nodes::node_of(host, hostname.as_deref(), found).map(|n| n.name.clone())
}

/// The agents' pods on those nodes, which look well.
pub(super) async fn agents(run: &Run, master: &Host, on: &BTreeSet<String>) -> Result<Vec<PodFinding>, String> {
    if on.is_empty() {
        return Ok(Vec::new());
    }
    let cni = &master.kubernetes.cni;
    let mut found = Vec::new();
    for label in &cni.labels {
        let output = run
            .ask(&master.name, &pods::pods_command(master, label))
            .await
            .map_err(|e| e.to_string())?;
        let listed = pods::parse_pods(&output).map_err(|e| e.to_string())?;
        found.extend(pods::with_ended_token(&listed, label, on));
    }
    found.retain(|f| cni.namespaces.contains(&f.namespace));
    Ok(found)
}
