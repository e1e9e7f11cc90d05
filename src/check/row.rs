//! One certificate of one host, in one of its places, and what is to be said of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::{HostName, X509Facts};

use super::level::Level;

/// What is the matter with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    Ok,
    Expiring,
    Expired,
    NotYetValid,
    /// The file is newer than what the process uses.
    RenewedNotInUse,
    /// No such file, or a symlink that leads nowhere.
    Missing,
    /// It does not belong here: another key, another signer, another host.
    Mismatch,
    /// It could not be seen; `detail` says why.
    Unknown,
}

impl Verdict {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Expiring => "expiring",
            Verdict::Expired => "expired",
            Verdict::NotYetValid => "not-yet-valid",
            Verdict::RenewedNotInUse => "renewed-not-in-use",
            Verdict::Missing => "missing",
            Verdict::Mismatch => "mismatch",
            Verdict::Unknown => "unknown",
        }
    }

    /// As a person reads it.
    pub fn words(self) -> &'static str {
        match self {
            Verdict::NotYetValid => "not yet valid",
            Verdict::RenewedNotInUse => "renewed, not in use",
            other => other.as_str(),
        }
    }
}

/// Where the certificate was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// A file of kubeadm or the kubelet.
    File,
    /// Shown in a TLS handshake.
    Served,
    /// In a process's memory, where no handshake shows it.
    Held,
    /// A kubeconfig that somebody copied.
    Copy,
    /// A token of the CNI.
    Token,
    /// The host itself could not be asked.
    Host,
}

impl Subject {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Subject::File => "file",
            Subject::Served => "served",
            Subject::Held => "held",
            Subject::Copy => "copy",
            Subject::Token => "token",
            Subject::Host => "host",
        }
    }
}

/// One line of the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct Row {
    pub host: HostName,
    pub subject: Subject,
    /// kubeadm's name of the certificate, or what stands in for it (`kubeconfig`, `token`); empty for a host.
    pub name: String,
    /// The process that uses it, for `served` and `held`.
    pub process: Option<String>,
    /// A path, or `address:port`.
    pub place: String,
    pub verdict: Verdict,
    pub level: Level,
    pub not_before: Option<Timestamp>,
    pub not_after: Option<Timestamp>,
    pub issuer: Option<String>,
    pub serial: Option<String>,
    pub sha256: Option<String>,
    /// When the file was last written, by the host's clock.
    pub modified: Option<Timestamp>,
    /// What the verdict rests on.
    pub evidence: String,
    /// More than the verdict's own word, if there is more to say.
    pub detail: Option<String>,
}

impl Row {
    /// An empty row of that kind; the verdict is still to be given.
    pub(super) fn new(host: &HostName, subject: Subject, name: &str, place: &str) -> Self {
        Self {
            host: host.clone(),
            subject,
            name: name.to_owned(),
            process: None,
            place: place.to_owned(),
            verdict: Verdict::Unknown,
            level: Level::Unknown,
            not_before: None,
            not_after: None,
            issuer: None,
            serial: None,
            sha256: None,
            modified: None,
            evidence: String::new(),
            detail: None,
        }
    }

    /// A host about which nothing is known.
    pub(super) fn unknown_host(host: &HostName, why: &str) -> Self {
        Self {
            detail: Some(why.to_owned()),
            ..Self::new(host, Subject::Host, "", "")
        }
    }

    #[must_use]
    pub(super) fn with_x509(mut self, x509: &X509Facts) -> Self {
        self.not_before = Some(x509.not_before);
        self.not_after = Some(x509.not_after);
        self.issuer = Some(x509.issuer.clone());
        self.serial = Some(x509.serial.clone());
        self.sha256 = Some(x509.sha256.clone());
        self
    }

    #[must_use]
    pub(super) fn judged(mut self, (verdict, level): (Verdict, Level), detail: Option<String>) -> Self {
        (self.verdict, self.level, self.detail) = (verdict, level, detail);
        self
    }

    #[must_use]
    pub(super) fn resting_on(mut self, evidence: impl Into<String>) -> Self {
        self.evidence = evidence.into();
        self
    }

    /// Anything a person should look at.
    pub fn is_problem(&self) -> bool {
        self.level != Level::Ok
    }
}
