//! One running command: where, who, with which streams.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::sleep;

use crate::model::{ExitStatus, HostName};

use super::alarm::{Alarm, Guard};
use super::fleet::Lab;
use super::machine::ExecIo;
use super::node::{Locale, Moment, Node};
use super::world::{HistoryItem, World};

/// Making a key, or a signature, takes a moment: milliseconds.
pub(super) const KEY_WORK: i64 = 80;

/// What a program of the lab has at hand.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) lab: Lab,
    pub(super) host: HostName,
    pub(super) index: usize,
    /// The login user.
    pub(super) user: String,
    /// Now root.
    pub(super) root: bool,
    pub(super) environment: BTreeMap<String, String>,
    line: String,
    stdin: Stdin,
    stdout: Stream,
    stderr: Stream,
    /// `>/dev/null` and `2>/dev/null` of the simple command that runs.
    pub(super) mute: (bool, bool),
}

#[derive(Debug)]
struct Stream {
    to: UnboundedSender<Vec<u8>>,
    guard: Guard,
}

#[derive(Debug)]
struct Stdin {
    from: UnboundedReceiver<Vec<u8>>,
    buffer: Vec<u8>,
}

impl Stdin {
    /// A line without its newline; `None` at the end of input.
    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|b| *b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            match self.from.recv().await {
                Some(bytes) => self.buffer.extend(bytes),
                None => return None,
            }
        }
    }
}

impl Context {
    /// `None` when there is no such host.
    pub(super) fn new(lab: Lab, host: &HostName, user: &str, line: &str, io: ExecIo) -> Option<Self> {
        let index = lab.with(|w| w.nodes.iter().position(|n| n.name == *host))?;
        let stream = |to| Stream {
            to,
            guard: Guard::default(),
        };
        Some(Self {
            lab,
            host: host.clone(),
            index,
            user: user.to_owned(),
            root: user == "root",
            environment: BTreeMap::new(),
            line: line.chars().take(200).collect(),
            stdin: Stdin {
                from: io.stdin,
                buffer: Vec::new(),
            },
            stdout: stream(io.stdout),
            stderr: stream(io.stderr),
            mute: (false, false),
        })
    }

    /// The world as it is now.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        self.lab.with(work)
    }

    /// This host, to look at.
    pub(super) fn node<T>(&self, work: impl FnOnce(&Node) -> T) -> T {
        self.lab.with(|w| work(&w.nodes[self.index]))
    }

    /// This host, to change.
    pub(super) fn change<T>(&self, work: impl FnOnce(&mut Node, &Moment) -> T) -> T {
        self.lab.with(|w| {
            let moment = w.moment();
            work(&mut w.nodes[self.index], &moment)
        })
    }

    /// A slow host takes its time before anything.
    pub(super) async fn delay(&self) {
        self.pause(self.node(|n| n.delay)).await;
    }

    /// Lets lab time pass.
    pub(super) async fn pause(&self, milliseconds: i64) {
        if let Ok(milliseconds @ 1..) = u64::try_from(milliseconds) {
            sleep(Duration::from_millis(milliseconds)).await;
        }
    }

    /// Resolves when nobody reads the output any more.
    pub(super) fn caller_gone(&self) -> impl Future<Output = ()> + use<> {
        let to = self.stdout.to.clone();
        async move { to.closed().await }
    }

    pub(super) fn out(&mut self, text: impl AsRef<[u8]>) {
        if !self.mute.0 {
            Self::write(&self.lab, (&self.host, &self.line), &mut self.stdout, text.as_ref());
        }
    }

    pub(super) fn err(&mut self, text: impl AsRef<[u8]>) {
        if !self.mute.1 {
            Self::write(&self.lab, (&self.host, &self.line), &mut self.stderr, text.as_ref());
        }
    }

    /// A line to stderr and an exit code.
    pub(super) fn fail(&mut self, code: u32, message: impl AsRef<str>) -> ExitStatus {
        self.err(format!("{}\n", message.as_ref()));
        ExitStatus::Code(code)
    }

    /// The beginning of every script that asks for a certificate or installs one: it needs root and room, and keys take a moment.
    pub(super) async fn begin_exchange(&mut self) -> Result<(), ExitStatus> {
        if !self.root || self.node(|n| n.disk_full) {
            return Err(self.fail(1, "cannot write below /run/certfleet"));
        }
        self.pause(KEY_WORK).await;
        Ok(())
    }

    fn write(lab: &Lab, (host, line): (&HostName, &str), stream: &mut Stream, bytes: &[u8]) {
        lab.with(|w| {
            if let Some(what) = stream.guard.look(&w.watch, bytes) {
                w.alarms.push(Alarm {
                    host: host.clone(),
                    line: line.to_owned(),
                    what,
                });
            }
        });
        // A caller that went away is noticed by `caller_gone`.
        let _gone = stream.to.send(bytes.to_vec());
    }

    /// The next line of standard input.
    pub(super) async fn input_line(&mut self) -> Option<String> {
        self.stdin.line().await
    }

    /// Messages are French unless the caller asked for C.
    pub(super) fn french(&self) -> bool {
        let asked = ["LC_ALL", "LC_MESSAGES", "LANG"]
            .iter()
            .find_map(|k| self.environment.get(*k));
        match asked.map(String::as_str) {
            Some(value) if !value.is_empty() => value.starts_with("fr"),
            _ => self.node(|n| n.locale == Locale::French),
        }
    }

    /// Remembers a state-changing command.
    pub(super) fn record(&self, command: impl Into<String>) {
        let (host, command) = (self.host.clone(), command.into());
        self.with(|w| {
            let at_ms = w.now;
            w.history.push(HistoryItem { at_ms, host, command });
        });
    }
}
