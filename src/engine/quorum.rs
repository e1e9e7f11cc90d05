//! Before an etcd member is touched: would the others still be a quorum?

use std::time::Duration;

use futures::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use crate::event::{EventKind, GateReason};
use crate::model::HostName;
use crate::model::exit::RunEnd;
use crate::plan::PlannedPhase;
use crate::probes::etcd::{self, EtcdAnswer};

use super::context::Run;

/// A member that was proven a moment ago may still be electing: it gets this long.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_secs(2);
/// One member's answer.
const QUESTION: Duration = Duration::from_secs(15);

/// Passes when the members that stay up are a quorum.
///
/// # Errors
/// They are not, or it cannot be known: the run ends before anything of the batch is touched.
pub(super) async fn keep(run: &Run, phase: &PlannedPhase, batch: &[HostName]) -> Result<(), RunEnd> {
    let touched: Vec<&HostName> = batch.iter().filter(|h| phase.quorum.contains(h)).collect();
    let Some(first) = touched.first() else {
        return Ok(());
    };
    let started = Instant::now();
    loop {
        let Err(why) = count(run, &phase.quorum, &touched).await else {
            return Ok(());
        };
        if run.cancel.stopping() {
            return Err(RunEnd::Aborted);
        }
        if started.elapsed() >= PATIENCE {
            let reason = GateReason {
                host: (*first).clone(),
                probe: "quorum".to_owned(),
                last: why,
                remedy: Some("Nothing was touched here. Bring the other etcd members back (`certfleet check`), then start again.".to_owned()),
            };
            // The end of the run says it as well.
            let _ = run.recorder.record(EventKind::GateFailed {
                phase: phase.name.clone(),
                reasons: vec![reason],
                elapsed: started.elapsed(),
            });
            return Err(RunEnd::GateFailed);
        }
        sleep(PAUSE).await;
    }
}

/// `Err`: how many are well, and how many must be.
async fn count(run: &Run, members: &[HostName], touched: &[&HostName]) -> Result<(), String> {
    let answers = join_all(members.iter().map(|m| ask(run, m))).await;
    let quorum = answers
        .iter()
        .flatten()
        .filter_map(EtcdAnswer::quorum)
        .max()
        .unwrap_or(members.len() / 2 + 1);
    let well = |answer: &Option<EtcdAnswer>| answer.as_ref().is_some_and(|a| a.healthy == Some(true));
    let healthy: Vec<&HostName> = members
        .iter()
        .zip(&answers)
        .filter(|(_, a)| well(a))
        .map(|(m, _)| m)
        .collect();
    let staying = healthy.iter().filter(|m| !touched.contains(m)).count();
    if staying >= quorum {
        return Ok(());
    }
    let names: Vec<&str> = touched.iter().map(|h| h.as_str()).collect();
    Err(format!(
        "{} of {} etcd members are healthy; without {} there would be {staying}, and the quorum is {quorum}",
        healthy.len(),
        members.len(),
        names.join(", ")
    ))
}

async fn ask(run: &Run, member: &HostName) -> Option<EtcdAnswer> {
    let host = run.inventory.host(member)?;
    let command = etcd::command(host);
    let output = timeout(QUESTION, run.ask(member, &command)).await.ok()?.ok()?;
    etcd::parse(&output).ok()
}
