//! The CNI's pods as a master sees them: asked by label over all namespaces, judged by `probes::pods`.

use std::collections::BTreeSet;
use std::time::Duration;

use futures::future::join_all;

use crate::model::Command;
use crate::model::Host;
use crate::probes::nodes::{NodeFacts, node_of};
use crate::probes::pods::{self, DaemonSetFacts, PodFinding};
use crate::probes::verdict::Verdict;

use super::cni_tokens;
use super::context::Run;
use super::looks::{ask_nodes, now_on_host};
use super::typha;

/// BIRD reports not ready for two to three minutes while peers return; a gate waits, it deletes nothing.
const GATE_GRACE: Duration = Duration::from_secs(180);

/// One look: every `DaemonSet` of the CNI ready, no pod stuck.
pub(super) async fn look(run: &Run, master: &Host) -> Result<Verdict, String> {
    let nodes = ask_nodes(run).await?;
    let findings = ask_findings(run, master, &nodes, GATE_GRACE).await?;
    let mut daemonsets = ask_daemonsets(run, master).await?;
    let absent = u32::try_from(left_out(run, &nodes).len()).unwrap_or(u32::MAX);
    for set in &mut daemonsets {
        set.desired = set.desired.saturating_sub(absent);
    }
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
    let absent = left_out(run, nodes);
    let counts = |f: &PodFinding| {
        let on_absent = f.node.as_ref().is_some_and(|n| absent.contains(n));
        cni.namespaces.contains(&f.namespace) && !on_absent
    };
    let mut found: Vec<PodFinding> = all.into_iter().flatten().filter(counts).collect();
    typha::spare(run, master, &mut found).await;
    Ok(found)
}

/// Nodes that are not Ready because their hosts take no part: unreachable before the plan, or taken out since. The run
/// has named them; their pods cannot come back before they do.
fn left_out(run: &Run, nodes: &[NodeFacts]) -> BTreeSet<String> {
    let excluded = run.recorder.state().excluded;
    let hosts = run.inventory.hosts.iter().filter(|h| {
        let silent = run.facts.get(&h.name).is_some_and(|f| f.unreachable.is_some());
        silent || excluded.contains_key(&h.name)
    });
    let nodes = hosts.filter_map(|h| node_of(h, run.facts_of(&h.name).hostname.as_deref(), nodes));
    nodes.filter(|n| !n.ready).map(|n| n.name.clone()).collect()
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
