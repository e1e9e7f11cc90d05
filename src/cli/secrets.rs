//! Asks a person for passwords, one question at a time, without echo.

use futures::FutureExt;
use futures::future::BoxFuture;
use secrecy::SecretString;

use crate::remote::{SecretError, SecretRequest, Secrets};

/// The terminal as a source of passwords.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TerminalSecrets {
    /// Without a terminal every question is answered with an error.
    pub interactive: bool,
}

impl Secrets for TerminalSecrets {
    fn ask<'a>(&'a self, request: &'a SecretRequest) -> BoxFuture<'a, Result<SecretString, SecretError>> {
        async move {
            if !self.interactive {
                return Err(SecretError::NoTerminal);
            }
            let prompt = request.to_string();
            let asked = tokio::task::spawn_blocking(move || dialoguer::Password::new().with_prompt(prompt).interact());
            match asked.await {
                Ok(Ok(answer)) if !answer.is_empty() => Ok(SecretString::from(answer)),
                _ => Err(SecretError::Cancelled),
            }
        }
        .boxed()
    }
}
