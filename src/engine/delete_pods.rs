//! Deletes the CNI pods that deletion can cure: one node at a time, and never more than the facts of that moment say.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::event::EventKind;
use crate::model::{Host, Outcome};
use crate::plan::{PlannedStep, PodDeletion};
use crate::probes::pods::{Cure, PodFinding};

use super::cni_tokens;
use super::context::Run;
use super::looks::ask_nodes;
use super::pods_view::ask_findings;
use super::redact::shown;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(2);
/// Added to the grace time: after this, what still waits is left to the gate, which names it.
const PATIENCE: Duration = Duration::from_secs(120);
/// A deleted pod's successor on the same node may take this long before the next node's turn.
const TURN: Duration = Duration::from_secs(60);

/// Looks, deletes, looks again, until nothing is left to delete or to wait for.
pub(super) async fn delete_stuck_pods(run: &Run, step: &PlannedStep, deletion: &PodDeletion) -> Outcome {
    let Ok(master) = run.host(&step.host) else {
        return failed(step, "the master is not in the inventory".to_owned());
    };
    let mut work = Deletions {
        run,
        step,
        deletion,
        master,
        deleted: Vec::new(),
        tried: BTreeSet::new(),
        tokens: BTreeSet::new(),
    };
    let deadline = Instant::now() + deletion.grace + PATIENCE;
    loop {
        let findings = match work.look().await {
            Ok(findings) => findings,
            Err(why) if Instant::now() >= deadline => return failed(step, why),
            Err(_) => {
                sleep(PAUSE).await;
                continue;
            }
        };
        match findings.iter().find(|f| work.is_due(f)) {
            Some(due) => match work.delete(due).await {
                Ok(()) => work.wait_for_turn(due).await,
                Err(NotDeleted::Away(_)) if Instant::now() < deadline => sleep(PAUSE).await,
                Err(NotDeleted::Away(what) | NotDeleted::Refused(what)) => return failed(step, what),
            },
            None if is_waiting(&findings) && Instant::now() < deadline && !run.cancel.stopping() => sleep(PAUSE).await,
            None => match work.agent_with_ended_token().await {
                Ok(Some(agent)) => match work.delete(&agent).await {
                    Ok(()) => work.wait_for_turn(&agent).await,
                    // The next look tells whether it is gone; the gate whether the token is new.
                    Err(NotDeleted::Away(_)) => sleep(PAUSE).await,
                    Err(NotDeleted::Refused(what)) => return failed(step, what),
                },
                Ok(None) => return work.outcome(&findings),
                Err(why) => return failed(step, why),
            },
        }
    }
}

fn is_waiting(findings: &[PodFinding]) -> bool {
    findings.iter().any(|f| matches!(f.cure, Cure::Wait { .. }))
}

fn failed(step: &PlannedStep, what: String) -> Outcome {
    Outcome::Failed {
        what,
        state: "the nodes are back; pods of the network plugin may still be stuck".to_owned(),
        next: format!(
            "On {}: `kubectl get pods -A`, delete stuck pods of the network plugin, one node at a time.",
            step.host
        ),
    }
}

/// Why a pod may still be there.
enum NotDeleted {
    /// The connection was lost: the next look tells.
    Away(String),
    /// kubectl said no, or the record cannot be written.
    Refused(String),
}

struct Deletions<'a> {
    run: &'a Run,
    step: &'a PlannedStep,
    deletion: &'a PodDeletion,
    master: &'a Host,
    deleted: Vec<String>,
    /// Namespace, name, and whether by force: nothing is deleted twice the same way.
    tried: BTreeSet<(String, String, bool)>,
    /// Nodes whose agent was deleted for its token.
    tokens: BTreeSet<String>,
}

impl Deletions<'_> {
    async fn look(&self) -> Result<Vec<PodFinding>, String> {
        let nodes = ask_nodes(self.run).await?;
        ask_findings(self.run, self.master, &nodes, self.deletion.grace).await
    }

    fn is_due(&self, finding: &PodFinding) -> bool {
        matches!(finding.cure, Cure::Delete | Cure::ForceDelete) && !self.tried.contains(&key(finding))
    }

    /// The next agent that looks well but left an ended token on its host; each host once.
    async fn agent_with_ended_token(&mut self) -> Result<Option<PodFinding>, String> {
        let nodes = ask_nodes(self.run).await?;
        let ended = cni_tokens::nodes_with_ended_token(self.run, &nodes).await;
        let agents = cni_tokens::agents(self.run, self.master, &ended).await?;
        let next = agents
            .into_iter()
            .find(|a| !a.node.as_ref().is_some_and(|n| self.tokens.contains(n)));
        self.tokens.extend(next.as_ref().and_then(|a| a.node.clone()));
        Ok(next)
    }

    async fn delete(&mut self, finding: &PodFinding) -> Result<(), NotDeleted> {
        self.tried.insert(key(finding));
        let force = finding.cure == Cure::ForceDelete;
        let (namespace, name) = (&finding.namespace, &finding.name);
        let command = if force {
            self.deletion.force_command(namespace, name)
        } else {
            self.deletion.delete_command(namespace, name)
        };
        let output = match self.run.ask(&self.step.host, &command).await {
            Ok(output) => output,
            Err(error) => {
                if error.never_sent() {
                    self.tried.remove(&key(finding));
                }
                return Err(NotDeleted::Away(format!("{namespace}/{name}: {error}")));
            }
        };
        let kind = EventKind::CommandFinished {
            step: self.step.id.clone(),
            host: self.step.host.clone(),
            command: command.to_string(),
            status: output.status.clone(),
            output: shown(&output),
            elapsed: output.elapsed,
        };
        let recorded = self.run.recorder.record(kind);
        recorded.map_err(|e| NotDeleted::Refused(e.to_string()))?;
        let gone = output.stderr_text().contains("NotFound") || output.stderr_text().contains("not found");
        if !output.status.success() && !gone {
            let why = output.last_line();
            return Err(NotDeleted::Refused(format!(
                "{namespace}/{name} could not be deleted: {why}"
            )));
        }
        self.deleted
            .push(format!("{name} on {}", finding.node.as_deref().unwrap_or("no node")));
        Ok(())
    }

    /// One node at a time: the next pod's turn comes when this one is replaced, or after a minute.
    async fn wait_for_turn(&self, finding: &PodFinding) {
        let until = Instant::now() + TURN;
        while Instant::now() < until && !self.run.cancel.stopping() {
            sleep(PAUSE).await;
            let still = match self.look().await {
                Ok(findings) => findings.iter().any(|f| {
                    f.node == finding.node && f.label == finding.label && !matches!(f.cure, Cure::LeaveAlone { .. })
                }),
                Err(_) => true,
            };
            if !still {
                return;
            }
        }
    }

    fn outcome(&self, left: &[PodFinding]) -> Outcome {
        let alone: Vec<String> = left.iter().filter_map(left_alone).collect();
        let alone = if alone.is_empty() {
            String::new()
        } else {
            format!("; left alone: {}", alone.join(", "))
        };
        if self.deleted.is_empty() {
            return Outcome::Unchanged {
                why: format!("no pod of the network plugin is stuck{alone}"),
            };
        }
        Outcome::Changed {
            what: format!("deleted {}{alone}", self.deleted.join(", ")),
        }
    }
}

fn key(finding: &PodFinding) -> (String, String, bool) {
    (
        finding.namespace.clone(),
        finding.name.clone(),
        finding.cure == Cure::ForceDelete,
    )
}

/// Pods that deletion cannot cure are named, with the reason.
fn left_alone(finding: &PodFinding) -> Option<String> {
    match &finding.cure {
        Cure::LeaveAlone { why } => Some(format!(
            "{}/{} is {} ({why})",
            finding.namespace, finding.name, finding.state
        )),
        _ => None,
    }
}
