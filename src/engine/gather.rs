//! Asks every host what it is. Read-only; every question may fail on its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use jiff::Timestamp;

use crate::model::shape::ServedFacts;
use crate::model::{Host, HostFacts, HostName, Role};
use crate::probes::served::anew;
use crate::probes::{certificates_on_disk, clock, containers, host_facts, units};
use crate::remote::{RemoteError, Transport};

use super::context::send;
use super::handshake::shake;

/// The facts of all hosts, asked at once. A host that does not answer is a row with the reason.
pub async fn gather(
    transport: &Arc<dyn Transport>,
    hosts: &[Host],
    now: &(dyn Fn() -> Timestamp + Send + Sync),
) -> BTreeMap<HostName, HostFacts> {
    let each = hosts
        .iter()
        .map(|host| async move { (host.name.clone(), gather_one(transport, host, now).await) });
    join_all(each).await.into_iter().collect()
}

async fn gather_one(
    transport: &Arc<dyn Transport>,
    host: &Host,
    now: &(dyn Fn() -> Timestamp + Send + Sync),
) -> HostFacts {
    let clock = match ask_clock(transport, host, now).await {
        Ok(clock) => clock,
        Err(error) => return HostFacts::unreachable(host.name.clone(), error.to_string()),
    };
    let mut facts = match ask_facts(transport, host).await {
        Ok(facts) => facts,
        Err(unknown) => *unknown,
    };
    match clock {
        Ok(clock) => facts.clock = Some(clock),
        Err(problem) => facts.problems.push(problem),
    }
    if facts.root != Some(false) {
        ask_the_rest(transport, host, &mut facts).await;
    }
    facts
}

/// The first question: it also tells whether the host can be reached at all. The inner error is a host without a clock.
async fn ask_clock(
    transport: &Arc<dyn Transport>,
    host: &Host,
    now: &(dyn Fn() -> Timestamp + Send + Sync),
) -> Result<Result<crate::model::Clock, String>, RemoteError> {
    // Once to connect, once to measure: a handshake is no part of a round trip.
    send(transport, &host.name, &clock::command()).await?;
    let sent = now();
    let output = transport.run(&host.name, &clock::command()).await?;
    let received = now();
    Ok(clock::parse(&output)
        .map(|time| clock::offset(time, sent, received))
        .map_err(|e| e.to_string()))
}

/// The facts script. Root rights that were refused are a fact, not a failure.
async fn ask_facts(transport: &Arc<dyn Transport>, host: &Host) -> Result<HostFacts, Box<HostFacts>> {
    let unknown = |root: Option<bool>, problem: String| {
        let mut facts = HostFacts::unknown(host.name.clone());
        facts.root = root;
        facts.problems.push(problem);
        Box::new(facts)
    };
    match send(transport, &host.name, &host_facts::command(host)).await {
        Ok(output) => host_facts::parse(&host.name, &output).map_err(|e| unknown(None, e.to_string())),
        Err(error @ RemoteError::Become(_)) => Err(unknown(Some(false), format!("{error}. {}", error.remedy()))),
        Err(error) => Err(unknown(None, error.to_string())),
    }
}

/// Units, certificates and containers, side by side.
async fn ask_the_rest(transport: &Arc<dyn Transport>, host: &Host, facts: &mut HostFacts) {
    let names = units::of_interest(host, &facts.shape);
    let (units_command, certificates_command) = (units::command(&names), certificates_on_disk::command(host));
    let (units_output, certificates_output) = tokio::join!(
        send(transport, &host.name, &units_command),
        send(transport, &host.name, &certificates_command)
    );
    match units_output
        .map_err(|e| e.to_string())
        .and_then(|o| units::parse(&names, &o).map_err(|e| e.to_string()))
    {
        Ok(units) => facts.units = units,
        Err(problem) => facts.problems.push(problem),
    }
    match certificates_output
        .map_err(|e| e.to_string())
        .and_then(|o| certificates_on_disk::parse(&o).map_err(|e| e.to_string()))
    {
        Ok(certificates) => facts.certificates = certificates,
        Err(problem) => facts.problems.push(problem),
    }
    host_facts::settle_runtime(host, facts);
    facts.shape.served = ask_served(transport, host, facts).await;
    if host.role != Role::Worker {
        ask_containers(transport, host, facts).await;
    }
}

/// What k3s and RKE2 serve: the only sign of their certificates that is the same in every version. Others have no such ports.
async fn ask_served(transport: &Arc<dyn Transport>, host: &Host, facts: &HostFacts) -> Vec<ServedFacts> {
    let looks = facts.shape.ports(host.role).iter().map(|port| async move {
        let shown = shake(transport.as_ref(), host, anew::endpoint(*port))
            .await
            .served
            .answer;
        anew::fact(*port, &shown)
    });
    join_all(looks).await.into_iter().flatten().collect()
}

/// A runtime that is down has no containers to show: that is no problem worth a note.
async fn ask_containers(transport: &Arc<dyn Transport>, host: &Host, facts: &mut HostFacts) {
    let Some(runtime) = facts.runtime else { return };
    if !facts
        .unit(runtime.service())
        .is_some_and(super::super::model::facts::UnitFacts::is_active)
    {
        return;
    }
    let answer = send(transport, &host.name, &containers::command(runtime))
        .await
        .map_err(|e| e.to_string());
    match answer.and_then(|o| containers::parse(&o).map_err(|e| e.to_string())) {
        Ok(found) => facts.containers = found,
        Err(problem) => facts.problems.push(problem),
    }
}
