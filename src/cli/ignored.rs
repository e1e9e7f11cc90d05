//! Signals that were ignored when the process started: `nohup` does it, and a script's shell for jobs that it puts into the
//! background. Whoever did it wants the run to go on; they stay ignored.

use std::fs;

use tokio::signal::unix::SignalKind;

/// Where Linux tells it; other systems have no such file, and nothing counts as ignored there.
const STATUS: &str = "/proc/self/status";

/// The signals that are ignored now, one bit each, lowest first. To be asked before a handler is made: a signal with a handler is not
/// ignored any more.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Ignored(u64);

impl Ignored {
    /// Asks the system.
    pub(crate) fn now() -> Self {
        fs::read_to_string(STATUS).map_or_else(|_| Self::default(), |text| Self::read(&text))
    }

    /// The line `SigIgn:` of proc(5), a mask in hexadecimal; none where it is missing.
    fn read(status: &str) -> Self {
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        Self(mask.map_or(0, |m| u64::from_str_radix(m.trim(), 16).unwrap_or_default()))
    }

    /// Whether this one is ignored.
    pub(crate) fn has(self, kind: SignalKind) -> bool {
        let bit = u32::try_from(kind.as_raw_value() - 1).ok();
        bit.and_then(|bit| self.0.checked_shr(bit))
            .is_some_and(|rest| rest & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nohup_ignores_is_read_from_the_status() {
        let status =
            "Name:\tcertfleet\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000440\n";
        let ignored = Ignored::read(status);
        assert!(ignored.has(SignalKind::hangup()), "the first bit");
        assert!(!ignored.has(SignalKind::interrupt()) && !ignored.has(SignalKind::terminate()));
        for nothing in ["", "SigIgn:\tx\n"] {
            assert_eq!(Ignored::read(nothing), Ignored::default(), "{nothing}");
        }
    }
}
