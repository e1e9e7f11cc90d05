//! Durations as people write them: `30s`, `1m 30s`, `2h`.

use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, Serializer};

/// Parses `30s`, `1m30s`, `1m 30s`, `2 hours`, `1d` (24 h). Negative and bare numbers are refused.
///
/// # Errors
/// A sentence that says what is wrong and shows an example.
pub fn parse(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    if text.chars().all(|c| c.is_ascii_digit()) {
        return Err(format!("`{text}` has no unit; write `{text}s`, `{text}m` or `{text}h`"));
    }
    let expanded = expand_days(text);
    let signed: SignedDuration = expanded
        .parse()
        .map_err(|_| format!("`{text}` is not a duration; write for example `30s` or `1m 30s`"))?;
    Duration::try_from(signed).map_err(|_| format!("`{text}` is negative; a duration counts forward"))
}

/// `jiff` has no unit above hours for exact durations, since days vary; thresholds such as `30d` mean 24 h each.
fn expand_days(text: &str) -> String {
    match text.strip_suffix('d').map(str::trim) {
        Some(days) if !days.is_empty() && days.chars().all(|c| c.is_ascii_digit()) => days
            .parse::<u64>()
            .map_or_else(|_| text.to_owned(), |d| format!("{}h", d.saturating_mul(24))),
        _ => text.to_owned(),
    }
}

/// The shortest form that [`parse`] reads back: `90s` is `1m 30s`.
pub fn display(duration: Duration) -> String {
    // Nobody waits for microseconds, and an empty text could not be read back.
    if duration < Duration::from_millis(1) {
        return "0s".to_owned();
    }
    let millis = duration.subsec_millis();
    let total = duration.as_secs();
    if total < 60 && millis > 0 {
        return format!("{}ms", duration.as_millis());
    }
    let parts = [(total / 3600, "h"), (total / 60 % 60, "m"), (total % 60, "s")];
    let shown: Vec<String> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| format!("{n}{unit}"))
        .collect();
    shown.join(" ")
}

/// `#[serde(with = "duration")]`: durations are text in every file.
///
/// # Errors
/// Only those of the serializer.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&display(*duration))
}

/// The reading half of [`serialize`].
///
/// # Errors
/// The sentence of [`parse`].
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write_and_shows_it_back() {
        for (text, seconds) in [
            ("30s", 30),
            ("1m 30s", 90),
            ("1m30s", 90),
            ("2h", 7200),
            ("30d", 2_592_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        assert_eq!(
            parse(&display(Duration::from_secs(3725))),
            Ok(Duration::from_secs(3725))
        );
        assert_eq!(display(Duration::from_millis(250)), "250ms");
        assert_eq!(parse(&display(Duration::from_micros(7))), Ok(Duration::ZERO));
    }

    #[test]
    fn refuses_bare_numbers_and_negatives_with_the_remedy() {
        assert!(parse("30").is_err_and(|e| e.contains("30s")));
        assert!(parse("-5s").is_err_and(|e| e.contains("negative")));
        assert!(parse("soon").is_err());
    }
}
