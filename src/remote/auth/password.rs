//! A password, plain. Few hosts at a time prove it; see [`crate::remote::vault`].

use russh::MethodKind;
use russh::client::{AuthResult, Handle, Handler};
use secrecy::ExposeSecret;

use crate::remote::error::RemoteError;
use crate::remote::secrets::SecretRequest;
use crate::remote::ssh::Target;
use crate::remote::vault::{Lease, Refusal, VaultError};

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
        let result = match exchange(target, handle.authenticate_password(&target.user, password)).await {
            Ok(result) => result,
            Err(error) => return Err(cut_off(handle, target, attempt, lease, error)),
        };
        let accepted = accepted(&result);
        if attempt.note(outcome("password", lease, accepted), result) {
            return Ok(true);
        }
        if accepted && attempt.allows(MethodKind::KeyboardInteractive) {
            return self.interactive(handle, target, attempt).await;
        }
        Ok(false)
    }

    /// The right to try the password of this host, which for a jump host is one of its own.
    pub(super) async fn lease(&self, target: &Target, attempt: &Attempt) -> Result<Lease, RemoteError> {
        let request = SecretRequest::Login {
            user: target.user.clone(),
            jump_host: target.is_jump_host.then(|| target.name.clone()),
        };
        let lease = self.vault.lease(&request, &target.name).await;
        lease.map_err(|error| refused(target, &attempt.and(not_sent(&error))))
    }
}

fn not_sent(error: &VaultError) -> String {
    let why = match error {
        VaultError::NoAnswer(error) => return format!("password ({error})"),
        VaultError::Refused(Refusal::Here) => "it refused it before, so it was not sent again",
        VaultError::Refused(Refusal::HereAlone) => {
            "it refused the one that other hosts accepted, so it was not sent again"
        }
        VaultError::Refused(Refusal::Elsewhere) => "another host refused it, so it was not sent here",
        VaultError::Refused(Refusal::InARow) => {
            "some hosts accepted it, then two refused it one after the other, so it was not sent here"
        }
    };
    format!("password ({why})")
}

/// Tells the vault what became of the password, and returns how to name the attempt.
pub(super) fn outcome(method: &str, lease: Lease, accepted: bool) -> String {
    if accepted {
        lease.accept();
        return method.to_owned();
    }
    match lease.refuse() {
        Refusal::HereAlone => format!("{method} (other hosts accepted this password, this one has another)"),
        _ => method.to_owned(),
    }
}

/// A server that hangs up on a password has refused it (`MaxAuthTries`); where it was right before, the connection broke.
pub(super) fn cut_off<H: Handler>(
    handle: &Handle<H>,
    target: &Target,
    attempt: &Attempt,
    lease: Lease,
    error: RemoteError,
) -> RemoteError {
    if !handle.is_closed() || lease.is_proven() {
        return error;
    }
    lease.refuse();
    refused(
        target,
        &attempt.and("password, upon which the server closed the connection".to_owned()),
    )
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
