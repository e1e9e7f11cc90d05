//! Approves the serving certificates that the fleet's own kubelets ask for, and names every other request.

use std::collections::{BTreeMap, BTreeSet};

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::model::Outcome;
use crate::plan::{PlannedStep, ServingApproval};
use crate::probes::serving_approval::{Approval, Pending, judge, parse};

use super::attempt::record_output;
use super::context::Run;

/// Between two looks.
const PAUSE: Duration = Duration::from_secs(2);
/// The API server may need a moment after the masters' gate; added to the plan's patience only while it does not answer.
const API_PATIENCE: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct Tally {
    /// By node.
    approved: BTreeMap<String, String>,
    tried: BTreeSet<String>,
    left: BTreeMap<String, String>,
}

/// Looks, approves, looks again, until the kubelets that were expected to ask have asked or the patience ends.
pub(super) async fn approve_serving(run: &Run, step: &PlannedStep, approval: &ServingApproval) -> Outcome {
    let mut tally = Tally::default();
    let started = Instant::now();
    loop {
        let waited = started.elapsed();
        match look(run, step, approval, &mut tally).await {
            Ok(()) if tally.is_done(approval) || waited >= approval.patience => return tally.outcome(approval),
            Err(why) if waited >= approval.patience + API_PATIENCE => return failed(step, why),
            Ok(()) | Err(_) if run.cancel.stopping() => return tally.outcome(approval),
            Ok(()) | Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn look(run: &Run, step: &PlannedStep, approval: &ServingApproval, tally: &mut Tally) -> Result<(), String> {
    let output = run
        .ask(&step.host, &approval.requests)
        .await
        .map_err(|e| e.to_string())?;
    let pending = parse(&output).map_err(|e| e.to_string())?;
    tally.left.clear();
    for request in pending {
        match judge(&request, &approval.nodes) {
            Approval::Approve { node } => approve(run, step, (approval, &request, node), tally).await?,
            Approval::Leave { why } => {
                tally.left.insert(request.name, why);
            }
            Approval::Foreign => {}
        }
    }
    Ok(())
}

/// Approving twice is harmless; a refusal is asked about once, then told.
async fn approve(
    run: &Run,
    step: &PlannedStep,
    (approval, request, node): (&ServingApproval, &Pending, String),
    tally: &mut Tally,
) -> Result<(), String> {
    let command = approval.approve_command(&request.name);
    let output = run.ask(&step.host, &command).await.map_err(|e| e.to_string())?;
    record_output(run, step, (&step.host, &command.to_string()), &output);
    if output.status.success() {
        tally.approved.insert(node, request.name.clone());
        return Ok(());
    }
    if tally.tried.insert(request.name.clone()) {
        return Err(format!(
            "{} could not be approved: {}",
            request.name,
            output.last_line()
        ));
    }
    tally.left.insert(request.name.clone(), output.last_line());
    Ok(())
}

fn failed(step: &PlannedStep, why: String) -> Outcome {
    Outcome::Failed {
        what: why,
        state: "requests of kubelets for their serving certificates may still wait".to_owned(),
        next: format!(
            "On {}: `kubectl get csr`, look at what each asks for, `kubectl certificate approve NAME`.",
            step.host
        ),
    }
}

impl Tally {
    fn is_done(&self, approval: &ServingApproval) -> bool {
        approval.expected.iter().all(|node| self.approved.contains_key(node))
    }

    fn outcome(&self, approval: &ServingApproval) -> Outcome {
        let mut more: Vec<String> = self
            .left
            .iter()
            .map(|(name, why)| format!("{name} is left: {why}"))
            .collect();
        let silent: Vec<&str> = approval
            .expected
            .iter()
            .filter(|node| !self.approved.contains_key(*node))
            .map(String::as_str)
            .collect();
        if !silent.is_empty() {
            more.push(format!(
                "no request that may be approved came from {}",
                silent.join(", ")
            ));
        }
        let more: String = more.iter().map(|m| format!("; {m}")).collect();
        if self.approved.is_empty() {
            return Outcome::Unchanged {
                why: format!("no request of a kubelet of this fleet waits{more}"),
            };
        }
        let approved: Vec<String> = self
            .approved
            .iter()
            .map(|(node, name)| format!("{name} of {node}"))
            .collect();
        Outcome::Changed {
            what: format!("approved {}{more}", approved.join(", ")),
        }
    }
}
