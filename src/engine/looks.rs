//! One look of one probe: ask, parse, judge. What the question is, `probes` knows; what it is compared with, the plan says.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::model::gate::{ProbeSpec, UnitState};
use crate::model::{Command, Host, HostName, NodeObject, Output, UnitFacts};
use crate::plan::{Baseline, PlannedProbe};
use crate::probes::nodes::{self, NodeFacts};
use crate::probes::served::anew;
use crate::probes::verdict::Verdict;
use crate::probes::{
    ProbeError, api_server, certificates_on_disk, component_health, containers, endpoint, etcd, leases, units,
};
use crate::remote::RemoteError;

use super::context::Run;
use super::handshake::shake;
use super::{in_use, pods_view};

/// The last word of a probe whose answer did not come before the gate's time was up.
pub(super) const NO_ANSWER: &str = "no answer in time";

/// Answers that are the same for every host: asked once per round, of the first master that gives one.
#[derive(Debug, Default)]
pub(super) struct ClusterViews {
    nodes: Option<Result<Vec<NodeFacts>, String>>,
    /// Asked for only while some journal gives no sign; none where the cluster keeps none.
    leases: BTreeMap<String, Timestamp>,
}

impl ClusterViews {
    /// Asks what the round's probes need, and the leases of the nodes.
    pub(super) async fn gather(run: &Run, probes: &[PlannedProbe], leases: bool) -> Self {
        let nodes = if leases || probes.iter().any(|p| p.probe == ProbeSpec::Nodes) {
            Some(ask_nodes(run).await)
        } else {
            None
        };
        let leases = if leases && nodes.as_ref().is_some_and(Result::is_ok) {
            // No leases before Kubernetes 1.14: then only the journal can give a sign.
            ask_masters(run, leases::command, leases::parse)
                .await
                .unwrap_or_default()
        } else {
            BTreeMap::new()
        };
        Self { nodes, leases }
    }

    /// When the host's kubelet last renewed its node's lease, by the host's clock.
    pub(super) fn heartbeat(&self, run: &Run, host: &HostName) -> Option<Timestamp> {
        let nodes = self.nodes.as_ref()?.as_ref().ok()?;
        let hostname = run.facts_of(host).hostname;
        let node = nodes::node_of(run.host(host).ok()?, hostname.as_deref(), nodes)?;
        self.leases.get(&node.name).copied()
    }

    /// The Node of a host, if there is one and the API told.
    pub(super) fn object(&self, host: &Host, hostname: Option<&str>) -> Option<NodeObject> {
        let nodes = self.nodes.as_ref()?.as_ref().ok()?;
        let node = nodes::node_of(host, hostname, nodes)?;
        Some(NodeObject {
            name: node.name.clone(),
            cordoned: node.unschedulable,
            cordoned_by: node.cordoned_by.clone(),
        })
    }

    /// What stands for answers that did not come in time.
    pub(super) fn late() -> Self {
        Self {
            nodes: Some(Err(NO_ANSWER.to_owned())),
            leases: BTreeMap::new(),
        }
    }
}

/// The nodes as the first master sees them that can.
pub(super) async fn ask_nodes(run: &Run) -> Result<Vec<NodeFacts>, String> {
    ask_masters(run, nodes::command, nodes::parse).await
}

/// The answer of the first master that gives one.
async fn ask_masters<T>(
    run: &Run,
    command: fn(&Host) -> Command,
    parse: fn(&Output) -> Result<T, ProbeError>,
) -> Result<T, String> {
    let mut last = "no master in the inventory".to_owned();
    for master in run.inventory.masters() {
        let answer = run.ask(&master.name, &command(master)).await.map_err(|e| e.to_string());
        match answer.and_then(|o| parse(&o).map_err(|e| e.to_string())) {
            Ok(found) => return Ok(found),
            Err(why) => last = format!("{}: {why}", master.name),
        }
    }
    Err(last)
}

/// One look. A host that cannot be asked is waited for: it may come back within the gate's time.
pub(super) async fn look(run: &Run, probe: &PlannedProbe, views: &ClusterViews) -> Verdict {
    let looked = match run.host(&probe.host) {
        Ok(host) => ask_host(run, host, probe, views).await,
        Err(error) => Err(error.to_string()),
    };
    looked.unwrap_or_else(Verdict::wait)
}

async fn ask_host(run: &Run, host: &Host, probe: &PlannedProbe, views: &ClusterViews) -> Result<Verdict, String> {
    match &probe.probe {
        ProbeSpec::Unit { name, state } => unit(run, &host.name, name, *state, &probe.baseline).await,
        ProbeSpec::CertificatesOnDisk => on_disk(run, host, &probe.baseline).await,
        ProbeSpec::CertificatesInUse => in_use::look(run, host).await,
        ProbeSpec::StaticPods => static_pods(run, &host.name, &probe.baseline).await,
        ProbeSpec::ApiServer => {
            let output = run
                .ask(&host.name, &api_server::command(host, &run.facts_of(&host.name)))
                .await
                .map_err(said)?;
            Ok(api_server::judge(&api_server::parse(&output)))
        }
        ProbeSpec::Etcd => {
            let output = run.ask(&host.name, &etcd::command(host)).await.map_err(said)?;
            etcd::parse(&output)
                .map(|answer| etcd::judge(&answer))
                .map_err(|e| e.to_string())
        }
        ProbeSpec::ComponentHealth => {
            let output = run.ask(&host.name, &component_health::command()).await.map_err(said)?;
            let found = component_health::parse(&output).map_err(|e| e.to_string())?;
            Ok(component_health::judge(&found))
        }
        ProbeSpec::Endpoint => kubelet_endpoint(run, host).await,
        ProbeSpec::Served { port } => Ok(served(run, host, *port, &probe.baseline).await),
        ProbeSpec::Nodes => node(run, host, views),
        ProbeSpec::Pods => pods_view::look(run, host).await,
        // Followed, not asked: `journal_watch` answers for it.
        ProbeSpec::KubeletJournal => Ok(Verdict::wait("the journal is not followed yet")),
    }
}

/// A wire error as a sentence. (By value, for `map_err`.)
#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_err")]
fn said(error: RemoteError) -> String {
    error.to_string()
}

async fn unit(
    run: &Run,
    host: &HostName,
    name: &str,
    state: UnitState,
    baseline: &Baseline,
) -> Result<Verdict, String> {
    let Baseline::Unit {
        units: names, since_us, ..
    } = baseline
    else {
        return Err(format!("the plan names no unit for `{name}`"));
    };
    if names.is_empty() {
        return Err(format!("which unit `{name}` is on this host is not known"));
    }
    let output = run.ask(host, &units::command(names)).await.map_err(said)?;
    let found = units::parse(names, &output).map_err(|e| e.to_string())?;
    // The start that must be another now. (After a reboot the number differs too: monotonic time begins anew.)
    let before = since_us.map(|active_since_us| UnitFacts {
        active: "active".to_owned(),
        active_since_us,
        ..UnitFacts::default()
    });
    // To be stopped, all of them (docker's socket too); to be up, the service, which stands last.
    let judged: Vec<&String> = match state {
        UnitState::Inactive => names.iter().collect(),
        UnitState::Active => names.last().into_iter().collect(),
    };
    let verdicts = judged
        .into_iter()
        .filter_map(|n| found.get(n).map(|now| units::judge(n, state, before.as_ref(), now)));
    Ok(Verdict::all(verdicts))
}

async fn on_disk(run: &Run, host: &Host, baseline: &Baseline) -> Result<Verdict, String> {
    let before = if let Baseline::Certificates { before } = baseline {
        before.as_slice()
    } else {
        &[]
    };
    let output = run
        .ask(&host.name, &certificates_on_disk::command(host))
        .await
        .map_err(said)?;
    let found = certificates_on_disk::parse(&output).map_err(|e| e.to_string())?;
    Ok(certificates_on_disk::judge(
        before,
        &found,
        now_on_host(run, &host.name),
    ))
}

async fn static_pods(run: &Run, host: &HostName, baseline: &Baseline) -> Result<Verdict, String> {
    let Baseline::Containers { before, static_pods } = baseline else {
        return Err("the plan names no containers to compare with".to_owned());
    };
    let runtime = run.facts_of(host).runtime.ok_or("the container runtime is not known")?;
    let output = run.ask(host, &containers::command(runtime)).await.map_err(said)?;
    let now = containers::parse(&output).map_err(|e| e.to_string())?;
    Ok(containers::judge(static_pods, before, &now))
}

async fn kubelet_endpoint(run: &Run, host: &Host) -> Result<Verdict, String> {
    let target = endpoint::target(&run.facts_of(&host.name)).ok_or("kubelet.conf names no server")?;
    let shown = shake(run.transport.as_ref(), host, target).await.served;
    Ok(endpoint::judge(
        &shown.endpoint,
        &shown.answer,
        now_on_host(run, &host.name),
    ))
}

async fn served(run: &Run, host: &Host, port: u16, baseline: &Baseline) -> Verdict {
    let before = match baseline {
        Baseline::Served { before } => before.as_ref(),
        _ => None,
    };
    let shown = shake(run.transport.as_ref(), host, anew::endpoint(port)).await.served;
    anew::judge(port, &shown.answer, before, now_on_host(run, &host.name))
}

fn node(run: &Run, host: &Host, views: &ClusterViews) -> Result<Verdict, String> {
    match &views.nodes {
        Some(Ok(found)) => Ok(nodes::judge(host, run.facts_of(&host.name).hostname.as_deref(), found)),
        Some(Err(why)) => Err(why.clone()),
        None => Err("the nodes were not asked for".to_owned()),
    }
}

/// The host's own idea of the time: what decides there whether a certificate is valid.
pub(super) fn now_on_host(run: &Run, host: &HostName) -> Timestamp {
    let offset = run.facts_of(host).clock.map_or(0, |c| c.offset_ms);
    run.recorder
        .now()
        .checked_add(jiff::SignedDuration::from_millis(offset))
        .unwrap_or_else(|_| run.recorder.now())
}
