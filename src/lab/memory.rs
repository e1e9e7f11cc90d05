//! The fleet without a wire: `Transport` straight onto the machines, for tests under paused time.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

use crate::model::{Command, ExitStatus, HostName, Output, RunAs, shell_words};
use crate::remote::RemoteError;
use crate::remote::error::BecomeError;
use crate::remote::transport::{Duplex, Line, LineStream, Transport};

use super::faults::Fault;
use super::fleet::Lab;
use super::machine::{ExecIo, Machine};

/// A transport in memory. Root rights are had as on the host: without a password, or with the one given here.
#[derive(Debug, Clone)]
pub struct MemoryFleet {
    lab: Lab,
    /// They never change.
    hosts: Vec<HostName>,
    password: Option<String>,
}

/// The receiving ends of one command.
struct Pipes {
    stdout: mpsc::UnboundedReceiver<Vec<u8>>,
    stderr: mpsc::UnboundedReceiver<Vec<u8>>,
}

fn pipes() -> (ExecIo, Pipes) {
    // The sender of stdin is dropped: end of input.
    let (_, stdin) = mpsc::unbounded_channel();
    let (out, stdout) = mpsc::unbounded_channel();
    let (err, stderr) = mpsc::unbounded_channel();
    (
        ExecIo {
            stdin,
            stdout: out,
            stderr: err,
        },
        Pipes { stdout, stderr },
    )
}

/// How long a command has run when its connection is lost.
const BEGUN: Duration = Duration::from_millis(30);
/// As `remote::ssh` does.
const CONNECT_ATTEMPTS: usize = 8;

impl MemoryFleet {
    /// For hosts whose sudo wants no password.
    pub fn new(lab: Lab) -> Self {
        Self {
            hosts: lab.inventory_hosts(),
            lab,
            password: None,
        }
    }

    /// Answers sudo's question with this password.
    pub fn with_password(lab: Lab, password: impl Into<String>) -> Self {
        Self {
            password: Some(password.into()),
            ..Self::new(lab)
        }
    }

    /// The fleet behind it.
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Who runs the command, and the line of the exec request.
    fn prepare(&self, host: &HostName, command: &Command) -> Result<(&'static str, String), RemoteError> {
        if !self.hosts.contains(host) {
            return Err(RemoteError::NoSuchHost(host.to_string()));
        }
        // Refused connections are tried again, as `remote::ssh` does before anything is sent.
        if (0..CONNECT_ATTEMPTS).all(|_| self.lab.refuses_connection(host)) {
            let reason = "Connection reset by peer (os error 104)".to_owned();
            return Err(RemoteError::Unreachable {
                address: host.to_string(),
                reason,
            });
        }
        let line = shell_words::join(command.words.iter().map(String::as_str));
        match command.run_as {
            RunAs::Login => Ok(("ops", line)),
            RunAs::Root => self
                .become_root(host)
                .map(|()| ("root", format!("env LC_ALL=C LANGUAGE= {line}"))),
        }
    }

    fn become_root(&self, host: &HostName) -> Result<(), RemoteError> {
        match (self.lab.sudo_password(host), self.password.as_deref()) {
            (None, _) => Ok(()),
            (Some(wanted), Some(given)) if wanted == given => Ok(()),
            (Some(_), Some(_)) => Err(RemoteError::Become(BecomeError::WrongPassword)),
            (Some(_), None) => Err(RemoteError::Become(BecomeError::PasswordRequired)),
        }
    }

    async fn run_now(&self, host: &HostName, command: &Command) -> Result<Output, RemoteError> {
        let (user, line) = self.prepare(host, command)?;
        let fault = self.lab.take_fault(host, &line);
        if fault == Some(Fault::DropBefore) {
            return Err(RemoteError::Lost { sent: false });
        }
        let started = Instant::now();
        let (io, mut pipes) = pipes();
        if fault == Some(Fault::DropDuring) {
            // Long enough to have begun; what is not supervised ends with its caller.
            let _ = timeout(BEGUN, self.lab.exec(host, user, line, io)).await;
            return Err(RemoteError::Lost { sent: true });
        }
        let status = self.lab.exec(host, user, line, io).await;
        if fault == Some(Fault::DropAfter) {
            return Err(RemoteError::Lost { sent: true });
        }
        Ok(Output {
            status,
            stdout: drain(&mut pipes.stdout),
            stderr: drain(&mut pipes.stderr),
            truncated: false,
            elapsed: started.elapsed(),
        })
    }
}

/// What has been written; the writer is gone.
fn drain(from: &mut mpsc::UnboundedReceiver<Vec<u8>>) -> Vec<u8> {
    let mut all = Vec::new();
    while let Ok(chunk) = from.try_recv() {
        all.extend(chunk);
    }
    all
}

impl Transport for MemoryFleet {
    fn run<'a>(&'a self, host: &'a HostName, command: &'a Command) -> BoxFuture<'a, Result<Output, RemoteError>> {
        async move {
            let after = command.timeout;
            let ended = timeout(after, self.run_now(host, command)).await;
            ended.unwrap_or(Err(RemoteError::CommandTimeout { after }))
        }
        .boxed()
    }

    fn conceal(&self, text: &str) -> String {
        match &self.password {
            Some(password) => text.replace(password.as_str(), "[password masked]"),
            None => text.to_owned(),
        }
    }

    fn follow<'a>(
        &'a self,
        host: &'a HostName,
        command: &'a Command,
    ) -> BoxFuture<'a, Result<LineStream, RemoteError>> {
        async move {
            let (user, line) = self.prepare(host, command)?;
            let fault = self.lab.take_fault(host, &line);
            if fault == Some(Fault::DropBefore) {
                return Err(RemoteError::Lost { sent: false });
            }
            let (sender, stream) = LineStream::channel(256);
            let (lab, host) = (self.lab.clone(), host.clone());
            tokio::spawn(async move {
                let (io, pipes) = pipes();
                let program = lab.exec(&host, user, line, io);
                tokio::select! {
                    () = forward(program, pipes, &sender) => {}
                    () = sender.closed() => {}
                }
            });
            Ok(stream)
        }
        .boxed()
    }

    fn dial<'a>(
        &'a self,
        host: &'a HostName,
        address: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Duplex>, RemoteError>> {
        async move {
            if !self.hosts.contains(host) {
                return Err(RemoteError::NoSuchHost(host.to_string()));
            }
            let refused = |reason| RemoteError::TunnelRefused {
                target: format!("{address}:{port}"),
                reason,
            };
            self.lab.dial(host, address, port).await.map_err(refused)
        }
        .boxed()
    }
}

type MakeLine = fn(Vec<u8>) -> Line;

/// Sends lines as they come, until the program ends or the follower goes away.
async fn forward(
    program: BoxFuture<'_, ExitStatus>,
    mut pipes: Pipes,
    sender: &mpsc::Sender<Result<Line, RemoteError>>,
) {
    let lines = async {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        loop {
            let (buffer, chunk, make): (_, _, MakeLine) = tokio::select! {
                Some(chunk) = pipes.stdout.recv() => (&mut out, chunk, Line::Out),
                Some(chunk) = pipes.stderr.recv() => (&mut err, chunk, Line::Err),
                else => return,
            };
            buffer.extend(chunk);
            while let Some(end) = buffer.iter().position(|b| *b == b'\n') {
                let mut line: Vec<u8> = buffer.drain(..=end).collect();
                line.pop();
                if sender.send(Ok(make(line))).await.is_err() {
                    return;
                }
            }
        }
    };
    tokio::join!(program.map(drop), lines);
}
