//! What can happen between a run and its hosts, beyond the lab's own faults: lines answered by somebody else, streams
//! that break, lines of strangers in a journal.

use std::sync::{Arc, Mutex};

use certfleet::model::{Command, HostName, Output};
use certfleet::remote::{Line, LineStream, RemoteError, Transport, transport::Duplex};
use futures::FutureExt;
use futures::future::BoxFuture;

/// What happens to a command.
#[derive(Debug, Clone)]
pub enum Act {
    /// The host is not asked; this is the answer.
    Answer(Output),
    /// The connection is lost; `true`: after the command was run.
    Lose(bool),
    /// A followed stream ends after so many lines.
    Break(usize),
    /// A followed stream begins with these lines.
    Begin(Vec<String>),
}

/// A transport around another.
#[derive(Debug, Clone)]
pub struct Meddler {
    inner: Arc<dyn Transport>,
    rules: Arc<Mutex<Vec<Rule>>>,
    seen: Arc<Mutex<Vec<String>>>,
}

#[derive(Debug)]
struct Rule {
    host: String,
    line: String,
    act: Act,
    times: u32,
}

impl Meddler {
    pub fn new(inner: Arc<dyn Transport>) -> Self {
        Self {
            inner,
            rules: Arc::default(),
            seen: Arc::default(),
        }
    }

    /// The next `times` commands of the host whose line holds `line`.
    pub fn on(&self, host: &str, line: &str, act: Act, times: u32) {
        let (host, line) = (host.to_owned(), line.to_owned());
        let rule = Rule { host, line, act, times };
        self.rules.lock().expect("no panic before").push(rule);
    }

    /// `HOST LINE` of every command so far.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no panic before").clone()
    }

    fn act(&self, host: &HostName, command: &Command) -> Option<Act> {
        let line = command.to_string();
        self.seen
            .lock()
            .expect("no panic before")
            .push(format!("{host} {line}"));
        let mut rules = self.rules.lock().expect("no panic before");
        let rule = rules
            .iter_mut()
            .find(|r| r.times > 0 && r.host == host.as_str() && line.contains(&r.line))?;
        rule.times -= 1;
        Some(rule.act.clone())
    }
}

/// Copies a stream: first `before`, then at most `most` lines, then the loss.
fn copy(mut from: LineStream, before: Vec<String>, most: usize) -> LineStream {
    let (sender, stream) = LineStream::channel(256);
    tokio::spawn(async move {
        for line in before {
            if sender.send(Ok(Line::Out(line.into_bytes()))).await.is_err() {
                return;
            }
        }
        for _ in 0..most {
            let item = tokio::select! {
                item = from.next() => item,
                () = sender.closed() => return,
            };
            let Some(item) = item else { return };
            if sender.send(item).await.is_err() {
                return;
            }
        }
        // Nobody may be listening any more.
        let _ = sender.send(Err(RemoteError::Lost { sent: true })).await;
    });
    stream
}

impl Transport for Meddler {
    fn run<'a>(&'a self, host: &'a HostName, command: &'a Command) -> BoxFuture<'a, Result<Output, RemoteError>> {
        async move {
            match self.act(host, command) {
                Some(Act::Answer(output)) => Ok(output),
                Some(Act::Lose(false)) => Err(RemoteError::Lost { sent: false }),
                Some(Act::Lose(true)) => {
                    self.inner.run(host, command).await?;
                    Err(RemoteError::Lost { sent: true })
                }
                _ => self.inner.run(host, command).await,
            }
        }
        .boxed()
    }

    fn conceal(&self, text: &str) -> String {
        self.inner.conceal(text)
    }

    fn follow<'a>(
        &'a self,
        host: &'a HostName,
        command: &'a Command,
    ) -> BoxFuture<'a, Result<LineStream, RemoteError>> {
        async move {
            let act = self.act(host, command);
            let stream = self.inner.follow(host, command).await?;
            Ok(match act {
                Some(Act::Break(most)) => copy(stream, Vec::new(), most),
                Some(Act::Begin(lines)) => copy(stream, lines, usize::MAX),
                _ => stream,
            })
        }
        .boxed()
    }

    fn dial<'a>(
        &'a self,
        host: &'a HostName,
        address: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Duplex>, RemoteError>> {
        self.inner.dial(host, address, port)
    }
}
