//! How far is the host's clock from ours?

use jiff::{SignedDuration, Timestamp};

use crate::model::{Clock, Command, Output};

use super::error::{ProbeError, text_of};

const WHAT: &str = "clock";

/// What `date` said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostTime {
    pub at: Timestamp,
    /// The host's `date` knows no `%N` (busybox): the time is known to the second only.
    pub whole_seconds: bool,
}

/// `date +%s.%N`, as the login user: sudo would only add delay.
pub fn command() -> Command {
    Command::login(["date", "+%s.%N"])
}

/// # Errors
/// No number of seconds in the answer.
pub fn parse(output: &Output) -> Result<HostTime, ProbeError> {
    let text = text_of(WHAT, output)?;
    let line = text.lines().next().unwrap_or_default().trim();
    let wrong = || ProbeError::format(WHAT, format!("`{line}` is not a time"));
    let (seconds, fraction) = line.split_once('.').unwrap_or((line, ""));
    let seconds: i64 = seconds.parse().map_err(|_| wrong())?;
    let whole_seconds = fraction.is_empty() || !fraction.bytes().all(|b| b.is_ascii_digit());
    let nanos = if whole_seconds { 0 } else { nanoseconds(fraction) };
    let at = Timestamp::new(seconds, nanos).map_err(|_| wrong())?;
    Ok(HostTime { at, whole_seconds })
}

/// Nine digits, whatever the host printed.
fn nanoseconds(fraction: &str) -> i32 {
    let digits: String = fraction.chars().chain("000000000".chars()).take(9).collect();
    digits.parse().unwrap_or(0)
}

/// Offset as NTP does it: the answer is taken to be from the middle of the round trip from `sent` to `received`.
pub fn offset(host: HostTime, sent: Timestamp, received: Timestamp) -> Clock {
    let half = received.duration_since(sent) / 2;
    let truncated = if host.whole_seconds {
        SignedDuration::from_millis(500)
    } else {
        SignedDuration::ZERO
    };
    let offset = host.at.duration_since(sent) - half + truncated;
    Clock {
        offset_ms: clamp(offset.as_millis()),
        uncertainty_ms: clamp((half + truncated).as_millis()),
    }
}

fn clamp(millis: i128) -> i64 {
    i64::try_from(millis).unwrap_or(if millis < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn reads_dates_with_and_without_nanoseconds() {
        let read = |text: &str| parse(&Output::new(0, text, ""));
        assert_eq!(
            read("1600000000.250000000\n").unwrap().at,
            at("2020-09-13T12:26:40.25Z")
        );
        for busybox in ["1600000000.%N\n", "1600000000.\n"] {
            assert!(read(busybox).unwrap().whole_seconds, "{busybox}");
        }
        assert!(read("dim. 13 sept. 2020\n").is_err());
        assert!(parse(&Output::new(127, "", "date: not found")).is_err());
    }

    #[test]
    fn the_offset_is_measured_from_the_middle() {
        let host = HostTime {
            at: at("2020-09-13T12:26:41.1Z"),
            whole_seconds: false,
        };
        let clock = offset(host, at("2020-09-13T12:26:40Z"), at("2020-09-13T12:26:40.2Z"));
        assert_eq!((clock.offset_ms, clock.uncertainty_ms), (1000, 100));
        let rough = HostTime {
            whole_seconds: true,
            at: at("2020-09-13T12:26:40Z"),
        };
        let clock = offset(rough, at("2020-09-13T12:26:40.5Z"), at("2020-09-13T12:26:40.5Z"));
        assert_eq!((clock.offset_ms, clock.uncertainty_ms), (0, 500));
    }
}
