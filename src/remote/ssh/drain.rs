//! One session channel, from its opening to its end. It is always read: an unread channel stalls its whole connection.

use std::sync::Arc;
use std::time::Duration;

use russh::client::Msg;
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Pty, Sig};
use secrecy::ExposeSecret;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use crate::model::ExitStatus;
use crate::remote::elevate::{Act, Dialogue, Prompt, Stream};
use crate::remote::error::{BecomeError, RemoteError};
use crate::remote::vault::Lease;

use super::connection::Connection;

/// Where output goes.
pub(super) trait Sink: Send {
    /// The command itself runs now.
    fn began(&mut self);
    /// Takes output; never waits.
    fn push(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), RemoteError>;
    /// Runs beside the reading; resolves when nobody wants the output any more. Cancel safe.
    fn gone(&mut self) -> impl Future<Output = ()> + Send;
}

/// What one attempt needs.
#[derive(Debug)]
pub(super) struct Talk {
    pub dialogue: Dialogue,
    pub lease: Option<Lease>,
    pub program: &'static str,
    pub elevated: bool,
    pub terminal: bool,
    /// Closes standard input at once: nothing will ask.
    pub silent: bool,
    pub limit: Limit,
}

/// Which time is limited.
#[derive(Debug, Clone, Copy)]
pub(super) enum Limit {
    /// From sending to the exit status.
    Whole(Duration),
    /// From sending to the first sign of life of a command that goes on.
    UntilBegun(Duration),
}

impl Limit {
    pub(super) fn duration(self) -> Duration {
        match self {
            Limit::Whole(d) | Limit::UntilBegun(d) => d,
        }
    }
}

/// An open session.
pub(super) struct Session {
    read: ChannelReadHalf,
    write: ChannelWriteHalf<Msg>,
    /// A followed command outlives the fleet that started it.
    _connection: Arc<Connection>,
    _permit: OwnedSemaphorePermit,
}

/// Opening is tried again when the host says no: another session may be about to end.
const OPEN_TRIES: u32 = 4;

impl Session {
    /// Waits for a free session and opens it.
    pub(super) async fn open(connection: Arc<Connection>, wait: Duration) -> Result<Self, RemoteError> {
        let opening = timeout(wait, open_when_free(&connection)).await;
        let busy = |_| refused("another session", "all sessions of the connection are busy");
        let (channel, permit) = opening.map_err(busy)??;
        let (read, write) = channel.split();
        Ok(Self {
            read,
            write,
            _connection: connection,
            _permit: permit,
        })
    }

    /// Sends the exec request. From here on the command may have run.
    pub(super) async fn exec(&self, line: String, talk: &Talk) -> Result<(), RemoteError> {
        let lost = |_| RemoteError::Lost { sent: false };
        if talk.terminal {
            self.write
                .request_pty(false, "dumb", 200, 50, 0, 0, &RAW)
                .await
                .map_err(lost)?;
        }
        self.write.exec(true, line).await.map_err(lost)?;
        if talk.silent && !talk.terminal {
            self.write.eof().await.map_err(|_| RemoteError::Lost { sent: true })?;
        }
        Ok(())
    }

    /// Reads to the end.
    pub(super) async fn drain(mut self, mut talk: Talk, sink: &mut impl Sink) -> Result<ExitStatus, RemoteError> {
        let deadline = Instant::now() + talk.limit.duration();
        let mut status = None;
        loop {
            let limited = matches!(talk.limit, Limit::Whole(_)) || !talk.dialogue.began();
            let message = tokio::select! {
                message = self.read.wait() => message,
                () = sleep_until(deadline), if limited => {
                    self.abandon().await;
                    return Err(RemoteError::CommandTimeout { after: talk.limit.duration() });
                }
                () = sink.gone() => {
                    self.abandon().await;
                    return Err(RemoteError::Lost { sent: true });
                }
            };
            match message {
                None => break,
                Some(ChannelMsg::Data { data }) => self.take(&mut talk, sink, Stream::Out, &data).await?,
                Some(ChannelMsg::ExtendedData { data, ext: 1 }) => {
                    self.take(&mut talk, sink, Stream::Err, &data).await?;
                }
                Some(ChannelMsg::ExitStatus { exit_status }) => status = Some(ExitStatus::Code(exit_status)),
                Some(ChannelMsg::ExitSignal { signal_name, .. }) => {
                    status = Some(ExitStatus::Signal(signal_text(&signal_name)));
                }
                Some(ChannelMsg::Failure) => return Err(refused("the exec request", "sshd does not allow it")),
                Some(_) => {}
            }
        }
        end(status, &mut talk)
    }

    async fn take(
        &mut self,
        talk: &mut Talk,
        sink: &mut impl Sink,
        stream: Stream,
        data: &[u8],
    ) -> Result<(), RemoteError> {
        if talk.dialogue.began() {
            return self.deliver(sink, stream, data).await;
        }
        let (act, rest) = talk.dialogue.feed(stream, data);
        match act {
            Act::Wait => Ok(()),
            Act::SendPassword => self.send_password(talk.lease.as_ref()).await,
            Act::Began => {
                self.begin(talk, sink).await?;
                self.deliver(sink, stream, &rest).await
            }
            Act::Fail(error) => {
                self.abandon().await;
                Err(refused_root(error, talk))
            }
        }
    }

    async fn begin(&mut self, talk: &mut Talk, sink: &mut impl Sink) -> Result<(), RemoteError> {
        let proven = talk.dialogue.password_sent();
        match talk.lease.take() {
            Some(lease) if proven => lease.accept(),
            _ => {}
        }
        if !talk.silent && !talk.terminal {
            // A command that has ended already closes the channel first; its status is what counts.
            let _ = self.write.eof().await;
        }
        sink.began();
        let early = talk.dialogue.take_early_err();
        self.deliver(sink, Stream::Err, &early).await
    }

    async fn deliver(&self, sink: &mut impl Sink, stream: Stream, data: &[u8]) -> Result<(), RemoteError> {
        let result = sink.push(stream, data);
        if result.is_err() {
            self.abandon().await;
        }
        result
    }

    async fn send_password(&self, lease: Option<&Lease>) -> Result<(), RemoteError> {
        let Some(lease) = lease else { return Ok(()) };
        let line = format!("{}\n", lease.secret().expose_secret());
        let sent = self.write.data_bytes(line.into_bytes()).await;
        sent.map_err(|_| RemoteError::Lost { sent: true })
    }

    /// Ends the command as far as SSH can: a signal, then end of input and of the channel.
    async fn abandon(&self) {
        let _ = self.write.signal(Sig::TERM).await;
        let _ = self.write.eof().await;
        let _ = self.write.close().await;
    }
}

/// No echo of the password, no rewriting of newlines.
const RAW: [(Pty, u32); 3] = [(Pty::ECHO, 0), (Pty::OPOST, 0), (Pty::ONLCR, 0)];

fn end(status: Option<ExitStatus>, talk: &mut Talk) -> Result<ExitStatus, RemoteError> {
    let Some(status) = status else {
        return Err(RemoteError::Lost { sent: true });
    };
    if talk.dialogue.began() {
        return Ok(status);
    }
    if !talk.elevated {
        let reason = format!("the login shell ended first ({status}): {}", talk.dialogue.last_words());
        return Err(refused("the command", &reason));
    }
    let error = talk.dialogue.verdict(talk.program, &status);
    Err(refused_root(error, talk))
}

/// Tells the vault of a wrong password; it knows whether it is wrong on this host alone.
fn refused_root(error: BecomeError, talk: &mut Talk) -> RemoteError {
    RemoteError::Become(match (error, talk.lease.take()) {
        (BecomeError::WrongPassword, Some(lease)) => BecomeError::password(lease.refuse()),
        (error, _) => error,
    })
}

/// A host that says no allows fewer sessions than we thought: then ours wait for each other. The last one is tried a
/// few times more, since sshd may still be ending the one before.
async fn open_when_free(connection: &Connection) -> Result<(russh::Channel<Msg>, OwnedSemaphorePermit), RemoteError> {
    let lost = RemoteError::Lost { sent: false };
    let mut attempt = 1;
    loop {
        let Some(mut permit) = connection.sessions.acquire().await else {
            return Err(lost);
        };
        loop {
            let reason = match timeout(connection.deadline, connection.handle.channel_open_session()).await {
                Ok(Ok(channel)) => return Ok((channel, permit)),
                Ok(Err(russh::Error::ChannelOpenFailure(reason))) => reason,
                Ok(Err(_)) => return Err(lost),
                Err(_) => return Err(refused("a session", "no answer in time")),
            };
            match connection.sessions.give_up(permit) {
                Ok(()) => break,
                Err(_) if attempt == OPEN_TRIES => return Err(refused("another session", &format!("{reason:?}"))),
                Err(last) => permit = last,
            }
            sleep(Duration::from_millis(150) * attempt).await;
            attempt += 1;
        }
    }
}

fn refused(what: &'static str, reason: &str) -> RemoteError {
    RemoteError::ChannelRefused {
        what,
        reason: reason.to_owned(),
    }
}

fn signal_text(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.clone(),
        other => format!("{other:?}"),
    }
}

/// What standard input is for, from the prompt that may come.
pub(super) fn is_silent(prompt: &Prompt) -> bool {
    *prompt == Prompt::Never
}
