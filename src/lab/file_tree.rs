//! The files of one host: paths, contents that remember what they are, symlinks.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;

use super::pki::{Authority, Leaf};

/// What a file holds.
#[derive(Debug, Clone)]
pub(super) enum Content {
    Text(String),
    Certificate(Arc<Leaf>),
    Key(Arc<Leaf>),
    /// Certificate and key in one PEM file, as the kubelet keeps its client certificate.
    Bundle(Arc<Leaf>),
    /// The same with the key of another certificate.
    Mismatched {
        leaf: Arc<Leaf>,
        key: Arc<Leaf>,
    },
    Kubeconfig {
        server: String,
        ca: Arc<Authority>,
        leaf: Arc<Leaf>,
    },
    CaCertificate(Arc<Authority>),
    CaKey(Arc<Authority>),
    Link(String),
}

/// One file.
#[derive(Debug, Clone)]
pub(super) struct File {
    pub(super) content: Content,
    pub(super) mode: u32,
    pub(super) modified: Timestamp,
}

/// What was found at a path after following links.
#[derive(Debug)]
pub(super) enum Found<'a> {
    File(&'a File),
    Missing,
    Dangling(String),
}

/// All files of a host, by absolute path; folders are implied.
#[derive(Debug, Clone, Default)]
pub(super) struct FileTree {
    files: BTreeMap<String, File>,
}

impl Content {
    /// The leaf in the file, if there is one.
    pub(super) fn leaf(&self) -> Option<&Arc<Leaf>> {
        match self {
            Content::Certificate(leaf)
            | Content::Bundle(leaf)
            | Content::Mismatched { leaf, .. }
            | Content::Kubeconfig { leaf, .. } => Some(leaf),
            _ => None,
        }
    }

    /// The same kind of file around another leaf.
    pub(super) fn with_leaf(self, leaf: Arc<Leaf>) -> Self {
        match self {
            Content::Certificate(_) => Content::Certificate(leaf),
            Content::Key(_) => Content::Key(leaf),
            Content::Bundle(_) | Content::Mismatched { .. } => Content::Bundle(leaf),
            Content::Kubeconfig { server, ca, .. } => Content::Kubeconfig { server, ca, leaf },
            other => other,
        }
    }

    fn secret(&self) -> bool {
        !matches!(
            self,
            Content::Text(_) | Content::Certificate(_) | Content::CaCertificate(_) | Content::Link(_)
        )
    }

    /// The bytes as `cat` would show them.
    pub(super) fn text(&self) -> String {
        match self {
            Content::Text(text) => text.clone(),
            Content::Certificate(leaf) => leaf.pem.clone(),
            Content::Key(leaf) => leaf.key_pem.clone(),
            Content::Bundle(leaf) => format!("{}{}", leaf.pem, leaf.key_pem),
            Content::Mismatched { leaf, key } => format!("{}{}", leaf.pem, key.key_pem),
            Content::Kubeconfig { server, ca, leaf } => kubeconfig(server, ca, leaf),
            Content::CaCertificate(ca) => ca.pem.clone(),
            Content::CaKey(ca) => ca.key_pem.clone(),
            Content::Link(target) => target.clone(),
        }
    }
}

fn kubeconfig(server: &str, ca: &Authority, leaf: &Leaf) -> String {
    let user = &leaf.spec.common_name;
    format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {}\n    server: {server}\n  name: kubernetes\n\
         contexts:\n- context:\n    cluster: kubernetes\n    user: {user}\n  name: {user}@kubernetes\n\
         current-context: {user}@kubernetes\nkind: Config\npreferences: {{}}\nusers:\n- name: {user}\n  user:\n    \
         client-certificate-data: {}\n    client-key-data: {}\n",
        BASE64.encode(&ca.pem),
        BASE64.encode(&leaf.pem),
        BASE64.encode(&leaf.key_pem),
    )
}

impl FileTree {
    /// Writes a file; secrets get mode 0600, the rest 0644.
    pub(super) fn put(&mut self, path: impl Into<String>, content: Content, modified: Timestamp) {
        let mode = if content.secret() { 0o600 } else { 0o644 };
        self.put_with_mode(path, content, modified, mode);
    }

    pub(super) fn put_with_mode(&mut self, path: impl Into<String>, content: Content, modified: Timestamp, mode: u32) {
        self.files.insert(
            path.into(),
            File {
                content,
                mode,
                modified,
            },
        );
    }

    pub(super) fn remove(&mut self, path: &str) -> Option<File> {
        self.files.remove(path)
    }

    pub(super) fn insert(&mut self, path: impl Into<String>, file: File) {
        self.files.insert(path.into(), file);
    }

    /// The entry itself, links not followed.
    pub(super) fn entry(&self, path: &str) -> Option<&File> {
        self.files.get(path)
    }

    /// What a program sees that opens the path.
    pub(super) fn find(&self, path: &str) -> Found<'_> {
        match self.files.get(path) {
            None => Found::Missing,
            Some(File {
                content: Content::Link(target),
                ..
            }) => {
                let target = absolute(path, target);
                match self.files.get(&target) {
                    Some(file) => Found::File(file),
                    None => Found::Dangling(target),
                }
            }
            Some(file) => Found::File(file),
        }
    }

    /// The leaf a program would load from the path.
    pub(super) fn leaf(&self, path: &str) -> Option<Arc<Leaf>> {
        match self.find(path) {
            Found::File(file) => file.content.leaf().cloned(),
            Found::Missing | Found::Dangling(_) => None,
        }
    }

    /// Every file below a folder.
    pub(super) fn below<'a>(&'a self, folder: &'a str) -> impl Iterator<Item = (&'a String, &'a File)> + 'a {
        let inside = move |path: &str| path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        self.files.iter().filter(move |(path, _)| inside(path))
    }

    /// `rm -rf` of a folder.
    pub(super) fn remove_below(&mut self, folder: &str) {
        self.files
            .retain(|path, _| !path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')));
    }

    /// A folder exists if something is in it.
    pub(super) fn is_folder(&self, path: &str) -> bool {
        self.below(path.trim_end_matches('/')).next().is_some()
    }
}

fn absolute(link: &str, target: &str) -> String {
    if target.starts_with('/') {
        return target.to_owned();
    }
    let folder = link.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{folder}/{target}")
}
