//! Keyboard-interactive: the question for the password gets the fleet's, any other goes to the person each time.
//!
//! A one-time code is good for one login: an answer is never kept, and that one was refused says nothing of the next.

use russh::client::{Handle, Handler, KeyboardInteractiveAuthResponse as Response, Prompt};
use secrecy::ExposeSecret;

use crate::remote::error::RemoteError;
use crate::remote::secrets::SecretRequest;
use crate::remote::ssh::Target;
use crate::remote::vault::Lease;

use super::password::{cut_off, outcome};
use super::{Attempt, Authenticator, exchange, refused, still_there};

const METHOD: &str = "keyboard-interactive";

/// What was answered in one conversation.
#[derive(Debug, Default)]
struct Answered {
    password: Option<Lease>,
    /// The last other question, as the server put it.
    question: Option<String>,
}

impl Authenticator {
    /// Answers until the server has heard enough; `true` when we are in.
    pub(super) async fn interactive<H: Handler>(
        &self,
        handle: &mut Handle<H>,
        target: &Target,
        attempt: &mut Attempt,
    ) -> Result<bool, RemoteError> {
        let mut answered = Answered::default();
        let start = handle.authenticate_keyboard_interactive_start(&target.user, None::<String>);
        let mut response = exchange(target, start).await?;
        while let Response::InfoRequest { prompts, .. } = response {
            let mut answers = Vec::with_capacity(prompts.len());
            for prompt in prompts {
                answers.push(self.reply(target, attempt, &prompt, &mut answered).await?);
            }
            still_there(handle)?;
            response = match exchange(target, handle.authenticate_keyboard_interactive_respond(answers)).await {
                Ok(response) => response,
                Err(error) => return Err(answered.cut_off(handle, target, attempt, error)),
            };
        }
        answered.judge(target, attempt, response)
    }

    async fn reply(
        &self,
        target: &Target,
        attempt: &Attempt,
        prompt: &Prompt,
        answered: &mut Answered,
    ) -> Result<String, RemoteError> {
        let is_password = !prompt.echo && prompt.prompt.to_ascii_lowercase().contains("password");
        if is_password && answered.password.is_none() {
            let lease = self.lease(target, attempt).await?;
            let password = lease.secret().expose_secret().to_owned();
            answered.password = Some(lease);
            return Ok(password);
        }
        let question = prompt.prompt.trim().to_owned();
        let request = SecretRequest::Question {
            host: target.name.clone(),
            text: prompt.prompt.clone(),
            echo: prompt.echo,
        };
        let answer = self.vault.answer_of_now(&request).await.map_err(|why| {
            let unanswered = format!("{METHOD} (it asks `{question}`, and {why})");
            refused(target, &attempt.and(unanswered))
        })?;
        answered.question = Some(question);
        Ok(answer.expose_secret().to_owned())
    }
}

impl Answered {
    /// What the last word of the server means for the password and for the code.
    fn judge(self, target: &Target, attempt: &mut Attempt, response: Response) -> Result<bool, RemoteError> {
        match response {
            Response::Failure {
                partial_success: false, ..
            } => self.refused(target, attempt).map(|()| false),
            other => {
                if let Some(lease) = self.password {
                    lease.accept();
                }
                let success = matches!(other, Response::Success);
                if !success {
                    attempt.tried.push(format!("{METHOD} (accepted)"));
                }
                Ok(success)
            }
        }
    }

    /// Where the password was right before, or none was asked for, the code is what was wrong.
    fn refused(self, target: &Target, attempt: &mut Attempt) -> Result<(), RemoteError> {
        let password_is_right = self.password.as_ref().is_none_or(Lease::is_proven);
        match self.question {
            Some(question) if password_is_right => Err(RemoteError::CodeRefused {
                address: target.address(),
                user: target.user.clone(),
                question,
            }),
            question => {
                attempt.tried.push(told(self.password, question));
                Ok(())
            }
        }
    }

    fn cut_off<H: Handler>(
        self,
        handle: &Handle<H>,
        target: &Target,
        attempt: &Attempt,
        error: RemoteError,
    ) -> RemoteError {
        match self.password {
            Some(lease) => cut_off(handle, target, attempt, lease, error),
            None => error,
        }
    }
}

/// A refusal of both together does not say which was wrong: the password is not sent again.
fn told(password: Option<Lease>, question: Option<String>) -> String {
    let what = password.map_or_else(|| METHOD.to_owned(), |lease| outcome(METHOD, lease, false));
    match question {
        Some(question) => format!("{what} (the password, or the answer to `{question}`)"),
        None => what,
    }
}
