//! The CNI's pods as a master sees them: asked by label over all namespaces, judged by `probes::pods`.

use std::time::Duration;

use futures::future::join_all;

use crate::model::Command;
use crate::model::Host;
use crate::probes::nodes::NodeFacts;
use crate::probes::pods::{self, DaemonSetFacts, PodFinding};
use crate::probes::verdict::Verdict;

use super::cni_tokens;
use super::context::Run;
use super::looks::{ask_nodes, now_on_host};

/// BIRD reports not ready for two to three minutes while peers return; a gate waits, it deletes nothing.
const GATE_GRACE: Duration = Duration::from_secs(180);

/// One look: every `DaemonSet` of the CNI ready, no pod stuck.
pub(super) async fn look(run: &Run, master: &Host) -> Result<Verdict, String> {
    let nodes = ask_nodes(run).await?;
    let findings = ask_findings(run, master, &nodes, GATE_GRACE).await?;
    let daemonsets = ask_daemonsets(run, master).await?;
    let verdict = pods::judge(&findings, &daemonsets);
    if !verdict.passed() {
        return Ok(verdict);
    }
    // Asked last and only then: it is a question to every host.
    let ended = cni_tokens::nodes_with_ended_token(run, &nodes).await;
    let names: Vec<&str> = ended.iter().map(String::as_str).collect();
    Ok(if names.is_empty() {
        verdict
    } else {
        Verdict::wait(format!(
            "the CNI token has ended on {}; no pod can be made there",
            names.join(", ")
        ))
    })
}

/// Every pod of the CNI that is not well, in the order in which pods are recycled: label by label, node by node.
pub(super) async fn ask_findings(
    run: &Run,
    master: &Host,
    nodes: &[NodeFacts],
    grace: Duration,
) -> Result<Vec<PodFinding>, String> {
    let cni = &master.kubernetes.cni;
    let now = now_on_host(run, &master.name);
    let looks = cni.labels.iter().map(|label| async move {
        let text = ask(run, master, pods::pods_command(master, label)).await?;
        let found = pods::parse_pods(&text).map_err(|e| e.to_string())?;
        Ok::<_, String>(pods::findings(&found, label, nodes, now, grace))
    });
    let all = join_all(looks).await.into_iter().collect::<Result<Vec<_>, _>>()?;
    Ok(all
        .into_iter()
        .flatten()
        .filter(|f| cni.namespaces.contains(&f.namespace))
        .collect())
}

async fn ask_daemonsets(run: &Run, master: &Host) -> Result<Vec<DaemonSetFacts>, String> {
    let cni = &master.kubernetes.cni;
    let looks = cni.labels.iter().map(|label| async move {
        let text = ask(run, master, pods::daemonsets_command(master, label)).await?;
        pods::parse_daemonsets(&text).map_err(|e| e.to_string())
    });
    let all = join_all(looks).await.into_iter().collect::<Result<Vec<_>, String>>()?;
    Ok(all
        .into_iter()
        .flatten()
        .filter(|d| cni.namespaces.contains(&d.namespace))
        .collect())
}

async fn ask(run: &Run, master: &Host, command: Command) -> Result<crate::model::Output, String> {
    run.ask(&master.name, &command).await.map_err(|e| e.to_string())
}
