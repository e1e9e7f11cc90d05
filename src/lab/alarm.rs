//! No private key may leave a host: every byte a command prints is looked at.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::HostName;

use super::pki::{Authority, Leaf};

/// Secret material in an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    pub host: HostName,
    /// The exec line, cut to 200 characters.
    pub line: String,
    /// What was seen, without the secret itself.
    pub what: &'static str,
}

/// PEM headers as such, and as base64 shows them at its three alignments (a kubeconfig's `client-key-data`).
const BLOCKS: [&str; 5] = [
    "PRIVATE KEY-----",
    "LS0tLS1CRUdJTiBQUklWQVRF",
    "LS0tLS1CRUdJTiBFQyBQUklWQVRF",
    "LS0tLS1CRUdJTiBSU0EgUFJJVkFUR",
    "UFJJVkFURSBLRVkt",
];

/// How much of a stream is kept to find what two writes share.
const OVERLAP: usize = 256;

/// How many bytes of a piece are looked up at once.
const HEAD: usize = 16;

/// Knows the secrets of the fleet by a piece of each. By the head of each piece, since a fleet of 300 hosts has a
/// thousand of them, and every byte of every output is looked at.
#[derive(Debug, Clone, Default)]
pub(super) struct Watch {
    pieces: HashMap<[u8; HEAD], Vec<String>>,
}

impl Watch {
    pub(super) fn learn(&mut self, leaf: &Arc<Leaf>) {
        self.learn_pem(&leaf.key_pem);
    }

    pub(super) fn learn_authority(&mut self, authority: &Authority) {
        self.learn_pem(&authority.key_pem);
    }

    /// A credential that is not a key: a bearer token.
    pub(super) fn learn_token(&mut self, token: &str) {
        self.add(token);
    }

    /// The second line of the body: the first begins alike in all keys.
    fn learn_pem(&mut self, pem: &str) {
        if let Some(line) = pem.lines().nth(2) {
            self.add(line);
        }
    }

    /// Keys and tokens are longer than a head; anything shorter would be seen everywhere.
    fn add(&mut self, piece: &str) {
        if let Some(head) = piece.as_bytes().first_chunk() {
            self.pieces.entry(*head).or_default().push(piece.to_owned());
        }
    }

    fn knows(&self, rest: &[u8]) -> bool {
        let found = rest.first_chunk().and_then(|head| self.pieces.get(head));
        found.is_some_and(|pieces| pieces.iter().any(|p| rest.starts_with(p.as_bytes())))
    }

    fn sees(&self, text: &str) -> Option<&'static str> {
        if BLOCKS.iter().any(|b| text.contains(b)) {
            return Some("a private key block");
        }
        let bytes = text.as_bytes();
        let known = (0..bytes.len()).any(|at| self.knows(&bytes[at..]));
        known.then_some("bytes of a private key or token")
    }
}

/// Looks at one stream of one command.
#[derive(Debug, Default)]
pub(super) struct Guard {
    tail: String,
}

impl Guard {
    /// What the stream has shown with this chunk, if it is secret.
    pub(super) fn look(&mut self, watch: &Watch, chunk: &[u8]) -> Option<&'static str> {
        let text = format!("{}{}", self.tail, String::from_utf8_lossy(chunk));
        let seen = watch.sees(&text);
        let mut cut = text.len().saturating_sub(OVERLAP);
        while !text.is_char_boundary(cut) {
            cut += 1;
        }
        self.tail = if seen.is_some() {
            String::new()
        } else {
            text[cut..].to_owned()
        };
        seen
    }
}
