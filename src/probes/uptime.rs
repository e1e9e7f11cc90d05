//! For how long has the kernel run? Turns systemd's monotonic times into times of day.

use std::time::Duration;

use crate::model::{Command, Output};

use super::error::{ProbeError, text_of};

const WHAT: &str = "uptime";

/// Reads /proc/uptime.
pub fn command() -> Command {
    Command::root(["cat", "/proc/uptime"])
}

/// The first number: seconds since boot.
///
/// # Errors
/// cat failed, or said something else.
pub fn parse(output: &Output) -> Result<Duration, ProbeError> {
    let text = text_of(WHAT, output)?;
    let seconds = text.split_whitespace().next().and_then(|w| w.parse::<f64>().ok());
    let known = seconds.and_then(|s| Duration::try_from_secs_f64(s).ok());
    known.ok_or_else(|| ProbeError::format(WHAT, format!("`{}` is no uptime", text.trim())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_number_counts() {
        let read = |text: &str| parse(&Output::new(0, text, "")).ok();
        assert_eq!(read("350735.47 234388.90\n"), Some(Duration::from_millis(350_735_470)));
        assert_eq!((read(""), read("-1 2"), read("nan")), (None, None, None));
    }
}
