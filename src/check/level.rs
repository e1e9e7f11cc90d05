//! How bad, and from when on.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::model::X509Facts;

use super::row::Verdict;

/// The words of monitoring plugins; the greater is the worse. Unknown is worse than ok only: a warning that is known must not hide
/// behind a host that did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    Ok,
    Unknown,
    Warning,
    Critical,
}

impl Level {
    /// As in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Ok => "ok",
            Level::Unknown => "unknown",
            Level::Warning => "warning",
            Level::Critical => "critical",
        }
    }
}

/// When a certificate that is still good becomes a worry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    pub warn: Duration,
    pub critical: Duration,
}

const DAY: u64 = 86_400;
/// Certificates that live shorter than this are renewed by machines, all the time.
const SHORT_LIVED: i64 = 100 * 86_400;

impl Default for Thresholds {
    /// 30 and 7 days, as `--warn` and `--critical` say.
    fn default() -> Self {
        Self {
            warn: Duration::from_secs(30 * DAY),
            critical: Duration::from_secs(7 * DAY),
        }
    }
}

impl Thresholds {
    /// For what rotates by itself and lives short: worry in the last tenth and the last thirtieth of its life.
    #[must_use]
    pub(super) fn for_rotating(self, lifetime: SignedDuration) -> Self {
        if lifetime.as_secs() >= SHORT_LIVED {
            return self;
        }
        let life = lifetime.unsigned_abs();
        Self {
            warn: self.warn.min(life / 10),
            critical: self.critical.min(life / 30),
        }
    }

    /// What the end of a validity means now.
    pub(super) fn judge_end(self, not_after: Timestamp, now: Timestamp) -> (Verdict, Level) {
        if now > not_after {
            return (Verdict::Expired, Level::Critical);
        }
        let left = not_after.duration_since(now).unsigned_abs();
        if left < self.critical {
            (Verdict::Expiring, Level::Critical)
        } else if left < self.warn {
            (Verdict::Expiring, Level::Warning)
        } else {
            (Verdict::Ok, Level::Ok)
        }
    }

    /// What the dates of a certificate mean now.
    pub(super) fn judge(self, x509: &X509Facts, now: Timestamp) -> (Verdict, Level) {
        if x509.not_yet_valid(now) {
            return (Verdict::NotYetValid, Level::Critical);
        }
        self.judge_end(x509.not_after, now)
    }
}
