//! The answer's vocabulary: class, effect on the gate, and whether waiting helps.

use serde::Serialize;

/// What a line speaks about. The spelling in JSON is `snake_case`, e.g. `unknown_authority`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// A certificate is past its notAfter (the server's, or the kubelet's own).
    Expired,
    /// A certificate is before its notBefore: a clock is wrong.
    NotYetValid,
    /// The chain does not end in the trusted CA.
    UnknownAuthority,
    /// The certificate does not carry the name or address that was dialled.
    SanMismatch,
    /// 401, or 403 as `system:anonymous`: the client certificate is not accepted.
    Unauthorized,
    /// The kubelet cannot start because it has no usable client certificate and cannot get one.
    BootstrapFailed,
    /// The other side of a TLS handshake sent an alert about the certificate it was shown.
    RejectedByPeer,
    /// Nobody listens on the port.
    ConnRefused,
    /// No answer in time.
    Timeout,
    /// The kubelet does not see its own Node object yet.
    NodeNotFound,
    /// A new client certificate was issued or taken into use.
    RotationOk,
    /// The node registered with the API server.
    Registered,
    /// An error of another kind, or one whose cause is not visible.
    OtherError,
    /// Ordinary talk.
    Benign,
}

impl Class {
    /// The class as printed in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::UnknownAuthority => "unknown_authority",
            Self::SanMismatch => "san_mismatch",
            Self::Unauthorized => "unauthorized",
            Self::BootstrapFailed => "bootstrap_failed",
            Self::RejectedByPeer => "rejected_by_peer",
            Self::ConnRefused => "conn_refused",
            Self::Timeout => "timeout",
            Self::NodeNotFound => "node_not_found",
            Self::RotationOk => "rotation_ok",
            Self::Registered => "registered",
            Self::OtherError => "other_error",
            Self::Benign => "benign",
        }
    }

    /// Whether the API server simply is not reachable yet: neither proof nor failure.
    pub fn is_unreachable(self) -> bool {
        matches!(self, Self::ConnRefused | Self::Timeout | Self::NodeNotFound)
    }
}

/// What a line does to the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Says nothing about the kubelet and its API server.
    Neutral,
    /// A sign that the API server answered this kubelet, or that it holds a good certificate.
    Positive,
    /// An error, but not the kubelet's own: CNI plugin, registry, webhook, cloud, another component.
    Foreign,
    /// The kubelet's own trouble that is neither proof nor failure: the API is not up yet, or the cause is cut off.
    Hold,
    /// The kubelet died or cannot start, for a reason that is not a certificate.
    Fail,
    /// The gate must not open while such lines come.
    Block,
}

impl Effect {
    /// The effect as printed in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Neutral => "neutral",
            Self::Positive => "positive",
            Self::Foreign => "foreign",
            Self::Hold => "hold",
            Self::Fail => "fail",
            Self::Block => "block",
        }
    }
}

/// Whether the trouble goes away by waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Clears {
    /// By itself, once the API server is up.
    Yes,
    /// Never: someone must act.
    No,
    /// Only if something else was done as well (the server really restarted), or it cannot be told.
    Maybe,
}

/// The judgement on one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// What the line speaks about.
    pub class: Class,
    /// What it does to the gate.
    pub effect: Effect,
    /// Whether waiting helps.
    pub clears: Clears,
    /// The other class the same text may stand for (Go before 1.14 cannot tell expired from not yet valid).
    pub ambiguous_with: Option<Class>,
    /// What a person should do; present for every `block` and `fail`.
    pub remedy: Option<&'static str>,
    /// The table row that decided.
    pub rule: &'static str,
}

impl Verdict {
    /// A line that says nothing.
    pub(super) const fn neutral(rule: &'static str) -> Self {
        let (class, effect, clears) = (Class::Benign, Effect::Neutral, Clears::Yes);
        Self {
            class,
            effect,
            clears,
            ambiguous_with: None,
            remedy: None,
            rule,
        }
    }

    /// Whether the gate should give up at once with the remedy, because waiting cannot help.
    ///
    /// `unauthorized` and `rejected_by_peer` are left out: an API server that is still starting answers 401 for some
    /// seconds, and a balancer may still hold a dead backend.
    pub fn fails_gate_at_once(&self) -> bool {
        matches!(self.effect, Effect::Block | Effect::Fail)
            && self.clears == Clears::No
            && !matches!(self.class, Class::Unauthorized | Class::RejectedByPeer)
    }
}
