//! Asks a person for passwords, one question at a time, without echo.
//!
//! Our own few lines, where dialoguer asks everything else: it shows its prompt first and ends the echo then, as rpassword does, so
//! that what is typed into that moment is shown and thrown away. Here the echo ends before the prompt, as in readpassphrase(3).

use std::io;

use futures::FutureExt;
use futures::future::BoxFuture;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use secrecy::SecretString;

use super::terminal::print_err;
use crate::remote::{SecretError, SecretRequest, Secrets};
use crate::report::clean;

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
            // A question of the server's own may end with its colon.
            let prompt = format!("{}: ", clean(&request.to_string()).trim_end_matches([':', ' ']));
            // On a thread of its own, so that Ctrl-C is heard meanwhile; `unless_told_to_stop` brings the echo back then.
            let asked = tokio::task::spawn_blocking(move || ask(&prompt)).await;
            match asked {
                Ok(Ok(Some(answer))) => Ok(SecretString::from(answer)),
                _ => Err(SecretError::Cancelled),
            }
        }
        .boxed()
    }
}

/// What was typed, asked for again while it is nothing; `None` at the end of the input.
fn ask(prompt: &str) -> io::Result<Option<String>> {
    let terminal = io::stdin();
    let shown = tcgetattr(&terminal)?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    // The end of the line is shown: the next text begins on its own.
    hidden.local_modes.insert(LocalModes::ECHONL);
    // What was typed before anybody asked is no password.
    tcsetattr(&terminal, OptionalActions::Flush, &hidden)?;
    let answer = first_line(|| print_err(prompt));
    tcsetattr(&terminal, OptionalActions::Drain, &shown)?;
    answer
}

fn first_line(prompt: impl Fn()) -> io::Result<Option<String>> {
    loop {
        prompt();
        let mut line = String::new();
        if io::stdin().read_line(&mut line)? == 0 {
            return Ok(None);
        }
        let typed = line.trim_end_matches(['\r', '\n']).len();
        line.truncate(typed);
        if !line.is_empty() {
            return Ok(Some(line));
        }
    }
}
