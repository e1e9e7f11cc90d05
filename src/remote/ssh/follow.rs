//! `follow`: lines as they come. The reader never waits for the consumer; what it cannot deliver it keeps, bounded.

use std::collections::VecDeque;

use tokio::sync::{mpsc, oneshot};

use crate::model::Command;
use crate::remote::elevate::Stream;
use crate::remote::error::RemoteError;
use crate::remote::transport::{Line, LineStream};

use super::drain::{Limit, Sink};
use super::fleet::Shared;
use super::slot::Slot;

/// Lines in the channel itself.
const CHANNEL: usize = 256;

/// Bytes kept for a consumer that is behind; a journal flood of 20,000 lines/s fills it in some seconds.
const BACKLOG: usize = 32 * 1024 * 1024;

/// A line longer than this is delivered in pieces.
const LONGEST_LINE: usize = 4 * 1024 * 1024;

struct Lines {
    pending: VecDeque<Line>,
    pending_bytes: usize,
    partial_out: Vec<u8>,
    partial_err: Vec<u8>,
    began: Option<oneshot::Sender<Result<(), RemoteError>>>,
    sender: mpsc::Sender<Result<Line, RemoteError>>,
}

impl Sink for Lines {
    fn began(&mut self) {
        if let Some(began) = self.began.take() {
            let _ = began.send(Ok(()));
        }
    }

    fn push(&mut self, stream: Stream, bytes: &[u8]) -> Result<(), RemoteError> {
        let partial = match stream {
            Stream::Out => &mut self.partial_out,
            Stream::Err => &mut self.partial_err,
        };
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            partial.extend_from_slice(piece);
            if partial.ends_with(b"\n") || partial.len() > LONGEST_LINE {
                let line = finished(std::mem::take(partial), stream);
                self.pending_bytes += length(&line);
                self.pending.push_back(line);
            }
        }
        if self.pending_bytes > BACKLOG {
            return Err(RemoteError::Overrun { bytes: BACKLOG });
        }
        Ok(())
    }

    async fn gone(&mut self) {
        while !self.pending.is_empty() {
            let Ok(place) = self.sender.reserve().await else { return };
            if let Some(line) = self.pending.pop_front() {
                self.pending_bytes -= length(&line);
                place.send(Ok(line));
            }
        }
        self.sender.closed().await;
    }
}

impl Lines {
    /// The rest, then the error if there is one.
    async fn finish(mut self, result: Result<(), RemoteError>) {
        if let Some(began) = self.began.take() {
            let _ = began.send(result);
            return;
        }
        for (partial, stream) in [(self.partial_out, Stream::Out), (self.partial_err, Stream::Err)] {
            if !partial.is_empty() {
                self.pending.push_back(finished(partial, stream));
            }
        }
        let rest = self.pending.into_iter().map(Ok).chain(result.err().map(Err));
        for item in rest {
            if self.sender.send(item).await.is_err() {
                return;
            }
        }
    }
}

fn finished(mut bytes: Vec<u8>, stream: Stream) -> Line {
    if bytes.ends_with(b"\n") {
        bytes.pop();
    }
    match stream {
        Stream::Out => Line::Out(bytes),
        Stream::Err => Line::Err(bytes),
    }
}

fn length(line: &Line) -> usize {
    match line {
        Line::Out(bytes) | Line::Err(bytes) => bytes.len(),
    }
}

impl Slot {
    /// Starts a command and returns once it runs; `command.timeout` limits that start only.
    pub(super) async fn follow(&self, shared: &Shared, command: &Command) -> Result<LineStream, RemoteError> {
        let mut reopened = false;
        loop {
            let connection = self.connection(shared).await?;
            let raise = self.raise(command, &connection.user);
            let way = raise.way;
            let sent = self
                .send(shared, connection, command, raise, Limit::UntilBegun(command.timeout))
                .await;
            let started = match sent {
                Ok((session, talk)) => start(session, talk).await,
                Err(error) => Err(error),
            };
            match started {
                Err(RemoteError::Lost { sent: false }) if !reopened => reopened = true,
                Err(RemoteError::Become(error)) if self.learn(way, &error) => {}
                result => return result,
            }
        }
    }
}

async fn start(session: super::drain::Session, talk: super::drain::Talk) -> Result<LineStream, RemoteError> {
    let (sender, stream) = LineStream::channel(CHANNEL);
    let (began, begun) = oneshot::channel();
    tokio::spawn(async move {
        let mut lines = Lines {
            pending: VecDeque::new(),
            pending_bytes: 0,
            partial_out: Vec::new(),
            partial_err: Vec::new(),
            began: Some(began),
            sender,
        };
        let result = session.drain(talk, &mut lines).await;
        lines.finish(result.map(|_| ())).await;
    });
    begun.await.unwrap_or(Err(RemoteError::Lost { sent: true }))?;
    Ok(stream)
}
