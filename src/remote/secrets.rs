//! Where passwords come from: a person, through a trait that the command line implements.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Mutex;

use futures::FutureExt;
use futures::future::BoxFuture;
use secrecy::SecretString;
use thiserror::Error;

/// What is asked for. Equal requests are asked once for the whole fleet, but for [`SecretRequest::Question`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum SecretRequest {
    /// The passphrase of a private key file on this machine.
    Passphrase { file: PathBuf },
    /// The password with which a user logs in: to all hosts of the fleet, or to one jump host, which has its own.
    Login { user: String, jump_host: Option<String> },
    /// The password that `sudo` (the user's own) or `su` (root's) asks for.
    Become { method: &'static str, user: String },
    /// A question of keyboard-interactive authentication that is no plain password (a one-time code).
    Question { host: String, text: String, echo: bool },
}

impl SecretRequest {
    /// The password with which a user logs in to the hosts of the fleet.
    pub fn login(user: &str) -> Self {
        SecretRequest::Login {
            user: user.to_owned(),
            jump_host: None,
        }
    }
}

/// The question as a person reads it.
impl fmt::Display for SecretRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            SecretRequest::Passphrase { file } => write!(f, "Passphrase of {}", file.display()),
            SecretRequest::Login { user, jump_host: None } => write!(f, "SSH password of {user} (whole fleet)"),
            SecretRequest::Login {
                user,
                jump_host: Some(hop),
            } => write!(f, "SSH password of {user} on the jump host {hop}"),
            SecretRequest::Become { method, user } => write!(f, "{method} password of {user} (whole fleet)"),
            SecretRequest::Question { host, text, .. } => write!(f, "{host}: {}", text.trim()),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SecretError {
    /// The person pressed Ctrl-C or gave an empty answer.
    #[error("no answer was given")]
    Cancelled,
    /// There is nobody to ask.
    #[error("there is no terminal to ask on")]
    NoTerminal,
}

/// Asks a person. Never called twice at the same time, and once per request, except for one-time codes.
pub trait Secrets: Send + Sync + fmt::Debug {
    /// Waits for the answer; there is no deadline on a person.
    fn ask<'a>(&'a self, request: &'a SecretRequest) -> BoxFuture<'a, Result<SecretString, SecretError>>;
}

/// Nobody to ask: runs without a terminal.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSecrets;

impl Secrets for NoSecrets {
    fn ask<'a>(&'a self, _: &'a SecretRequest) -> BoxFuture<'a, Result<SecretString, SecretError>> {
        futures::future::ready(Err(SecretError::NoTerminal)).boxed()
    }
}

/// Prepared answers, for tests; counts how often it was asked.
#[derive(Debug, Default)]
pub struct FixedSecrets {
    answers: HashMap<SecretRequest, SecretString>,
    asked: Mutex<Vec<SecretRequest>>,
}

impl FixedSecrets {
    /// Adds an answer.
    #[must_use]
    pub fn with(mut self, request: SecretRequest, answer: &str) -> Self {
        self.answers.insert(request, SecretString::from(answer));
        self
    }

    /// Every request so far, in order.
    pub fn asked(&self) -> Vec<SecretRequest> {
        self.asked.lock().map(|a| a.clone()).unwrap_or_default()
    }
}

impl Secrets for FixedSecrets {
    fn ask<'a>(&'a self, request: &'a SecretRequest) -> BoxFuture<'a, Result<SecretString, SecretError>> {
        if let Ok(mut asked) = self.asked.lock() {
            asked.push(request.clone());
        }
        let answer = self.answers.get(request).cloned().ok_or(SecretError::Cancelled);
        futures::future::ready(answer).boxed()
    }
}
