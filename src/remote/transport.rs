//! What the engine needs of a fleet: run a command, follow its lines, dial through it.
//!
//! Two implementations: `remote::ssh` (real hosts, and the embedded fleet behind a real SSH server) and
//! `lab::memory` (the embedded fleet without a wire, for tests under paused time).

use std::fmt;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use crate::model::{Command, HostName, Output};

use super::error::RemoteError;

/// A byte stream through a tunnel.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A fleet of hosts, by inventory name. One connection per host for the whole run, opened on first use.
pub trait Transport: Send + Sync + fmt::Debug {
    /// Runs a command to its end. `Ok` means that the exit status is known, whatever it is.
    fn run<'a>(&'a self, host: &'a HostName, command: &'a Command) -> BoxFuture<'a, Result<Output, RemoteError>>;

    /// Starts a command that goes on (`journalctl --follow`); dropping the stream ends it.
    fn follow<'a>(&'a self, host: &'a HostName, command: &'a Command)
    -> BoxFuture<'a, Result<LineStream, RemoteError>>;

    /// Opens a TCP connection from the host to `address:port`, as `ssh -L` does (RFC 4254, 7.2 direct-tcpip).
    fn dial<'a>(
        &'a self,
        host: &'a HostName,
        address: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Duplex>, RemoteError>>;

    /// The text without the passwords that this fleet was given, for whatever is kept or shown.
    fn conceal(&self, text: &str) -> String {
        text.to_owned()
    }
}

/// One item of a followed command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A line of standard output without its newline; bytes, since journals hold what programs wrote.
    Out(Vec<u8>),
    /// A line of standard error.
    Err(Vec<u8>),
}

/// Lines as they come. Ends with `None` after the command ended, or after an error item.
#[derive(Debug)]
pub struct LineStream {
    receiver: mpsc::Receiver<Result<Line, RemoteError>>,
}

impl LineStream {
    /// A stream and its sending half. When the receiver is dropped, `Sender::closed` resolves: end the command then.
    pub fn channel(capacity: usize) -> (mpsc::Sender<Result<Line, RemoteError>>, Self) {
        let (sender, receiver) = mpsc::channel(capacity);
        (sender, Self { receiver })
    }

    /// The next line; cancel safe.
    pub async fn next(&mut self) -> Option<Result<Line, RemoteError>> {
        self.receiver.recv().await
    }
}
