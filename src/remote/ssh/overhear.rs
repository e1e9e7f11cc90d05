//! What a server says in clear text before SSH begins: sshd explains there why it hangs up.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use tokio::io::{self, AsyncRead, AsyncWrite, ReadBuf};

use crate::remote::transport::Duplex;

/// The first bytes are enough: sshd's sentences are short.
const KEPT: usize = 512;
/// What of them goes into a message.
const SHOWN: usize = 120;

/// The first bytes of a stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Vec<u8>>>);

impl Heard {
    /// The first line, when it is not SSH's own.
    pub(super) fn instead_of_ssh(&self) -> Option<String> {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().map(str::trim).find(|l| !l.is_empty())?;
        let plain: String = line.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
        (!plain.starts_with("SSH-") && !plain.is_empty()).then_some(plain)
    }
}

struct Overheard {
    inner: Box<dyn Duplex>,
    heard: Heard,
    full: bool,
}

/// The same stream, and what will be heard on it.
pub(super) fn overhear(inner: Box<dyn Duplex>) -> (Box<dyn Duplex>, Heard) {
    let heard = Heard::default();
    let stream = Overheard {
        inner,
        heard: heard.clone(),
        full: false,
    };
    (Box::new(stream), heard)
}

impl AsyncRead for Overheard {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(cx, buf);
        if !self.full && polled.is_ready() {
            let new = buf.filled().get(before..).unwrap_or_default();
            let mut heard = self.heard.0.lock().unwrap_or_else(PoisonError::into_inner);
            let room = KEPT - heard.len();
            heard.extend(new.iter().take(room));
            let full = heard.len() == KEPT;
            drop(heard);
            self.full = full;
        }
        polled
    }
}

impl AsyncWrite for Overheard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn after(words: &str) -> Option<String> {
        let (mut server, client) = tokio::io::duplex(4096);
        let (mut stream, heard) = overhear(Box::new(client));
        server.write_all(words.as_bytes()).await.expect("written");
        drop(server);
        let mut all = String::new();
        stream.read_to_string(&mut all).await.expect("read");
        assert_eq!(all, words);
        heard.instead_of_ssh()
    }

    #[tokio::test]
    async fn only_words_before_ssh_count() {
        assert_eq!(after("SSH-2.0-OpenSSH_9.2\r\n").await, None);
        assert_eq!(after("").await, None);
        let said = after("Not allowed at this time\r\n").await;
        assert_eq!(said.as_deref(), Some("Not allowed at this time"));
        let long = after(&"x\u{1b}[31m".repeat(400)).await.expect("words");
        assert!(long.len() == SHOWN && !long.contains('\u{1b}'));
    }
}
