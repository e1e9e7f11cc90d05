//! Why a handshake or a request failed, in Go's words.

use std::io;

use rustls::CertificateError;
use rustls::pki_types::UnixTime;
use time::OffsetDateTime;

use crate::host;

/// Why a request got no answer.
#[derive(Debug, Clone)]
pub enum Failure {
    Expired { now: OffsetDateTime, until: OffsetDateTime },
    NotYetValid { now: OffsetDateTime, from: OffsetDateTime },
    UnknownAuthority,
    WrongName { wanted: String, valid: String },
    Refused(String),
    Timeout,
    Eof,
    Other(String),
}

impl Failure {
    /// From the error that rustls wrapped in an `io::Error`.
    pub fn of(e: &io::Error, name: &str) -> Self {
        match e.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Self::Timeout,
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                return Self::Eof;
            }
            _ => {}
        }
        match e.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::InvalidCertificate(c)) => Self::certificate(c, name),
            Some(rustls::Error::AlertReceived(a)) => Self::Other(format!("remote error: tls: {}", alert(*a))),
            Some(other) => Self::Other(other.to_string()),
            None => Self::Other(e.to_string()),
        }
    }

    fn certificate(c: &CertificateError, name: &str) -> Self {
        let at = |t: UnixTime| {
            let seconds = i64::try_from(t.as_secs()).unwrap_or_default();
            OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
        };
        match c {
            CertificateError::ExpiredContext { time, not_after } => Self::Expired {
                now: at(*time),
                until: at(*not_after),
            },
            CertificateError::NotValidYetContext { time, not_before } => Self::NotYetValid {
                now: at(*time),
                from: at(*not_before),
            },
            CertificateError::UnknownIssuer | CertificateError::BadSignature => Self::UnknownAuthority,
            CertificateError::NotValidForNameContext { presented, .. } => {
                let valid: Vec<String> = presented.iter().map(|p| bare(p)).collect();
                Self::WrongName {
                    wanted: name.to_owned(),
                    valid: valid.join(", "),
                }
            }
            other => Self::Other(format!("x509: {other:?}")),
        }
    }

    /// Go's words. `minor` is the Kubernetes version: from 1.19 the error names both times, from 1.27 it says what failed.
    pub fn go_text(&self, minor: u32) -> String {
        let prefix = if minor >= 27 {
            "tls: failed to verify certificate: "
        } else {
            ""
        };
        let expired = "x509: certificate has expired or is not yet valid";
        let times = |relation: &str, now: OffsetDateTime, then: OffsetDateTime| {
            if minor < 19 {
                return String::new();
            }
            format!(
                ": current time {} is {relation} {}",
                host::stamp(now),
                host::stamp(then)
            )
        };
        match self {
            Self::Expired { now, until } => format!("{prefix}{expired}{}", times("after", *now, *until)),
            Self::NotYetValid { now, from } => format!("{prefix}{expired}{}", times("before", *now, *from)),
            Self::UnknownAuthority => format!("{prefix}x509: certificate signed by unknown authority"),
            Self::WrongName { wanted, valid } => {
                format!("{prefix}x509: certificate is valid for {valid}, not {wanted}")
            }
            Self::Refused(address) => format!("dial tcp {address}: connect: connection refused"),
            Self::Timeout => "net/http: TLS handshake timeout".to_owned(),
            Self::Eof => "EOF".to_owned(),
            Self::Other(text) => text.clone(),
        }
    }
}

fn bare(presented: &str) -> String {
    presented
        .trim_start_matches("DnsName(\"")
        .trim_start_matches("IpAddress(")
        .trim_end_matches(&['"', ')'][..])
        .to_owned()
}

fn alert(a: rustls::AlertDescription) -> &'static str {
    match a {
        rustls::AlertDescription::BadCertificate => "bad certificate",
        rustls::AlertDescription::CertificateExpired => "expired certificate",
        rustls::AlertDescription::UnknownCA => "unknown certificate authority",
        _ => "handshake failure",
    }
}
