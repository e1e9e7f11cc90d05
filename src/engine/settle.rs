//! Does a postcondition hold? Asked before a step (nothing to do?), after it, and when a connection was lost in between.

use std::time::Duration;

use tokio::time::sleep;

use crate::model::gate::UnitState;
use crate::model::shape::{PARKED, ServedFacts};
use crate::model::{Command, HostName, Outcome, RuntimeKind};
use crate::plan::{NodeState, PlannedStep, Postcondition};
use crate::probes::served::anew;
use crate::probes::verdict::Verdict;
use crate::probes::{certificates_on_disk, containers, cordon, kubelet_client, served, units};
use crate::remote::RemoteError;

use super::context::Run;
use super::handshake::shake;
use super::looks::now_on_host;

/// What a look at a postcondition says.
#[derive(Debug)]
pub(super) enum Settled {
    /// It holds; what was seen.
    Holds(String),
    /// It does not; what was seen.
    Not(String),
    /// There is nothing that could be looked at.
    CannotTell,
}

/// After a lost connection: how often and how long the host is given to come back and to finish.
const LOOKS: usize = 12;
const PAUSE: Duration = Duration::from_secs(5);

/// Looks once.
pub(super) async fn settle(run: &Run, host: &HostName, postcondition: &Postcondition) -> Result<Settled, RemoteError> {
    match postcondition {
        Postcondition::None
        | Postcondition::BackupExists { .. }
        | Postcondition::PodsNotStuck
        | Postcondition::ServingApproved
        | Postcondition::CopiesRefreshed
        | Postcondition::ServedAnew { before: None, .. } => Ok(Settled::CannotTell),
        Postcondition::UnitState { unit, state } => units_are(run, host, std::slice::from_ref(unit), *state).await,
        Postcondition::UnitsStopped { units } => units_are(run, host, units, UnitState::Inactive).await,
        Postcondition::CertificatesRenewed { before } => {
            let settings = run.host(host)?;
            let output = run.ask(host, &certificates_on_disk::command(settings)).await?;
            let found = certificates_on_disk::parse(&output).map_err(|e| e.to_string());
            Ok(from(found.map(|found| {
                certificates_on_disk::judge_only(before, &found, now_on_host(run, host))
            })))
        }
        Postcondition::KubeletCertificates { node, serving } => {
            let settings = run.host(host)?;
            let output = run.ask(host, &certificates_on_disk::command(settings)).await?;
            let found = certificates_on_disk::parse(&output).map_err(|e| e.to_string());
            let now = now_on_host(run, host);
            Ok(from(found.map(|found| {
                kubelet_client::judge(node.as_deref(), *serving, &found, now)
            })))
        }
        Postcondition::ContainersGone { runtime, ids } => recycled(run, host, *runtime, ids).await,
        Postcondition::ServedAnew { port, before } | Postcondition::Served { port, before } => {
            served_anew(run, host, *port, before.as_ref()).await
        }
        Postcondition::Node { speaker, look, aim } => {
            let output = run.ask(speaker, look).await?;
            let found = cordon::parse_look(&output).map_err(|e| e.to_string());
            Ok(from(found.map(|found| match aim {
                NodeState::Drained => cordon::judge_drained(&found, &run.id),
                NodeState::Released => cordon::judge_released(&found),
            })))
        }
        Postcondition::CommandSucceeds { command } => {
            let output = run.ask(host, command).await?;
            Ok(if output.status.success() {
                Settled::Holds(format!("done, says `{command}`"))
            } else {
                Settled::Not(format!("`{command}`: {}", output.status))
            })
        }
    }
}

/// The old containers are gone, no manifest is parked (a host that lost its power in the middle would start nothing of it), and those that
/// came after them (it starts what it has by itself) have the files of now.
async fn recycled(run: &Run, host: &HostName, runtime: RuntimeKind, ids: &[String]) -> Result<Settled, RemoteError> {
    let output = run.ask(host, &containers::command(runtime)).await?;
    let found = match containers::parse(&output) {
        Ok(found) => found,
        Err(why) => return Ok(Settled::Not(why.to_string())),
    };
    let gone = containers::judge_gone(ids, &found);
    if !gone.passed() {
        return Ok(from(Ok(gone)));
    }
    if !run
        .ask(host, &Command::root(["test", "!", "-e", PARKED]))
        .await?
        .status
        .success()
    {
        return Ok(Settled::Not(format!("manifests are still parked in {PARKED}")));
    }
    if found.is_empty() {
        return Ok(from(Ok(gone)));
    }
    let output = run.ask(host, &certificates_on_disk::command(run.host(host)?)).await?;
    let files = certificates_on_disk::parse(&output).map_err(|e| e.to_string());
    Ok(from(files.map(|files| {
        Verdict::all([gone, served::newer_than_files(&found, &files)])
    })))
}

async fn served_anew(
    run: &Run,
    host: &HostName,
    port: u16,
    before: Option<&ServedFacts>,
) -> Result<Settled, RemoteError> {
    let settings = run.host(host)?;
    let shown = shake(run.transport.as_ref(), settings, anew::endpoint(port)).await;
    let now = now_on_host(run, host);
    Ok(from(Ok(anew::judge(port, &shown.served.answer, before, now))))
}

async fn units_are(run: &Run, host: &HostName, names: &[String], state: UnitState) -> Result<Settled, RemoteError> {
    let output = run.ask(host, &units::command(names)).await?;
    let found = units::parse(names, &output).map_err(|e| e.to_string());
    Ok(from(found.map(|found| {
        Verdict::all(
            names
                .iter()
                .filter_map(|n| found.get(n).map(|now| units::judge(n, state, None, now))),
        )
    })))
}

fn from(verdict: Result<Verdict, String>) -> Settled {
    match verdict {
        Ok(Verdict::Pass(seen)) => Settled::Holds(seen),
        Ok(other) => Settled::Not(other.seen().to_owned()),
        Err(why) => Settled::Not(why),
    }
}

/// As [`settle`], for a command that was sent: also a backup shows whether it is whole, since it gets its name last.
async fn settle_after(run: &Run, host: &HostName, postcondition: &Postcondition) -> Result<Settled, RemoteError> {
    let Postcondition::BackupExists { path } = postcondition else {
        return settle(run, host, postcondition).await;
    };
    let output = run.ask(host, &Command::root(["test", "-d", path.as_str()])).await?;
    Ok(if output.status.success() {
        Settled::Holds(format!("the backup is whole in {path}"))
    } else {
        Settled::Not(format!("there is no {path}"))
    })
}

/// The outcome of a step whose command was sent and never answered: never a blind repeat, always another look.
pub(super) async fn settle_lost(
    run: &Run,
    step: &PlannedStep,
    postcondition: &Postcondition,
    lost: &RemoteError,
) -> Outcome {
    let mut last = None;
    for look in 0..LOOKS {
        if look > 0 {
            sleep(PAUSE).await;
        }
        match settle_after(run, &step.host, postcondition).await {
            Ok(Settled::Holds(seen)) => {
                return Outcome::Changed {
                    what: format!("{seen} ({lost}; looked again)"),
                };
            }
            Ok(Settled::Not(seen)) => last = Some(seen),
            Ok(Settled::CannotTell) => break,
            Err(_) => {}
        }
    }
    match last {
        Some(seen) => Outcome::Failed {
            what: format!("{lost}, and afterwards {seen}"),
            state: seen,
            next: format!(
                "Look on {} whether the command still runs, then start again.",
                step.host
            ),
        },
        None => Outcome::Unknown {
            what: format!(
                "{} on {}: {lost}, and the host could not be asked afterwards",
                step.planned.title, step.host
            ),
            next: format!(
                "Log in to {} and look; then start again: the run looks before it acts.",
                step.host
            ),
        },
    }
}
