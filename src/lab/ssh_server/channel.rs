//! Bytes between a session channel and a command.
//!
//! Reader and writer are two tasks: one that did both would hang once both windows are full, and a channel that is
//! not read stops every other channel of its connection.

use russh::server::{Handle, Msg};
use russh::{ChannelId, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Sig};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;

use crate::model::ExitStatus;

/// What a client sends to a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Input {
    Bytes(Vec<u8>),
    Eof,
    /// Name without `SIG`.
    Signal(String),
}

/// The client's side of standard input.
#[derive(Debug)]
pub(super) struct Inbox {
    receiver: UnboundedReceiver<Input>,
    /// The client will send no more bytes.
    pub(super) ended: bool,
}

impl Inbox {
    /// An inbox and its sending half, for [`pump_in`].
    pub(super) fn channel() -> (UnboundedSender<Input>, Self) {
        let (sender, receiver) = unbounded_channel();
        (sender, Self { receiver, ended: false })
    }

    /// The next item; `None` when the client is gone. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Input> {
        let item = self.receiver.recv().await;
        self.ended |= matches!(item, None | Some(Input::Eof));
        item
    }
}

/// Where a command writes. With a terminal both streams are one, and lines end in CR LF.
#[derive(Debug, Clone)]
pub(super) struct Screen {
    pub(super) stdout: UnboundedSender<Vec<u8>>,
    pub(super) stderr: UnboundedSender<Vec<u8>>,
    pub(super) terminal: bool,
}

impl Screen {
    /// A screen and its reading half, for [`pump_out`].
    pub(super) fn new(terminal: bool) -> (Self, Output) {
        let (stdout, out) = unbounded_channel();
        let (separate, err) = unbounded_channel();
        let stderr = if terminal { stdout.clone() } else { separate };
        let screen = Self {
            stdout,
            stderr,
            terminal,
        };
        (screen, Output { out, err, terminal })
    }

    /// Writes text of the server's own; a client that has gone does not read it.
    pub(super) fn print(&self, text: impl Into<Vec<u8>>) {
        let _ = self.stdout.send(text.into());
    }
}

/// What is to be sent to the client.
#[derive(Debug)]
pub(super) struct Output {
    out: UnboundedReceiver<Vec<u8>>,
    err: UnboundedReceiver<Vec<u8>>,
    terminal: bool,
}

/// Reads the channel until the client closes it or is gone, then cancels `gone`.
pub(super) async fn pump_in(mut half: ChannelReadHalf, input: UnboundedSender<Input>, gone: CancellationToken) {
    while let Some(Some(message)) = gone.run_until_cancelled(half.wait()).await {
        let item = match message {
            ChannelMsg::Data { data } => Input::Bytes(data.to_vec()),
            ChannelMsg::Eof => Input::Eof,
            ChannelMsg::Signal { signal } => Input::Signal(signal_name(&signal)),
            ChannelMsg::Close => break,
            _ => continue,
        };
        // A command that has ended reads no more; the channel must be drained all the same.
        let _ = input.send(item);
    }
    gone.cancel();
}

/// Writes until every sender is gone, then gives the half back. `None`: the client is gone, and the receivers closed.
pub(super) async fn pump_out(
    half: ChannelWriteHalf<Msg>,
    mut output: Output,
    gone: CancellationToken,
) -> Option<ChannelWriteHalf<Msg>> {
    let copied = gone.run_until_cancelled(copy(&half, &mut output)).await;
    copied.and_then(Result::ok).map(|()| half)
}

async fn copy(half: &ChannelWriteHalf<Msg>, output: &mut Output) -> Result<(), russh::Error> {
    loop {
        tokio::select! {
            Some(bytes) = output.out.recv() => half.data_bytes(shape(bytes, output.terminal)).await?,
            Some(bytes) = output.err.recv() => half.extended_data_bytes(1, bytes).await?,
            else => return Ok(()),
        }
    }
}

/// What a terminal driver does to output: `\n` becomes CR LF.
fn shape(bytes: Vec<u8>, terminal: bool) -> Vec<u8> {
    if !terminal {
        return bytes;
    }
    let mut shaped = Vec::with_capacity(bytes.len() + 16);
    for byte in bytes {
        if byte == b'\n' && shaped.last() != Some(&b'\r') {
            shaped.push(b'\r');
        }
        shaped.push(byte);
    }
    shaped
}

/// EOF, how the command ended, close: the order of OpenSSH, which sends EOF before an exit-signal.
pub(super) async fn finish(
    half: &ChannelWriteHalf<Msg>,
    session: &Handle,
    status: ExitStatus,
) -> Result<(), russh::Error> {
    half.eof().await?;
    match status {
        ExitStatus::Code(code) => half.exit_status(code).await?,
        ExitStatus::Signal(name) => exit_signal(session, half.id(), &name).await?,
    }
    half.close().await
}

async fn exit_signal(session: &Handle, id: ChannelId, name: &str) -> Result<(), russh::Error> {
    let sending = session.exit_signal_request(id, signal(name), false, String::new(), String::new());
    sending.await.map_err(|()| russh::Error::SendError)
}

const SIGNALS: [(&str, Sig); 12] = [
    ("ABRT", Sig::ABRT),
    ("ALRM", Sig::ALRM),
    ("FPE", Sig::FPE),
    ("HUP", Sig::HUP),
    ("ILL", Sig::ILL),
    ("INT", Sig::INT),
    ("KILL", Sig::KILL),
    ("PIPE", Sig::PIPE),
    ("QUIT", Sig::QUIT),
    ("SEGV", Sig::SEGV),
    ("TERM", Sig::TERM),
    ("USR1", Sig::USR1),
];

fn signal(name: &str) -> Sig {
    let known = SIGNALS.into_iter().find(|(n, _)| *n == name);
    known.map_or_else(|| Sig::Custom(name.to_owned()), |(_, signal)| signal)
}

fn signal_name(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.clone(),
        // The variants are named as RFC 4254, 6.10 names the signals.
        known => format!("{known:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signal_names_survive_the_way_there_and_back() {
        for name in ["TERM", "KILL", "INT", "WINCH@lab"] {
            assert_eq!(signal_name(&signal(name)), name);
        }
    }

    #[test]
    fn only_a_terminal_gets_carriage_returns() {
        assert_eq!(shape(b"a\nb\r\n".to_vec(), true), b"a\r\nb\r\n");
        assert_eq!(shape(b"a\nb\r\n".to_vec(), false), b"a\nb\r\n");
    }
}
