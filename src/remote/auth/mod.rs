//! Proving who we are: key files, agent, certificates, password, keyboard-interactive.
//!
//! Order, as OpenSSH has it: keys named by a person, the agent, the usual names in ~/.ssh, then a password when the
//! inventory allows asking. Few keys are offered: sshd counts each (`MaxAuthTries` 6), and newer ones punish a spray.

mod agent;
mod interactive;
mod keys;
mod offer;
mod password;
mod signer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{AuthResult, Handle, Handler};
use russh::{MethodKind, MethodSet};
use tokio::time::timeout;

use crate::model::host::PasswordSource;

use super::error::RemoteError;
use super::ssh::Target;
use super::vault::Vault;

use agent::Agent;
use keys::KeyStore;

/// Keys that are offered at most; sshd's default allows six failures.
const MAX_OFFERS: usize = 5;

/// Logs in, for the whole fleet: keys are read once, passphrases and passwords asked once.
#[derive(Debug)]
pub struct Authenticator {
    vault: Arc<Vault>,
    keys: KeyStore,
    agent: Agent,
}

/// What has been tried on one connection, and what the server would still take.
#[derive(Debug)]
struct Attempt {
    tried: Vec<String>,
    remaining: Option<MethodSet>,
}

impl Attempt {
    fn allows(&self, method: MethodKind) -> bool {
        self.remaining.as_ref().is_none_or(|set| set.contains(&method))
    }

    /// The same, with one more word for a message.
    fn and(&self, what: String) -> Self {
        Self {
            tried: self.tried.iter().cloned().chain([what]).collect(),
            remaining: self.remaining.clone(),
        }
    }

    /// Notes an answer; `true` when we are in.
    fn note(&mut self, what: String, result: AuthResult) -> bool {
        match result {
            AuthResult::Success => true,
            AuthResult::Failure {
                remaining_methods,
                partial_success,
            } => {
                self.tried.push(if partial_success {
                    format!("{what} (accepted)")
                } else {
                    what
                });
                self.remaining = Some(remaining_methods);
                false
            }
        }
    }
}

impl Authenticator {
    /// `agent` is the socket of an agent; `home` where the usual key names are looked for.
    pub fn new(vault: Arc<Vault>, home: PathBuf, agent: Option<PathBuf>) -> Self {
        Self {
            keys: KeyStore::new(Arc::clone(&vault), home),
            agent: Agent::new(agent),
            vault,
        }
    }

    /// Logs in on a connection whose host key has been checked.
    ///
    /// # Errors
    /// `AuthRefused` (never to be retried), `CodeRefused`, `ConnectTimeout`, `Config` for a wrong passphrase.
    pub async fn log_in<H: Handler>(&self, handle: &mut Handle<H>, target: &Target) -> Result<(), RemoteError> {
        let offers = self.offers(target).await;
        let mut attempt = Attempt {
            tried: offers.notes,
            remaining: None,
        };
        if offers.list.is_empty() {
            let result = exchange(target, handle.authenticate_none(&target.user)).await?;
            if attempt.note("none".to_owned(), result) {
                return Ok(());
            }
            attempt.tried.retain(|t| t != "none");
        }
        attempt.tried.extend(left_out(offers.list.len()));
        for offer in offers.list.into_iter().take(MAX_OFFERS) {
            if !attempt.allows(MethodKind::PublicKey) {
                break;
            }
            if self.try_offer(handle, target, offer, &mut attempt).await? {
                return Ok(());
            }
            still_open(handle, target, &attempt)?;
        }
        if target.password == PasswordSource::Prompt && self.try_password(handle, target, &mut attempt).await? {
            return Ok(());
        }
        Err(refused(target, &attempt))
    }
}

fn left_out(offers: usize) -> Option<String> {
    let more = offers.checked_sub(MAX_OFFERS).filter(|n| *n > 0)?;
    Some(format!(
        "{more} more keys of the agent were not offered, since sshd counts each: name the right one with `identity:`"
    ))
}

/// A server that hangs up after refusals has refused.
fn still_open<H: Handler>(handle: &Handle<H>, target: &Target, attempt: &Attempt) -> Result<(), RemoteError> {
    if !handle.is_closed() {
        return Ok(());
    }
    let mut tried = attempt.tried.join(", ");
    tried.push_str("; then the server closed the connection");
    Err(RemoteError::AuthRefused {
        address: target.address(),
        user: target.user.clone(),
        tried,
    })
}

/// A person took longer to answer than `LoginGraceTime`: nothing was sent, so the login may start again.
fn still_there<H: Handler>(handle: &Handle<H>) -> Result<(), RemoteError> {
    if handle.is_closed() {
        return Err(RemoteError::Lost { sent: false });
    }
    Ok(())
}

fn refused(target: &Target, attempt: &Attempt) -> RemoteError {
    let tried = if attempt.tried.is_empty() {
        "nothing: no key, no agent, no password allowed".to_owned()
    } else {
        attempt.tried.join(", ")
    };
    RemoteError::AuthRefused {
        address: target.address(),
        user: target.user.clone(),
        tried,
    }
}

/// One question to the server, with its deadline.
async fn exchange<T, E: std::fmt::Display>(
    target: &Target,
    future: impl Future<Output = Result<T, E>>,
) -> Result<T, RemoteError> {
    match timeout(auth_deadline(target), future).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(RemoteError::Unreachable {
            address: target.address(),
            reason: format!("the connection broke during authentication ({error})"),
        }),
        Err(_) => Err(RemoteError::ConnectTimeout {
            address: target.address(),
            stage: "authentication",
            after: auth_deadline(target),
        }),
    }
}

/// PAM may be slow on purpose; never less than the person allowed.
fn auth_deadline(target: &Target) -> Duration {
    target.connect_timeout
}
