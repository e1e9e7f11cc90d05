//! A node is drained, or let back: by the kubectl of a master, on behalf of the node's own host. The script knows what it may
//! undo; here it is recorded before the API is asked, so that no node is left closed without being named.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::event::{EventKind, StepStatus};
use crate::model::{Command, Outcome, Output};
use crate::plan::{Cordon, NodeState, PlannedStep, fill_run_id};
use crate::probes::cordon::{Left, by_hand, evicted, left, refusal, unmark_by_hand};
use crate::remote::RemoteError;

use super::attempt::record_output;
use super::context::Run;
use super::settle::settle_lost;
use super::step::{FREE_THE_DISK, NOTHING_SENT, intent};
use super::supervise::{self, Job};

/// Between two questions to a speaker that does not answer.
const PAUSE: Duration = Duration::from_secs(5);

/// Drains or uncordons. What an earlier part of the run has begun is waited for first: two scripts never work on one node.
pub(super) async fn run_cordon(run: &Run, phase: &str, step: &PlannedStep, cordon: &Cordon) -> Outcome {
    let closed_before = run.recorder.state().cordoned.contains_key(&step.host);
    let errand = Errand {
        run,
        step,
        cordon,
        closed_before,
    };
    errand.wait_for_earlier().await;
    if let Err(why) = errand.announce(phase) {
        return Outcome::Failed {
            what: why,
            state: NOTHING_SENT.to_owned(),
            next: FREE_THE_DISK.to_owned(),
        };
    }
    let command = errand.command();
    let job = errand.job(run.recorder.step(&step.id).map_or(1, |s| s.tries));
    match supervise::run_once(run, &cordon.speaker, &job, &command).await {
        Ok(output) => errand.ended(&output),
        Err(error) if error.never_sent() => errand.not_sent(&error),
        Err(error) => match errand.end_of(&job, &command).await {
            Some(output) => errand.ended(&output),
            None => errand.lost(&error).await,
        },
    }
}

/// The hosts whose nodes this run leaves under its cordon, and how they are let back.
pub(super) fn still_closed(run: &Run) -> Option<String> {
    let cordoned = run.recorder.state().cordoned;
    let (_, speaker) = cordoned.values().next()?;
    let nodes: Vec<&str> = cordoned.values().map(|(node, _)| node.as_str()).collect();
    let nodes = nodes.join(" ");
    Some(format!(
        "Still cordoned by this run: {nodes}. `certfleet resume {}` or a later `certfleet renew` lets them back once they are proven; by hand, on \
         {speaker}: {}.",
        run.id,
        by_hand(&nodes)
    ))
}

struct Errand<'a> {
    run: &'a Run,
    step: &'a PlannedStep,
    cordon: &'a Cordon,
    /// An earlier part of the run may have closed the node.
    closed_before: bool,
}

impl Errand<'_> {
    fn command(&self) -> Command {
        fill_run_id(&self.cordon.command(), &self.run.id)
    }

    fn job(&self, attempt: u32) -> String {
        supervise::job_name(&self.run.id, &self.step.id, attempt, 0)
    }

    /// A controller that died has left the script at work.
    async fn wait_for_earlier(&self) {
        let Some(record) = self.run.recorder.step(&self.step.id) else {
            return;
        };
        if matches!(
            record.status,
            StepStatus::Started | StepStatus::Finished(Outcome::Unknown { .. })
        ) {
            let _ended = self.end_of(&self.job(record.tries), &self.command()).await;
        }
    }

    /// How a job ended, as long as its command may take.
    async fn end_of(&self, job: &str, command: &Command) -> Option<Output> {
        let deadline = Instant::now() + command.timeout;
        loop {
            match supervise::attach(self.run, &self.cordon.speaker, job, command).await {
                Ok(Job::Exited(output)) => return Some(output),
                Ok(Job::Running) if Instant::now() < deadline => {}
                Err(_) if Instant::now() < deadline => sleep(PAUSE).await,
                _ => return None,
            }
        }
    }

    /// The intent, and whose node may be closed from now on.
    fn announce(&self, phase: &str) -> Result<(), String> {
        let record = |kind| self.run.recorder.record(kind).map_err(|e| e.to_string());
        let mut intent = intent(self.run, phase, self.step);
        if let EventKind::StepStarted { commands, .. } = &mut intent {
            *commands = vec![self.command().to_string()];
        }
        record(intent)?;
        if self.cordon.aim == NodeState::Released {
            return Ok(());
        }
        record(EventKind::NodeCordoned {
            step: self.step.id.clone(),
            host: self.step.host.clone(),
            node: self.cordon.node.clone(),
            speaker: self.cordon.speaker.clone(),
        })
    }

    fn released(&self, how: &str) {
        // Without it the node is named although it is open: the harmless way to be wrong.
        let _ = self.run.recorder.record(EventKind::NodeReleased {
            step: self.step.id.clone(),
            host: self.step.host.clone(),
            node: self.cordon.node.clone(),
            how: how.to_owned(),
        });
    }

    fn not_touched(&self) {
        if self.cordon.aim == NodeState::Drained && !self.closed_before {
            self.released("nothing was asked of it");
        }
    }

    fn ended(&self, output: &Output) -> Outcome {
        let place = (&self.cordon.speaker, self.command().to_string());
        record_output(self.run, self.step, (place.0, &place.1), output);
        let left = left(output);
        match left {
            Left::Ours | Left::StillOurs => {}
            Left::Theirs | Left::Kept => self.released("its cordon is not this run's"),
            Left::Lifted | Left::Open => self.released("it takes pods"),
            Left::Unmarked => self.released("nothing of certfleet's is on it"),
            Left::Untouched | Left::Unready => self.not_touched(),
        }
        match (self.cordon.aim, output.status.success()) {
            (NodeState::Drained, true) => drained(left, evicted(output)),
            (NodeState::Drained, false) if left == Left::Unready => Outcome::Unchanged {
                why: "its node is not Ready now: nobody there would end a pod that is evicted".to_owned(),
            },
            (NodeState::Drained, false) => self.not_drained(left, output),
            (NodeState::Released, true) => let_back(left),
            (NodeState::Released, false) => self.not_let_back(output.last_line()),
        }
    }

    fn not_drained(&self, left: Left, output: &Output) -> Outcome {
        let node = &self.cordon.node;
        let gone = match evicted(output) {
            0 => String::new(),
            number => format!("; {number} pods were evicted before that"),
        };
        let state = match left {
            Left::Kept | Left::Theirs | Left::Unmarked => format!("node {node} is cordoned, not by this run"),
            Left::Lifted | Left::Open => format!("node {node} takes pods again"),
            Left::Untouched | Left::Unready => format!("node {node} is as it was"),
            Left::Ours | Left::StillOurs => format!("node {node} is still cordoned"),
        };
        Outcome::Failed {
            what: format!("node {node} could not be drained: {}", refusal(output)),
            state: format!("{state}, and nothing was stopped on {}{gone}", self.step.host),
            next: format!(
                "On {}: `kubectl get pdb --all-namespaces` shows budgets without allowed disruptions. Make room for the pods, or allow more in \
                 the playbook (`drain: {{ timeout, delete-emptydir-data, force }}`), then start again.",
                self.cordon.speaker
            ),
        }
    }

    fn not_let_back(&self, what: String) -> Outcome {
        let (node, speaker) = (&self.cordon.node, &self.cordon.speaker);
        let (state, cure) = if self.step.operation == "unmark" {
            ("as it was, with the mark", unmark_by_hand(node))
        } else {
            ("proven and still cordoned", by_hand(node))
        };
        Outcome::Failed {
            what,
            state: format!("node {node} is {state}"),
            next: format!("On {speaker}: {cure}."),
        }
    }

    fn not_sent(&self, error: &RemoteError) -> Outcome {
        self.not_touched();
        Outcome::Failed {
            what: format!("{}: {error}", self.cordon.speaker),
            state: NOTHING_SENT.to_owned(),
            next: error.remedy(),
        }
    }

    async fn lost(&self, error: &RemoteError) -> Outcome {
        let postcondition = self.step.planned.postcondition.for_run(&self.run.id);
        let outcome = settle_lost(self.run, self.step, &postcondition, error).await;
        if self.cordon.aim == NodeState::Released && outcome.is_good() {
            self.released("looked at after the connection was lost");
        }
        outcome
    }
}

fn drained(left: Left, evicted: usize) -> Outcome {
    let pods = match evicted {
        0 => "no pod had to go".to_owned(),
        1 => "1 pod evicted".to_owned(),
        more => format!("{more} pods evicted"),
    };
    let what = if left == Left::Theirs {
        format!("drained, {pods}; it was cordoned before and stays so")
    } else {
        format!("cordoned and drained, {pods}")
    };
    Outcome::Changed { what }
}

fn let_back(left: Left) -> Outcome {
    let unchanged = |why: &str| Outcome::Unchanged { why: why.to_owned() };
    match left {
        Left::Kept | Left::Theirs => unchanged("it was cordoned before, not by certfleet, and stays so"),
        Left::Open => unchanged("it takes pods already"),
        Left::Unmarked => Outcome::Changed {
            what: "the mark is taken away".to_owned(),
        },
        _ => Outcome::Changed {
            what: "uncordoned".to_owned(),
        },
    }
}
