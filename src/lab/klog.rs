//! klog lines, and the generations of their wording.

use jiff::Timestamp;

use crate::model::facts::KubeVersion;

use super::pki::Leaf;

/// One klog line without its time and process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Klog {
    severity: char,
    position: &'static str,
    text: String,
}

/// A wording generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Wording {
    /// Up to 1.17: plain text, URLs without quotes.
    V15,
    /// 1.18 to 1.20: plain text, quoted URLs, `current time … is after …`.
    V19,
    /// 1.21 to 1.26: structured.
    V24,
    /// From 1.27: structured, `tls: failed to verify certificate`.
    V30,
}

impl Wording {
    pub(super) fn of(version: KubeVersion) -> Self {
        match version.minor {
            ..=17 => Wording::V15,
            18..=20 => Wording::V19,
            21..=26 => Wording::V24,
            27.. => Wording::V30,
        }
    }

    /// One of four, by generation.
    pub(super) fn pick<T>(self, v15: T, v19: T, v24: T, v30: T) -> T {
        match self {
            Wording::V15 => v15,
            Wording::V19 => v19,
            Wording::V24 => v24,
            Wording::V30 => v30,
        }
    }

    /// `"message" key=value`.
    pub(super) fn structured(self) -> bool {
        self >= Wording::V24
    }

    /// How a transport error shows the request.
    pub(super) fn url(self, method: &str, url: &str) -> String {
        match self {
            Wording::V15 => format!("{method} {url}"),
            _ => format!("{method} {url:?}"),
        }
    }
}

impl Klog {
    pub(super) fn new(severity: char, position: &'static str, text: impl Into<String>) -> Self {
        Self {
            severity,
            position,
            text: text.into(),
        }
    }

    /// `E0809 13:46:38.476674   16214 reflector.go:125] …`
    pub(super) fn render(&self, at: Timestamp, jitter_us: i64, pid: u32) -> String {
        let micros = (i64::from(at.subsec_microsecond()) + jitter_us).min(999_999);
        let (severity, position) = (self.severity, self.position);
        let day = at.strftime("%m%d %H:%M:%S");
        let head = if pid == 0 {
            String::new()
        } else {
            format!("{severity}{day}.{micros:06} {pid:>7} {position}] ")
        };
        format!("{head}{}", self.text)
    }
}

/// What crypto/x509 says about a certificate at a time; `None` when it is valid.
pub(super) fn x509_error(wording: Wording, leaf: &Leaf, now: Timestamp) -> Option<String> {
    if leaf.valid(now) {
        return None;
    }
    let plain = "x509: certificate has expired or is not yet valid";
    let (relation, bound) = if leaf.expired(now) {
        ("after", leaf.not_after)
    } else {
        ("before", leaf.not_before)
    };
    let now = now.strftime("%Y-%m-%dT%H:%M:%SZ");
    let full = format!(
        "{plain}: current time {now} is {relation} {}",
        bound.strftime("%Y-%m-%dT%H:%M:%SZ")
    );
    Some(wording.pick(
        plain.to_owned(),
        full.clone(),
        full.clone(),
        format!("tls: failed to verify certificate: {full}"),
    ))
}
