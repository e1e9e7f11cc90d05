//! `run`: a command to its end.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::model::{Command, ExitStatus, Output};
use crate::remote::elevate::{Dialogue, Stream};
use crate::remote::error::{BecomeError, RemoteError};
use crate::remote::shell::{self, Elevation};
use crate::remote::vault::{Lease, VaultError};

use super::capture::Capture;
use super::connection::Connection;
use super::drain::{Limit, Session, Sink, Talk, is_silent};
use super::fleet::Shared;
use super::retry::token;
use super::slot::{Raise, Slot};

/// Keeps both ends of both streams, and notices when the caller went away.
struct Keep {
    out: Capture,
    err: Capture,
    caller: oneshot::Sender<Result<Output, RemoteError>>,
}

impl Sink for Keep {
    fn began(&mut self) {}

    fn push(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), RemoteError> {
        match stream {
            Stream::Out => self.out.push(bytes),
            Stream::Err => self.err.push(bytes),
        }
        Ok(())
    }

    async fn gone(&mut self) {
        self.caller.closed().await;
    }
}

impl Keep {
    fn finish(self, result: Result<ExitStatus, RemoteError>, started: Instant) {
        let (stdout, cut_out) = self.out.finish();
        let (stderr, cut_err) = self.err.finish();
        let output = result.map(|status| Output {
            status,
            stdout,
            stderr,
            truncated: cut_out || cut_err,
            elapsed: started.elapsed(),
        });
        // The caller may be gone; then nobody wants the answer.
        let _ = self.caller.send(output);
    }
}

impl Slot {
    /// Runs a command. A connection that was lost before anything was sent is opened once more.
    pub(super) async fn run(&self, shared: &Shared, command: &Command) -> Result<Output, RemoteError> {
        let mut reopened = false;
        loop {
            let connection = self.connection(shared).await?;
            let raise = self.raise(command, &connection.user);
            let way = raise.way;
            match self.attempt(shared, connection, command, raise).await {
                Err(RemoteError::Lost { sent: false }) if !reopened => reopened = true,
                Err(RemoteError::Become(error)) if self.learn(way, &error) => {}
                result => return result,
            }
        }
    }

    async fn attempt(
        &self,
        shared: &Shared,
        connection: Arc<Connection>,
        command: &Command,
        raise: Raise,
    ) -> Result<Output, RemoteError> {
        let (session, talk) = self
            .send(shared, connection, command, raise, Limit::Whole(command.timeout))
            .await?;
        let started = Instant::now();
        let (caller, answer) = oneshot::channel();
        tokio::spawn(async move {
            let mut keep = Keep {
                out: Capture::default(),
                err: Capture::default(),
                caller,
            };
            let result = session.drain(talk, &mut keep).await;
            keep.finish(result, started);
        });
        answer.await.unwrap_or(Err(RemoteError::Lost { sent: true }))
    }

    /// Opens a session and sends the line; the password, if one may be needed, is at hand by then.
    pub(super) async fn send(
        &self,
        shared: &Shared,
        connection: Arc<Connection>,
        command: &Command,
        raise: Raise,
        limit: Limit,
    ) -> Result<(Session, Talk), RemoteError> {
        self.check_password_allowed(&raise)?;
        let lease = self.lease(shared, &raise).await?;
        let mark = token();
        let line = shell::line(&command.words, &raise.elevation, &mark, raise.way.terminal);
        let session = Session::open(connection, limit.duration()).await?;
        let talk = Talk {
            silent: is_silent(&raise.prompt),
            program: raise.elevation.program(),
            elevated: raise.elevation != Elevation::None,
            terminal: raise.way.terminal,
            dialogue: Dialogue::new(mark, raise.prompt),
            lease,
            limit,
        };
        session.exec(line, &talk).await?;
        Ok((session, talk))
    }

    async fn lease(&self, shared: &Shared, raise: &Raise) -> Result<Option<Lease>, RemoteError> {
        let Some(request) = &raise.secret else { return Ok(None) };
        let lease = shared.vault.lease(request, self.host.name.as_str()).await;
        let error = match lease {
            Ok(lease) => return Ok(Some(lease)),
            Err(VaultError::Refused(why)) => BecomeError::password(why),
            Err(VaultError::NoAnswer(error)) => BecomeError::Other(format!("a password is required and {error}")),
        };
        Err(RemoteError::Become(error))
    }
}
