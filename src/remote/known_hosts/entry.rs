//! One line of a known_hosts file, and a file of them.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use russh::keys::{Algorithm, PublicKey};
use sha1::Sha1;

use crate::remote::pattern;

/// The first field, when it starts with `@`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Marker {
    None,
    CertAuthority,
    Revoked,
}

/// Which hosts a line is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamePattern {
    /// `|1|salt|hash`: HMAC-SHA1 of the name, keyed with the salt.
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
    /// Patterns separated by commas.
    Plain(Vec<String>),
}

/// A line that holds a key.
#[derive(Debug, Clone)]
pub struct Entry {
    pub marker: Marker,
    pub names: NamePattern,
    pub key: PublicKey,
    pub file: PathBuf,
    /// Counted from 1.
    pub line: usize,
}

impl Entry {
    /// Whether the line is about this name (`host`, or `[host]:port`).
    pub fn is_about(&self, name: &str) -> bool {
        match &self.names {
            NamePattern::Hashed { salt, hash } => hashed_matches(salt, hash, name),
            NamePattern::Plain(patterns) => pattern::list_matches(patterns.iter().map(String::as_str), name),
        }
    }

    /// Whether it holds this very key.
    pub fn holds(&self, key: &PublicKey) -> bool {
        self.key.key_data() == key.key_data()
    }

    /// Whether its key has the type of that one.
    pub fn same_type(&self, key: &PublicKey) -> bool {
        type_name(&self.key.algorithm()) == type_name(&key.algorithm())
    }
}

/// `ssh-rsa` whatever the hash: the type of the key, not of a signature.
pub(super) fn type_name(algorithm: &Algorithm) -> String {
    match algorithm {
        Algorithm::Rsa { .. } => "ssh-rsa".to_owned(),
        other => other.as_str().to_owned(),
    }
}

/// The lines of one file. Lines that cannot be read are skipped, as OpenSSH does.
#[derive(Debug, Clone, Default)]
pub struct HostsFile {
    pub entries: Vec<Entry>,
}

impl HostsFile {
    /// Reads a file's text.
    pub fn parse(file: &Path, text: &str) -> Self {
        let lines = text.lines().enumerate();
        let entries = lines.filter_map(|(n, line)| parse_line(file, n + 1, line)).collect();
        Self { entries }
    }
}

fn parse_line(file: &Path, number: usize, line: &str) -> Option<Entry> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let mut fields = line.split_ascii_whitespace();
    let mut first = fields.next()?;
    let marker = match first {
        "@cert-authority" => Marker::CertAuthority,
        "@revoked" => Marker::Revoked,
        other if other.starts_with('@') => return None,
        _ => Marker::None,
    };
    if marker != Marker::None {
        first = fields.next()?;
    }
    Some(Entry {
        marker,
        names: parse_names(first)?,
        key: parse_key(fields.next()?, fields.next()?)?,
        file: file.to_owned(),
        line: number,
    })
}

fn parse_key(kind: &str, base64: &str) -> Option<PublicKey> {
    PublicKey::from_openssh(&format!("{kind} {base64}")).ok()
}

fn parse_names(field: &str) -> Option<NamePattern> {
    let Some(hashed) = field.strip_prefix("|1|") else {
        return Some(NamePattern::Plain(field.split(',').map(str::to_owned).collect()));
    };
    let (salt, hash) = hashed.split_once('|')?;
    Some(NamePattern::Hashed {
        salt: STANDARD.decode(salt).ok()?,
        hash: STANDARD.decode(hash).ok()?,
    })
}

/// OpenSSH lower-cases the name before it hashes or matches it.
fn hashed_matches(salt: &[u8], hash: &[u8], name: &str) -> bool {
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(salt) else {
        return false;
    };
    mac.update(name.to_ascii_lowercase().as_bytes());
    mac.verify_slice(hash).is_ok()
}
