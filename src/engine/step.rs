//! One step on one host: look whether it is done, record the intent, do it, look again, record the outcome.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::event::{EventKind, StepStatus};
use crate::model::{Command, HostName, Outcome, Output};
use crate::plan::{Expect, PlannedStep, Postcondition, fill_run_id};
use crate::probes::kubeadm_renew::{self, Renewal};
use crate::remote::RemoteError;

use super::approve_serving::approve_serving;
use super::context::Run;
use super::copies;
use super::cordon::run_cordon;
use super::delete_pods::delete_stuck_pods;
use super::redact::shown;
use super::relay::run_relay;
use super::settle::{Settled, settle, settle_lost};
use super::settle_begun::{Begun, settle_begun};
use super::start_again;
use super::supervise;

/// The state of a host to which no command was sent.
pub(super) const NOTHING_SENT: &str = "nothing was sent to the host by this step";
/// A start can fail once and succeed a moment later (seen on docker).
const START_ATTEMPTS: usize = 3;
/// `systemctl start` returns before a unit has settled; the gate is the real judge.
const LOOKS_AFTER: usize = 5;
const LOOK_PAUSE: Duration = Duration::from_secs(1);

/// Runs one step to its outcome, with its events.
pub(super) async fn run_step(run: &Run, phase: &str, step: &PlannedStep) -> Outcome {
    let started = Instant::now();
    let outcome = if let Some(why) = &step.planned.skip {
        Outcome::Skipped { why: why.clone() }
    } else {
        tokio::select! {
            outcome = do_step(run, phase, step) => outcome,
            () = run.cancel.left() => left_behind(step),
        }
    };
    let kind = EventKind::StepFinished {
        step: step.id.clone(),
        phase: phase.to_owned(),
        host: step.host.clone(),
        outcome: outcome.clone(),
        elapsed: started.elapsed(),
    };
    match run.recorder.record(kind) {
        Ok(()) => outcome,
        Err(_) if left_the_host_alone(&outcome) => outcome,
        Err(error) => Outcome::Unknown {
            what: format!("{} ended, but that could not be recorded: {error}", step.planned.title),
            next: FREE_THE_DISK.to_owned(),
        },
    }
}

fn left_the_host_alone(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Unchanged { .. } | Outcome::Skipped { .. } => true,
        Outcome::Failed { state, .. } => state == NOTHING_SENT,
        Outcome::Changed { .. } | Outcome::Unknown { .. } => false,
    }
}

pub(super) const FREE_THE_DISK: &str =
    "Free space on this machine (the state directory), then start again: the run looks before it acts.";

fn left_behind(step: &PlannedStep) -> Outcome {
    Outcome::Unknown {
        what: format!(
            "{} was still under way when the run was told to leave",
            step.planned.title
        ),
        next: "It may go on at the host. `certfleet resume` looks what became of it before it acts.".to_owned(),
    }
}

async fn do_step(run: &Run, phase: &str, step: &PlannedStep) -> Outcome {
    if let Expect::Cordon(cordon) = &step.planned.expect {
        return Box::pin(run_cordon(run, phase, step, cordon)).await;
    }
    let postcondition = step.planned.postcondition.for_run(&run.id);
    match begun_before(run, step, &postcondition).await {
        Some(Ok(outcome)) => return outcome,
        // The intent is on disk already.
        Some(Err(outputs)) => return attempt(run, step, &postcondition, outputs).await,
        None => {}
    }
    match settle(run, &step.host, &postcondition).await {
        Ok(Settled::Holds(why)) => return Outcome::Unchanged { why },
        Ok(Settled::Not(_) | Settled::CannotTell) => {}
        Err(error) if error.never_sent() => return not_sent(&error),
        Err(error) => {
            return Outcome::Failed {
                what: format!("cannot look at the host: {error}"),
                state: NOTHING_SENT.to_owned(),
                next: error.remedy(),
            };
        }
    }
    if let Err(error) = run.recorder.record(intent(run, phase, step)) {
        return Outcome::Failed {
            what: error.to_string(),
            state: NOTHING_SENT.to_owned(),
            next: FREE_THE_DISK.to_owned(),
        };
    }
    match &step.planned.expect {
        Expect::DeletePods(deletion) => delete_stuck_pods(run, step, deletion).await,
        Expect::Relay(relay) => Box::pin(run_relay(run, step, relay, &postcondition)).await,
        Expect::ApproveServing(approval) => approve_serving(run, step, approval).await,
        _ => attempt(run, step, &postcondition, Vec::new()).await,
    }
}

/// What became of a step that an earlier part of the run began: its outcome, or the outputs of its finished commands.
async fn begun_before(
    run: &Run,
    step: &PlannedStep,
    postcondition: &Postcondition,
) -> Option<Result<Outcome, Vec<Output>>> {
    let record = run.recorder.step(&step.id)?;
    if matches!(&record.status, StepStatus::Finished(outcome) if !matches!(outcome, Outcome::Unknown { .. })) {
        return None;
    }
    match settle_begun(run, step, record.tries, postcondition).await {
        Begun::NotDone => None,
        Begun::Until(outputs) => Some(Err(outputs)),
        Begun::Unknown(outcome) => Some(Ok(outcome)),
        Begun::Done(seen) => Some(Ok(Outcome::Changed {
            what: format!("{seen} (done before the run was interrupted)"),
        })),
    }
}

pub(super) fn intent(run: &Run, phase: &str, step: &PlannedStep) -> EventKind {
    EventKind::StepStarted {
        step: step.id.clone(),
        phase: phase.to_owned(),
        host: step.host.clone(),
        title: step.planned.title.clone(),
        commands: step
            .planned
            .commands
            .iter()
            .map(|c| fill_run_id(c, &run.id).to_string())
            .collect(),
    }
}

fn not_sent(error: &RemoteError) -> Outcome {
    Outcome::Failed {
        what: error.to_string(),
        state: NOTHING_SENT.to_owned(),
        next: error.remedy(),
    }
}

/// The commands, again after a pause where a first failure is known to be harmless.
async fn attempt(run: &Run, step: &PlannedStep, postcondition: &Postcondition, mut known: Vec<Output>) -> Outcome {
    let attempts = if step.planned.expect == Expect::ServiceStart {
        START_ATTEMPTS
    } else {
        1
    };
    for number in 1.. {
        let refusal = match run_commands(run, step, std::mem::take(&mut known)).await {
            Ok(Some(why)) if nothing_refreshed(step, &why) => return Outcome::Unchanged { why },
            Ok(said) => match verify(run, step, postcondition).await {
                Ok(seen) => {
                    return Outcome::Changed {
                        what: said.or(seen).unwrap_or_else(|| "done".to_owned()),
                    };
                }
                Err(outcome) => outcome,
            },
            Err(Trouble::Refused(what)) => refused(run, step, what).await,
            Err(Trouble::NotSent { error, first: true }) if number == 1 => not_sent(&error),
            Err(Trouble::NotSent { error, .. }) => Outcome::Failed {
                what: error.to_string(),
                state: "earlier commands of this step were run".to_owned(),
                next: error.remedy(),
            },
            Err(Trouble::Lost(error)) => return settle_lost(run, step, postcondition, &error).await,
        };
        if number >= attempts || !matches!(refusal, Outcome::Failed { .. }) {
            return refusal;
        }
        let why = match refusal {
            Outcome::Failed { what, .. } => what,
            other => format!("{other:?}"),
        };
        start_again::prepare(run, step, why).await;
    }
    unreachable_by_construction(step)
}

/// The loop above always returns; this keeps the compiler content without a panic.
fn unreachable_by_construction(step: &PlannedStep) -> Outcome {
    Outcome::Unknown {
        what: format!("{} made no attempt", step.planned.title),
        next: "This is a bug; please report it.".to_owned(),
    }
}

/// Why the commands of a step did not all succeed.
enum Trouble {
    /// The host said no.
    Refused(String),
    /// This command, the first of the step or a later one, was never sent.
    NotSent { error: RemoteError, first: bool },
    /// Sent, and then the connection or the patience ended.
    Lost(RemoteError),
}

/// `known` are the outputs of commands that an earlier part of the run has finished.
async fn run_commands(run: &Run, step: &PlannedStep, known: Vec<Output>) -> Result<Option<String>, Trouble> {
    let mut seen = None;
    let mut known = known.into_iter();
    for (index, command) in step.planned.commands.iter().enumerate() {
        let command = fill_run_id(command, &run.id);
        let output = match known.next() {
            Some(output) => output,
            None => one_command(run, step, index, &command).await?,
        };
        record_output(run, step, (&step.host, &command.to_string()), &output);
        seen = read_output(&step.planned.expect, &command, &output)
            .map_err(Trouble::Refused)?
            .or(seen);
    }
    Ok(seen)
}

/// Root's commands below the supervisor, so that a lost connection ends nothing; others straight.
async fn one_command(run: &Run, step: &PlannedStep, index: usize, command: &Command) -> Result<Output, Trouble> {
    let result = if supervise::applies(command) {
        let attempt = run.recorder.step(&step.id).map_or(1, |s| s.tries);
        let job = supervise::job_name(&run.id, &step.id, attempt, index);
        supervise::run_once(run, &step.host, &job, command).await
    } else {
        run.ask(&step.host, command).await
    };
    result.map_err(|e| {
        if e.never_sent() {
            Trouble::NotSent {
                error: e,
                first: index == 0,
            }
        } else {
            Trouble::Lost(e)
        }
    })
}

/// A command of a step, on its host or on another one that takes part.
pub(super) fn record_output(run: &Run, step: &PlannedStep, (host, command): (&HostName, &str), output: &Output) {
    let kind = EventKind::CommandFinished {
        step: step.id.clone(),
        host: host.clone(),
        command: command.to_owned(),
        status: output.status.clone(),
        output: shown(output),
        elapsed: output.elapsed,
    };
    // Not an intent: if the disk is full now, the step's own end says so.
    let _ = run.recorder.record(kind);
}

/// What the output means; `Err` is the host's no, in one sentence.
fn read_output(expect: &Expect, command: &Command, output: &Output) -> Result<Option<String>, String> {
    if let Expect::KubeadmRenew = expect {
        return kubeadm_said(command, output);
    }
    if !output.status.success() {
        return Err(format!("`{command}`: {}: {}", output.status, output.last_line()));
    }
    match expect {
        Expect::BackupLine => backup_said(output).map(Some),
        Expect::RefreshedCopies => Ok(Some(copies::said(output))),
        _ => Ok(None),
    }
}

/// kubeadm exits with 0 on `MISSING!` and on `Detected external`: only its sentence counts, and then the file.
fn kubeadm_said(command: &Command, output: &Output) -> Result<Option<String>, String> {
    let name = command
        .words
        .iter()
        .skip_while(|w| *w != "renew")
        .nth(1)
        .map_or("", String::as_str);
    match kubeadm_renew::outcome(name, output) {
        Renewal::Renewed => Ok(None),
        Renewal::Missing => Err(format!("kubeadm says that {name} is MISSING: there is no such file")),
        Renewal::External => Err(format!(
            "kubeadm cannot renew {name}: its CA's key is not on this host (external CA)"
        )),
        Renewal::Unknown(line) => Err(format!(
            "`{command}` did not say that {name} is renewed: {}, {line}",
            output.status
        )),
    }
}

fn nothing_refreshed(step: &PlannedStep, said: &str) -> bool {
    step.planned.expect == Expect::RefreshedCopies && said.starts_with(copies::NOTHING)
}

fn backup_said(output: &Output) -> Result<String, String> {
    let text = output.stdout_text();
    let line = text
        .lines()
        .find_map(|l| l.strip_prefix("backup\t"))
        .ok_or("the backup script named no backup")?;
    let mut fields = line.split('\t');
    match (fields.next(), fields.next()) {
        (Some(path), Some(files)) => Ok(format!("{files} files kept in {path}")),
        _ => Err("the backup script's answer is incomplete".to_owned()),
    }
}

/// The postcondition, looked at a few times: a unit may need a moment. Gives what was seen.
pub(super) async fn verify(
    run: &Run,
    step: &PlannedStep,
    postcondition: &Postcondition,
) -> Result<Option<String>, Outcome> {
    // What a start brings about takes longer than a step: the gate is the judge.
    if matches!(
        postcondition,
        Postcondition::ServedAnew { .. } | Postcondition::Served { .. }
    ) {
        return Ok(None);
    }
    let mut last = String::new();
    for look in 0..LOOKS_AFTER {
        if look > 0 {
            sleep(LOOK_PAUSE).await;
        }
        match settle(run, &step.host, postcondition).await {
            Ok(Settled::Holds(seen)) => return Ok(Some(seen)),
            Ok(Settled::CannotTell) => return Ok(None),
            Ok(Settled::Not(why)) => last = why,
            Err(error) => last = error.to_string(),
        }
    }
    Err(Outcome::Failed {
        what: format!("the commands succeeded, but {last}"),
        state: "the host was changed, the result is not what it should be".to_owned(),
        next: format!("Look on {} why, then start again.", step.host),
    })
}

pub(super) async fn refused(run: &Run, step: &PlannedStep, what: String) -> Outcome {
    let postcondition = step.planned.postcondition.for_run(&run.id);
    let state = match settle(run, &step.host, &postcondition).await {
        Ok(Settled::Holds(why) | Settled::Not(why)) => why,
        Ok(Settled::CannotTell) => "not known".to_owned(),
        Err(error) => format!("not known: {error}"),
    };
    Outcome::Failed {
        what,
        state,
        next: format!("Log in to {} and run the command by hand to see why.", step.host),
    }
}
