//! A step that an earlier part of the run began and whose end is not recorded: the host is asked what became of it.

use tokio::time::Instant;

use crate::model::{Outcome, Output};
use crate::plan::{Expect, PlannedStep, Postcondition, fill_run_id};

use super::context::Run;
use super::settle::{Settled, settle};
use super::supervise::{self, Job};

/// What became of it.
pub(super) enum Begun {
    /// Its commands up to this one ended well; their outputs.
    Until(Vec<Output>),
    /// Nothing of it runs, and nothing was finished: it may be begun.
    NotDone,
    /// It is done: the postcondition holds.
    Done(String),
    /// Nobody can tell, and to repeat it could do harm.
    Unknown(Outcome),
}

/// Asks the supervisor, then the postcondition.
pub(super) async fn settle_begun(run: &Run, step: &PlannedStep, attempt: u32, postcondition: &Postcondition) -> Begun {
    match step.planned.expect {
        Expect::DeletePods(_) | Expect::ApproveServing(_) => return Begun::NotDone,
        Expect::Relay(_) => return relay(run, step, attempt, postcondition).await,
        _ => {}
    }
    let mut outputs = Vec::new();
    for index in 0..step.planned.commands.len() {
        match one_job(run, step, attempt, index).await {
            Some(Job::Exited(output)) if output.status.success() || step.planned.expect == Expect::KubeadmRenew => {
                outputs.push(output);
            }
            // It said no, as a whole step would have: the ordinary way looks, and tries again.
            Some(Job::Exited(_)) => return Begun::NotDone,
            Some(Job::None { boot_id }) if index > 0 || same_boot(run, step, &boot_id) => break,
            _ => return by_postcondition(run, step, postcondition).await,
        }
    }
    if outputs.is_empty() {
        return Begun::NotDone;
    }
    Begun::Until(outputs)
}

/// What runs on the node is waited for; then only the files count. A signature changes nothing on its master.
async fn relay(run: &Run, step: &PlannedStep, attempt: u32, postcondition: &Postcondition) -> Begun {
    for index in (0..step.planned.commands.len()).filter(|i| *i != SIGNATURE) {
        let _ended = one_job(run, step, attempt, index).await;
    }
    by_postcondition(run, step, postcondition).await
}

/// Of the commands of a relay, the one that another host runs.
const SIGNATURE: usize = 1;

fn same_boot(run: &Run, step: &PlannedStep, boot_id: &str) -> bool {
    // /run is empty after a restart: "never started" is only known when there was none since the run began.
    run.recorder
        .state()
        .boots
        .get(&step.host)
        .is_some_and(|before| before == boot_id)
}

/// Waits for a job that runs, no longer than its command may take.
async fn one_job(run: &Run, step: &PlannedStep, attempt: u32, index: usize) -> Option<Job> {
    let command = fill_run_id(step.planned.commands.get(index)?, &run.id);
    if !supervise::applies(&command) {
        return None;
    }
    let job = supervise::job_name(&run.id, &step.id, attempt, index);
    let deadline = Instant::now() + command.timeout;
    loop {
        match supervise::attach(run, &step.host, &job, &command).await {
            Ok(Job::Running) if Instant::now() < deadline => {}
            Ok(job) => return Some(job),
            Err(_) => return None,
        }
    }
}

async fn by_postcondition(run: &Run, step: &PlannedStep, postcondition: &Postcondition) -> Begun {
    match settle(run, &step.host, postcondition).await {
        Ok(Settled::Holds(seen)) => Begun::Done(seen),
        Ok(Settled::Not(_)) | Err(_) => Begun::NotDone,
        // Running a backup again verifies it.
        Ok(Settled::CannotTell) if *postcondition != Postcondition::None => Begun::NotDone,
        Ok(Settled::CannotTell) => Begun::Unknown(Outcome::Unknown {
            what: format!(
                "{} was begun before the run was interrupted, and the host keeps no trace of its end",
                step.planned.title
            ),
            next: format!(
                "Look on {} whether it was done. Give the step an `unless:` check, or do the rest by hand and start a new run.",
                step.host
            ),
        }),
    }
}
