//! The commands of a step: sent, their outputs recorded and read, and what they brought about looked at.

use std::time::Duration;

use tokio::time::sleep;

use crate::event::EventKind;
use crate::model::{Command, HostName, Outcome, Output};
use crate::plan::{Expect, PlannedStep, Postcondition, fill_run_id};
use crate::remote::RemoteError;

use super::context::Run;
use super::redact::shown;
use super::settle::{Settled, settle, settle_lost};
use super::step::NOTHING_SENT;
use super::{said, start_again, supervise};

/// A start can fail once and succeed a moment later (seen on docker).
const START_ATTEMPTS: usize = 3;
/// `systemctl start` returns before a unit has settled; the gate is the real judge.
const LOOKS_AFTER: usize = 5;
const LOOK_PAUSE: Duration = Duration::from_secs(1);

pub(super) fn not_sent(error: &RemoteError) -> Outcome {
    Outcome::Failed {
        what: error.to_string(),
        state: NOTHING_SENT.to_owned(),
        next: error.remedy(),
    }
}

/// The commands, again after a pause where a first failure is known to be harmless.
pub(super) async fn attempt(
    run: &Run,
    step: &PlannedStep,
    postcondition: &Postcondition,
    mut known: Vec<Output>,
) -> Outcome {
    let attempts = if step.planned.expect == Expect::ServiceStart {
        START_ATTEMPTS
    } else {
        1
    };
    let mut number = 0;
    loop {
        number += 1;
        let refusal = match run_commands(run, step, std::mem::take(&mut known)).await {
            Ok(Some(why)) if said::nothing_refreshed(step, &why) => return Outcome::Unchanged { why },
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
        seen = said::read_output(&step.planned.expect, &command, &output)
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
