//! Certificates for keys that never leave their node: asked for there, signed on another host, installed there. Only
//! requests and certificates pass through here.

use crate::model::{Command, HostName, Outcome, Output};
use crate::plan::{PlannedStep, Postcondition, Relay, fill_run_id};
use crate::probes::relayed;
use crate::remote::RemoteError;

use super::attempt::{record_output, refused, verify};
use super::context::Run;
use super::settle::settle_lost;
use super::step::NOTHING_SENT;
use super::supervise;

/// The first command after those of the relay itself.
const AFTER: usize = 3;

/// Why the certificate did not come.
enum Trouble {
    /// A host said no.
    Refused { host: HostName, what: String },
    /// The command was never sent, or its answer was lost.
    Wire { host: HostName, error: RemoteError },
}

struct Errand<'a> {
    run: &'a Run,
    step: &'a PlannedStep,
    relay: &'a Relay,
    attempt: u32,
}

/// The whole way, then a look whether the postcondition holds.
pub(super) async fn run_relay(run: &Run, step: &PlannedStep, relay: &Relay, postcondition: &Postcondition) -> Outcome {
    let errand = Errand {
        run,
        step,
        relay,
        attempt: run.recorder.step(&step.id).map_or(1, |s| s.tries),
    };
    let certificate = match errand.fetch().await {
        Ok(certificate) => certificate,
        Err(trouble) => {
            errand.discard().await;
            return errand.not_signed(trouble);
        }
    };
    let changed = match errand.install(&certificate).await {
        Ok(()) => errand.the_rest().await,
        Err(trouble) => Err(trouble),
    };
    match changed {
        Ok(()) => match verify(run, step, postcondition).await {
            Ok(seen) => Outcome::Changed {
                what: format!(
                    "{}, signed on {}",
                    seen.unwrap_or_else(|| "done".to_owned()),
                    relay.signer
                ),
            },
            Err(outcome) => outcome,
        },
        Err(Trouble::Refused { what, .. }) => refused(run, step, what).await,
        Err(Trouble::Wire { error, .. }) => settle_lost(run, step, postcondition, &error).await,
    }
}

impl Errand<'_> {
    /// Key and request on the node, then the signature.
    async fn fetch(&self) -> Result<String, Trouble> {
        let node = &self.step.host;
        let asked = self.command(node, 0, &self.relay.request_command()).await?;
        let subjects = self.relay.subjects();
        let request = relayed::requests(&asked, &subjects);
        let request = request.map_err(|e| refusal(node, &e))?;
        let signer = &self.relay.signer;
        let signed = self.command(signer, 1, &self.relay.sign_command(&request)).await?;
        relayed::certificates(&signed, subjects.len()).map_err(|e| refusal(signer, &e))
    }

    async fn install(&self, certificate: &str) -> Result<(), Trouble> {
        let node = &self.step.host;
        let output = self.command(node, 2, &self.relay.install_command(certificate)).await?;
        self.judge(node, &output)
    }

    /// What the plan has beside the relay itself.
    async fn the_rest(&self) -> Result<(), Trouble> {
        for (index, command) in self.step.planned.commands.iter().enumerate().skip(AFTER) {
            let output = self.command(&self.step.host, index, command).await?;
            self.judge(&self.step.host, &output)?;
        }
        Ok(())
    }

    fn judge(&self, host: &HostName, output: &Output) -> Result<(), Trouble> {
        if output.status.success() {
            return Ok(());
        }
        let what = format!("{}: {}: {}", self.step.planned.title, output.status, output.last_line());
        Err(Trouble::Refused {
            host: host.clone(),
            what,
        })
    }

    /// Below the supervisor of the host in question. The record shows the plan's own words, without requests and certificates.
    async fn command(&self, host: &HostName, index: usize, command: &Command) -> Result<Output, Trouble> {
        let command = fill_run_id(command, &self.run.id);
        let job = supervise::job_name(&self.run.id, &self.step.id, self.attempt, index);
        let output = supervise::run_once(self.run, host, &job, &command).await;
        let output = output.map_err(|error| Trouble::Wire {
            host: host.clone(),
            error,
        })?;
        if let Some(planned) = self.step.planned.commands.get(index) {
            record_output(self.run, self.step, (host, &planned.to_string()), &output);
        }
        Ok(output)
    }

    /// Harmless when nothing is there. A host that cannot be reached keeps its key until it is restarted or asked again.
    async fn discard(&self) {
        let _ = self.run.ask(&self.step.host, &self.relay.discard).await;
    }

    fn not_signed(&self, trouble: Trouble) -> Outcome {
        let node = &self.step.host;
        let as_it_was = self.relay.otherwise().to_owned();
        match trouble {
            Trouble::Wire { host, error } if host == *node && error.never_sent() => Outcome::Failed {
                what: error.to_string(),
                state: NOTHING_SENT.to_owned(),
                next: error.remedy(),
            },
            Trouble::Wire { host, error } => Outcome::Failed {
                what: format!("{host}: {error}"),
                state: as_it_was,
                next: error.remedy(),
            },
            Trouble::Refused { host, what } => Outcome::Failed {
                what: format!("{host}: {what}"),
                state: as_it_was,
                next: format!(
                    "Remove what it complains of, then start again; or do it by hand on {node} and {} ({}).",
                    self.relay.signer,
                    self.relay.guide()
                ),
            },
        }
    }
}

fn refusal(host: &HostName, error: &crate::probes::ProbeError) -> Trouble {
    Trouble::Refused {
        host: host.clone(),
        what: error.to_string(),
    }
}
