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
#[derive(Debug, Clone)]
pub(super) struct Watch {
    pieces: HashMap<[u8; HEAD], Vec<String>>,
    /// One bit per hash of a head: most places of most outputs are none, and need no look into the map.
    heads: Vec<u64>,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            pieces: HashMap::new(),
            heads: vec![0; 1024],
        }
    }
}

/// Word and bit of a head in `Watch::heads`.
fn slot(head: &[u8; HEAD]) -> (usize, u64) {
    let (low, high) = head.split_at(8);
    let number = |half: &[u8]| half.iter().fold(0_u64, |n, b| (n << 8) | u64::from(*b));
    let hash = (number(low) ^ number(high).rotate_left(29)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (usize::try_from(hash >> 54).unwrap_or(0), 1 << ((hash >> 48) & 63))
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
            let (word, bit) = slot(head);
            self.heads[word] |= bit;
            self.pieces.entry(*head).or_default().push(piece.to_owned());
        }
    }

    fn may_know(&self, rest: &[u8]) -> bool {
        rest.first_chunk().is_some_and(|head| {
            let (word, bit) = slot(head);
            self.heads[word] & bit != 0
        })
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
        // Keys and tokens have no blanks: only words as long as a head are looked at.
        let mut word = 0;
        for (at, byte) in bytes.iter().enumerate() {
            word = if *byte > b' ' { word + 1 } else { 0 };
            if word >= HEAD && self.may_know(&bytes[at + 1 - HEAD..]) && self.knows(&bytes[at + 1 - HEAD..]) {
                return Some("bytes of a private key or token");
            }
        }
        None
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
