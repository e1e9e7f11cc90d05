//! What runs on the hosts now: certificates in use, API servers, etcd members, endpoints of kubelets, nodes, the network.
//!
//! The questions are those of gates. Read-only; each may fail on its own, and what was not answered is not known.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::{Duration, timeout};

use crate::model::certificate::RENEWABLE;
use crate::model::{
    CertificateInUse, Health, Host, HostFacts, HostName, Inventory, LiveFacts, ProbeSpec, Role, RunId, ServedElsewhere,
    Use, mask,
};
use crate::plan::{Baseline, PlannedProbe};
use crate::probes::served::{InUse, InUseRow, ServedAnswer, elsewhere};
use crate::probes::{endpoint, etcd, serving_requests};
use crate::remote::Transport;

use super::cancel::Cancel;
use super::context::Run;
use super::handshake::shake;
use super::in_use;
use super::looks::{ClusterViews, look};
use super::recorder::{Recorder, WallClock};

/// Hosts at whose ports is looked at the same time: each handshake costs some 50 kB.
const HANDSHAKES: usize = 32;
/// One question: a dead API must not hold up a plan that is made to cure it.
const QUESTION: Duration = Duration::from_secs(30);

/// The facts, with what runs now.
pub async fn look_alive(
    transport: &Arc<dyn Transport>,
    inventory: &Arc<Inventory>,
    facts: BTreeMap<HostName, HostFacts>,
    clock: WallClock,
) -> BTreeMap<HostName, HostFacts> {
    // A run that records nothing and changes nothing: gates ask through one.
    let run = Run {
        id: RunId::new("look"),
        inventory: Arc::clone(inventory),
        facts: Arc::new(facts.clone()),
        transport: Arc::clone(transport),
        recorder: Recorder::new(None, Vec::new(), clock),
        cancel: Cancel::new(),
    };
    let turns = Semaphore::new(HANDSHAKES);
    let asked = |h: &&Host| {
        let known = facts.get(&h.name);
        known.is_some_and(|f| f.unreachable.is_none() && f.root != Some(false))
    };
    let hosts: Vec<&Host> = inventory.hosts.iter().filter(asked).collect();
    let looks = join_all(hosts.iter().map(|host| one(&run, host, &turns))).await;
    let mut found: BTreeMap<&HostName, LiveFacts> = hosts.iter().map(|h| &h.name).zip(looks).collect();
    let ready = |l: &LiveFacts| l.api.as_ref().is_some_and(Health::is_well);
    // Of masters that were left out it is not known; they are asked all the same.
    if found.values().any(ready) || !hosts.iter().any(|h| h.role == Role::ControlPlane) {
        through_the_api(&run, &hosts, &mut found).await;
    }
    let mut alive = facts.clone();
    for (name, live) in found {
        if let Some(facts) = alive.get_mut(name) {
            facts.live = Some(live);
        }
    }
    alive
}

async fn one(run: &Run, host: &Host, turns: &Semaphore) -> LiveFacts {
    let facts = run.facts_of(&host.name);
    let master = host.role == Role::ControlPlane;
    let member = host.role != Role::Worker && etcd::applies(host, &facts);
    let (in_use, endpoint, api, etcd, etcd_elsewhere) = tokio::join!(
        certificates(run, host, &facts, turns),
        endpoint(run, host, &facts, turns),
        ask(run, host, ProbeSpec::ApiServer, master),
        ask(run, host, ProbeSpec::Etcd, member),
        elsewhere(run, host, &facts, turns),
    );
    LiveFacts {
        in_use,
        api,
        etcd,
        endpoint,
        etcd_elsewhere,
        ..LiveFacts::default()
    }
}

/// Nodes and the network, once there is an API to ask.
async fn through_the_api(run: &Run, hosts: &[&Host], found: &mut BTreeMap<&HostName, LiveFacts>) {
    let probe = |host: &Host, probe| PlannedProbe {
        host: host.name.clone(),
        probe,
        baseline: Baseline::None,
    };
    let nodes: Vec<PlannedProbe> = hosts
        .iter()
        .filter(|h| h.role != Role::Etcd)
        .map(|h| probe(h, ProbeSpec::Nodes))
        .collect();
    let Ok(views) = timeout(QUESTION, ClusterViews::gather(run, &nodes, false)).await else {
        return;
    };
    for probe in &nodes {
        let health = health(look(run, probe, &views).await);
        let host = hosts.iter().find(|h| h.name == probe.host);
        if let Some((_, live)) = found.iter_mut().find(|(name, _)| ***name == probe.host) {
            live.node = Some(health);
            let hostname = run.facts_of(&probe.host).hostname;
            live.object = host.and_then(|h| views.object(h, hostname.as_deref()));
        }
    }
    let speaker = hosts.iter().find(|h| h.role == Role::ControlPlane);
    if let Some(speaker) = speaker
        && let Some(live) = found.get_mut(&speaker.name)
    {
        live.network = ask(run, speaker, ProbeSpec::Pods, true).await;
        live.requests = requests(run, speaker).await;
    }
}

/// Kubelets whose requests nobody has answered.
async fn requests(run: &Run, speaker: &Host) -> Option<Health> {
    let command = serving_requests::command(speaker);
    let output = timeout(QUESTION, run.ask(&speaker.name, &command)).await.ok()?.ok()?;
    let waiting = serving_requests::parse(&output).ok()?;
    Some(match waiting.len() {
        0 => Health::Well,
        number => Health::Ill(format!("{number} kubelets wait for their serving certificate")),
    })
}

/// The question of a gate, asked once.
async fn ask(run: &Run, host: &Host, probe: ProbeSpec, applies: bool) -> Option<Health> {
    let probe = PlannedProbe {
        host: host.name.clone(),
        probe,
        baseline: Baseline::None,
    };
    let views = ClusterViews::default();
    let answer = applies.then(|| timeout(QUESTION, look(run, &probe, &views)))?.await;
    Some(answer.map_or_else(|_| Health::Ill("no answer in time".to_owned()), health))
}

#[expect(clippy::needless_pass_by_value, reason = "used as a function in map_or_else")]
fn health(verdict: crate::probes::Verdict) -> Health {
    if verdict.passed() {
        Health::Well
    } else {
        // It goes into plans that are saved.
        Health::Ill(mask(verdict.seen()))
    }
}

/// Of kubeadm's certificates on a master or an etcd host.
async fn certificates(run: &Run, host: &Host, facts: &HostFacts, turns: &Semaphore) -> Vec<CertificateInUse> {
    if host.role == Role::Worker {
        return Vec::new();
    }
    let _turn = turns.acquire().await;
    let rows = in_use::rows(run, host, facts).await.unwrap_or_default();
    rows.into_iter().filter_map(row).collect()
}

fn row(row: InUseRow) -> Option<CertificateInUse> {
    let certificate = row.certificate.filter(|c| RENEWABLE.contains(&c.as_str()))?;
    let state = match row.verdict {
        InUse::Current => Use::Current,
        InUse::Stale(why) => Use::Stale(why),
        InUse::Unknown(why) => Use::Unknown(why),
        InUse::Down => Use::Unknown(format!("{} does not run", row.process)),
        InUse::NotComparable => return None,
    };
    Some(CertificateInUse {
        process: row.process,
        certificate,
        state,
        served_until: row.served.map(|x509| x509.not_after),
    })
}

/// What answers where this kubelet asks.
async fn endpoint(run: &Run, host: &Host, facts: &HostFacts, turns: &Semaphore) -> Option<Health> {
    let _turn = turns.acquire().await;
    ask(run, host, ProbeSpec::Endpoint, endpoint::target(facts).is_some()).await
}

/// What an etcd shows that is not ours.
async fn elsewhere(run: &Run, host: &Host, facts: &HostFacts, turns: &Semaphore) -> Vec<ServedElsewhere> {
    let servers = elsewhere::etcd_servers(facts, &run.inventory.hosts, &run.facts);
    if host.role != Role::ControlPlane || servers.is_empty() {
        return Vec::new();
    }
    let _turn = turns.acquire().await;
    let looks = servers.into_iter().map(|endpoint| async move {
        let place = endpoint.place();
        let shown = timeout(QUESTION, shake(run.transport.as_ref(), host, endpoint)).await;
        let (health, until) = match shown.map(|h| h.served.answer) {
            Ok(ServedAnswer::Certificate(x509)) => (Health::Well, Some(x509.not_after)),
            Ok(ServedAnswer::Closed) => (Health::Ill("nothing listens there".to_owned()), None),
            Ok(ServedAnswer::Unknown(why)) => (Health::Ill(why), None),
            Err(_) => (Health::Ill("no answer in time".to_owned()), None),
        };
        ServedElsewhere { place, health, until }
    });
    join_all(looks).await
}
