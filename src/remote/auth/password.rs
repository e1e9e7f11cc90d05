//! Password and keyboard-interactive. One host proves a password before any other may try it.

use russh::MethodKind;
use russh::client::{AuthResult, Handle, Handler, KeyboardInteractiveAuthResponse as Response, Prompt};
use secrecy::ExposeSecret;

use crate::remote::error::RemoteError;
use crate::remote::secrets::SecretRequest;
use crate::remote::ssh::Target;
use crate::remote::vault::{Lease, VaultError};

use super::{Attempt, Authenticator, exchange, refused, still_there};

impl Authenticator {
    /// Tries whichever of the two the server offers; `true` when we are in.
    pub(super) async fn try_password<H: Handler>(
        &self,
        handle: &mut Handle<H>,
        target: &Target,
        attempt: &mut Attempt,
    ) -> Result<bool, RemoteError> {
        if attempt.allows(MethodKind::Password) {
            return self.plain_password(handle, target, attempt).await;
        }
        if attempt.allows(MethodKind::KeyboardInteractive) {
            return self.interactive(handle, target, attempt).await;
        }
        Ok(false)
    }

    async fn plain_password<H: Handler>(
        &self,
        handle: &mut Handle<H>,
        target: &Target,
        attempt: &mut Attempt,
    ) -> Result<bool, RemoteError> {
        let lease = self.lease(target, attempt).await?;
        still_there(handle)?;
        let password = lease.secret().expose_secret().to_owned();
        let result = exchange(target, handle.authenticate_password(&target.user, password)).await?;
        let accepted = accepted(&result);
        if accepted {
            lease.accept();
        } else {
            lease.refuse();
        }
        if attempt.note("password".to_owned(), result) {
            return Ok(true);
        }
        if accepted && attempt.allows(MethodKind::KeyboardInteractive) {
            return self.interactive(handle, target, attempt).await;
        }
        Ok(false)
    }

    async fn interactive<H: Handler>(
        &self,
        handle: &mut Handle<H>,
        target: &Target,
        attempt: &mut Attempt,
    ) -> Result<bool, RemoteError> {
        let mut lease = None;
        let start = handle.authenticate_keyboard_interactive_start(&target.user, None::<String>);
        let mut response = exchange(target, start).await?;
        while let Response::InfoRequest { prompts, .. } = response {
            let mut answers = Vec::with_capacity(prompts.len());
            for prompt in prompts {
                answers.push(self.reply(target, attempt, &prompt, &mut lease).await?);
            }
            still_there(handle)?;
            response = exchange(target, handle.authenticate_keyboard_interactive_respond(answers)).await?;
        }
        let success = matches!(response, Response::Success);
        match lease {
            Some(lease) if success => lease.accept(),
            Some(lease) => lease.refuse(),
            None => {}
        }
        if !success {
            attempt.tried.push("keyboard-interactive".to_owned());
        }
        Ok(success)
    }

    async fn reply(
        &self,
        target: &Target,
        attempt: &Attempt,
        prompt: &Prompt,
        lease: &mut Option<Lease>,
    ) -> Result<String, RemoteError> {
        if !prompt.echo && prompt.prompt.to_ascii_lowercase().contains("password") && lease.is_none() {
            let granted = self.lease(target, attempt).await?;
            let password = granted.secret().expose_secret().to_owned();
            *lease = Some(granted);
            return Ok(password);
        }
        let request = SecretRequest::Question {
            host: target.alias.clone(),
            text: prompt.prompt.clone(),
            echo: prompt.echo,
        };
        let answer = self.vault.answer(&request).await;
        answer
            .map(|a| a.expose_secret().to_owned())
            .map_err(|_| refused(target, attempt))
    }

    async fn lease(&self, target: &Target, attempt: &Attempt) -> Result<Lease, RemoteError> {
        let request = SecretRequest::Login {
            user: target.user.clone(),
        };
        self.vault.lease(&request).await.map_err(|error| {
            let why = match error {
                VaultError::NoAnswer(error) => format!("password ({error})"),
                VaultError::RefusedElsewhere => {
                    "password (another host refused it, so it was not sent here)".to_owned()
                }
            };
            let tried = attempt
                .tried
                .iter()
                .cloned()
                .chain([why])
                .collect::<Vec<_>>()
                .join(", ");
            RemoteError::AuthRefused {
                address: target.address(),
                user: target.user.clone(),
                tried,
            }
        })
    }
}

/// Accepted, or accepted as the first of two factors.
fn accepted(result: &AuthResult) -> bool {
    matches!(
        result,
        AuthResult::Success
            | AuthResult::Failure {
                partial_success: true,
                ..
            }
    )
}
