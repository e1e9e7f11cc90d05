//! Lab time: milliseconds since the fleet was built, from tokio's clock, so that paused tests move it.

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Milliseconds of lab time; negative before the fleet was handed out.
pub(super) type Millis = i64;

/// The start of lab time on the two clocks that matter.
#[derive(Debug, Clone, Copy)]
pub(super) struct LabClock {
    started: Instant,
    base: Timestamp,
}

impl LabClock {
    pub(super) fn new(base: Option<Timestamp>) -> Self {
        Self {
            started: Instant::now(),
            base: base.unwrap_or_else(Timestamp::now),
        }
    }

    /// Lab time now.
    pub(super) fn now(&self) -> Millis {
        i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)
    }

    /// The true wall clock at a moment of lab time.
    pub(super) fn wall(&self, at: Millis) -> Timestamp {
        let shifted = self.base.checked_add(SignedDuration::from_millis(at));
        shifted.unwrap_or(self.base)
    }
}

/// A timestamp shifted by whole seconds, staying where it is at the ends of time.
pub(super) fn shift(at: Timestamp, seconds: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(at)
}

/// One day in seconds.
pub(super) const DAY: i64 = 86_400;
