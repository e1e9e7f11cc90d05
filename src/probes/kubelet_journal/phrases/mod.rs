//! Whole statements whose meaning does not depend on a further cause. First match wins, in the order of [`TABLES`].
//!
//! Each row names the Kubernetes versions that print the text and the source file or issue it was read in.

mod credentials;
mod signs;
mod start;

use super::class::{Class, Clears, Effect};
use super::component::Who;
use super::facts::Text;

/// All statements.
const TABLES: [&[Phrase]; 3] = [credentials::TABLE, signs::TABLE, start::TABLE];

/// All statements in order.
pub(super) fn phrases() -> impl Iterator<Item = &'static Phrase> {
    TABLES.into_iter().flatten()
}

/// One statement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Phrase {
    pub(super) rule: &'static str,
    /// Who must be speaking.
    pub(super) by: By,
    pub(super) text: Text,
    pub(super) class: Class,
    pub(super) effect: Effect,
    pub(super) clears: Clears,
    pub(super) remedy: Option<&'static str>,
    /// Kubernetes versions that print it.
    #[expect(dead_code, reason = "for the reader who checks the table against the sources")]
    pub(super) versions: &'static str,
    /// Source file and function, or issue.
    #[expect(dead_code, reason = "for the reader who checks the table against the sources")]
    pub(super) origin: &'static str,
}

/// What makes a harmless statement a matter of credentials.
const CREDENTIALS: &[&str] = &[
    "x509: ",
    "Unauthorized",
    "the server has asked for the client to prov",
    "system:anonymous",
    "remote error: tls: ",
    "tls: failed to ver",
];

/// Whose mouth a statement must come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// The kubelet, or a line that does not say who speaks.
    Kubelet,
    /// systemd on the kubelet's unit (`-o with-unit` names the unit as the speaker).
    Systemd,
    /// journald or journalctl, in the kubelet's journal.
    Journald,
}

impl By {
    pub(super) fn admits(self, who: Who) -> bool {
        match self {
            Self::Kubelet => matches!(who, Who::Kubelet | Who::Unknown),
            Self::Systemd => matches!(who, Who::Systemd | Who::Kubelet | Who::Unknown),
            Self::Journald => matches!(who, Who::Journald | Who::Systemd | Who::Kubelet | Who::Unknown),
        }
    }
}

/// Starts a row that never clears.
const fn block(rule: &'static str, text: Text, class: Class, remedy: &'static str) -> Phrase {
    Phrase {
        remedy: Some(remedy),
        clears: Clears::No,
        effect: Effect::Block,
        class,
        ..quiet(rule, text)
    }
}

const fn fail(rule: &'static str, text: Text, clears: Clears, remedy: &'static str) -> Phrase {
    Phrase {
        remedy: Some(remedy),
        clears,
        effect: Effect::Fail,
        class: Class::OtherError,
        ..quiet(rule, text)
    }
}

const fn hold(rule: &'static str, text: Text, clears: Clears, remedy: Option<&'static str>) -> Phrase {
    Phrase {
        remedy,
        clears,
        effect: Effect::Hold,
        class: Class::OtherError,
        ..quiet(rule, text)
    }
}

const fn positive(rule: &'static str, text: Text, class: Class) -> Phrase {
    Phrase {
        effect: Effect::Positive,
        class,
        ..quiet(rule, text)
    }
}

/// An error text that says nothing about the API server.
const fn noise(rule: &'static str, text: Text) -> Phrase {
    Phrase {
        class: Class::OtherError,
        clears: Clears::Maybe,
        ..quiet(rule, text)
    }
}

const fn quiet(rule: &'static str, text: Text) -> Phrase {
    Phrase {
        rule,
        by: By::Kubelet,
        text,
        class: Class::Benign,
        effect: Effect::Neutral,
        clears: Clears::Yes,
        remedy: None,
        versions: "all",
        origin: "",
    }
}

impl Phrase {
    /// Ends a row: which versions print it, and where it was read.
    const fn from(self, versions: &'static str, origin: &'static str) -> Self {
        Self {
            versions,
            origin,
            ..self
        }
    }

    const fn by(self, by: By) -> Self {
        Self { by, ..self }
    }
}
