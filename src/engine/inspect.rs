//! Gathers everything that `check` judges, of all hosts at once. Reads only; every question may fail on its own.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use crate::check::{FleetInspection, Handshake, Inspection, dial_targets};
use crate::model::{Host, HostFacts, Inventory, Role};
use crate::probes::nodes::{self, MarkedNode};
use crate::probes::recent_journal::{self, JournalSummary};
use crate::probes::served::{Endpoint, ServedAnswer, Server, elsewhere};
use crate::probes::serving_requests::{self, ServingRequest};
use crate::probes::surroundings::{self, Surroundings};
use crate::probes::typha::{self, TyphaCertificate};
use crate::remote::Transport;

use super::gather;
use super::handshake::{shake, shake_on_host};

/// Handshakes in flight, all hosts together: each costs some 50 kB.
const HANDSHAKES: usize = 64;
/// Journals in flight: each may be a megabyte.
const JOURNALS: usize = 12;
/// One script or one journal of one host.
const QUESTION: Duration = Duration::from_secs(20);

/// Reads the wall clock.
type Now<'a> = &'a (dyn Fn() -> Timestamp + Send + Sync);

#[derive(Debug)]
struct Limits {
    handshakes: Semaphore,
    journals: Semaphore,
}

/// Inspects the hosts. A host that does not answer is a row with the reason.
pub async fn inspect(
    transport: &Arc<dyn Transport>,
    inventory: &Inventory,
    hosts: &[Host],
    now: Now<'_>,
) -> FleetInspection {
    let limits = Limits {
        handshakes: Semaphore::new(HANDSHAKES),
        journals: Semaphore::new(JOURNALS),
    };
    let each = hosts.iter().map(|host| Box::pin(one(transport, host, now, &limits)));
    let mut inspected = join_all(each).await;
    etcd_elsewhere(transport, inventory, &mut inspected).await;
    let (requests, marked, typha) = tokio::join!(
        pending_requests(transport, hosts, &inspected),
        marked_nodes(transport, hosts, &inspected),
        typha_certificates(transport, hosts, &inspected)
    );
    FleetInspection {
        cluster: inventory.cluster.clone(),
        at: now(),
        hosts: inspected,
        requests,
        typha,
        marked,
    }
}

async fn one(transport: &Arc<dyn Transport>, host: &Host, now: Now<'_>, limits: &Limits) -> Inspection {
    let mut facts = gather(transport, std::slice::from_ref(host), now)
        .await
        .remove(&host.name)
        .unwrap_or_else(|| HostFacts::unknown(host.name.clone()));
    let mut inspection = Inspection {
        role: host.role,
        address: host.address.clone(),
        cert_dir: host.kubernetes.cert_dir.clone(),
        facts: HostFacts::unknown(host.name.clone()),
        handshakes: Vec::new(),
        surroundings: None,
        journal: None,
    };
    if facts.unreachable.is_none() {
        if facts.root != Some(false) {
            let (around, journal) =
                tokio::join!(ask_surroundings(transport, host), ask_journal(transport, host, limits));
            inspection.surroundings = keep(&mut facts, around);
            inspection.journal = keep(&mut facts, journal);
        }
        let targets = dial_targets(host, &facts, inspection.surroundings.as_ref());
        inspection.handshakes = all_handshakes(transport, host, &facts, targets, limits).await;
    }
    inspection.facts = facts;
    inspection
}

/// The answer, or its failure as a problem of the host.
fn keep<T>(facts: &mut HostFacts, answer: Result<T, String>) -> Option<T> {
    answer.map_err(|why| facts.problems.push(why)).ok()
}

async fn ask_surroundings(transport: &Arc<dyn Transport>, host: &Host) -> Result<Surroundings, String> {
    let command = surroundings::command(host, &host.kubernetes.kubeconfigs).with_timeout(QUESTION);
    let output = transport.run(&host.name, &command).await.map_err(|e| e.to_string())?;
    surroundings::parse(&output).map_err(|e| e.to_string())
}

async fn ask_journal(transport: &Arc<dyn Transport>, host: &Host, limits: &Limits) -> Result<JournalSummary, String> {
    let _turn = limits.journals.acquire().await.map_err(|e| e.to_string())?;
    let command = recent_journal::command(host).with_timeout(QUESTION);
    let output = transport.run(&host.name, &command).await.map_err(|e| e.to_string())?;
    recent_journal::parse(&output).map_err(|e| e.to_string())
}

async fn all_handshakes(
    transport: &Arc<dyn Transport>,
    host: &Host,
    facts: &HostFacts,
    targets: Vec<Endpoint>,
    limits: &Limits,
) -> Vec<Handshake> {
    let looks = targets.into_iter().map(|endpoint| async move {
        let _turn = limits.handshakes.acquire().await;
        shake(transport.as_ref(), host, endpoint).await
    });
    let seen = join_all(looks).await;
    // sshd before 7.4 says "connect failed" also where forwarding is forbidden.
    let closed = |h: &Handshake| h.served.answer == ServedAnswer::Closed;
    let kubelet_runs = facts
        .unit(&host.kubernetes.kubelet_unit)
        .is_some_and(|u| u.sub == "running");
    if !kubelet_runs || !seen.iter().all(closed) || facts.root == Some(false) {
        return seen;
    }
    join_all(
        seen.into_iter()
            .map(|h| shake_on_host(transport.as_ref(), host, h.served.endpoint)),
    )
    .await
}

/// An etcd that is not ours is looked at from the first master that is told of it: the others would see the same. While a
/// member of ours is silent or was not asked, nobody knows which of the servers are its own.
async fn etcd_elsewhere(transport: &Arc<dyn Transport>, inventory: &Inventory, inspected: &mut [Inspection]) {
    let known = |h: &Host| {
        let answer = inspected.iter().find(|i| i.facts.host == h.name);
        answer.is_some_and(|i| i.facts.unreachable.is_none())
    };
    if !inventory.with_role(Role::Etcd).all(known) {
        return;
    }
    let all = inspected
        .iter()
        .map(|i| (i.facts.host.clone(), i.facts.clone()))
        .collect();
    let servers = |i: &Inspection| elsewhere::etcd_servers(&i.facts, &inventory.hosts, &all);
    let Some(first) = inspected
        .iter_mut()
        .find(|i| i.facts.unreachable.is_none() && !servers(i).is_empty())
    else {
        return;
    };
    let Some(host) = inventory.host(&first.facts.host) else {
        return;
    };
    let looks = servers(first).into_iter().map(|e| shake(transport.as_ref(), host, e));
    first.handshakes.extend(join_all(looks).await);
}

/// Asked of the first master whose API server shows a certificate: a dead API costs no time.
async fn pending_requests(
    transport: &Arc<dyn Transport>,
    hosts: &[Host],
    inspected: &[Inspection],
) -> Option<Vec<ServingRequest>> {
    let masters = hosts
        .iter()
        .zip(inspected)
        .filter(|(h, i)| h.role == Role::ControlPlane && api_answers(i));
    for (host, _) in masters {
        let command = serving_requests::command(host).with_timeout(QUESTION);
        if let Ok(output) = transport.run(&host.name, &command).await
            && let Ok(found) = serving_requests::parse(&output)
        {
            return Some(found);
        }
    }
    None
}

/// Nodes that a run of ours has left cordoned, or whose mark it has left; of the first master that answers.
async fn marked_nodes(transport: &Arc<dyn Transport>, hosts: &[Host], inspected: &[Inspection]) -> Vec<MarkedNode> {
    let answers = |(h, i): &(&Host, &Inspection)| h.role == Role::ControlPlane && api_answers(i);
    let Some((host, _)) = hosts.iter().zip(inspected).find(answers) else {
        return Vec::new();
    };
    let command = nodes::command(host).with_timeout(QUESTION);
    let Ok(output) = transport.run(&host.name, &command).await else {
        return Vec::new();
    };
    nodes::parse(&output).map(nodes::marked).unwrap_or_default()
}

/// The same for the certificates of the Tigera operator's network plugin; other plugins have none.
async fn typha_certificates(
    transport: &Arc<dyn Transport>,
    hosts: &[Host],
    inspected: &[Inspection],
) -> Vec<TyphaCertificate> {
    let answers = |(h, i): &(&Host, &Inspection)| h.role == Role::ControlPlane && api_answers(i) && typha::applies(h);
    let Some((host, _)) = hosts.iter().zip(inspected).find(answers) else {
        return Vec::new();
    };
    let asked = typha::SECRETS.map(|secret| async move {
        let command = typha::command(host, secret).with_timeout(QUESTION);
        let output = transport.run(&host.name, &command).await.ok()?;
        typha::parse(secret, &output).ok().flatten()
    });
    join_all(asked).await.into_iter().flatten().collect()
}

fn api_answers(inspection: &Inspection) -> bool {
    let api = |h: &&Handshake| h.served.endpoint.server == Server::ApiServer;
    let shown = |h: &Handshake| matches!(h.served.answer, ServedAnswer::Certificate(_));
    inspection.handshakes.iter().find(api).is_some_and(shown)
}
