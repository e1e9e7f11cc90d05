//! One line of the fleet's merged kubelet journal, for people or for programs. What looks like a secret is masked: kubelets write down
//! requests that failed.

use jiff::Timestamp;
use serde_json::json;

use crate::model::mask;

use super::style::{Style, Tone};
use super::text::clean_line;

/// A classified line; class and effect by their words, so that this file knows no classifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalLine<'a> {
    /// By the host's clock, if the journal told it.
    pub at: Option<Timestamp>,
    pub host: &'a str,
    /// `expired`, `conn_refused` …
    pub class: &'a str,
    /// `block`, `fail`, `hold`, `neutral`, `positive` or `foreign`.
    pub effect: &'a str,
    pub message: &'a str,
}

/// The longest class name is `unknown_authority`.
const CLASS_WIDTH: usize = 17;

/// `HH:MM:SS host CLASS message` in UTC. Lines that block or fail a gate carry a mark, so that they are found without
/// colour too. `host_width` aligns the fleet's names. Never cut: people search in it.
pub fn journal_line(line: &JournalLine<'_>, host_width: usize, style: &Style) -> String {
    let at = line
        .at
        .map_or_else(|| "--:--:--".to_owned(), |t| t.strftime("%H:%M:%S").to_string());
    let tone = tone(line.effect);
    let host = format!("{:<host_width$}", clean_line(line.host));
    let class = format!("{:<CLASS_WIDTH$}", line.class);
    format!(
        "{} {} {} {} {}",
        style.paint(Tone::Quiet, &at),
        style.paint(Tone::Host, &host),
        mark(line.effect),
        style.paint(tone, &class),
        style.paint(message_tone(tone), &clean_line(&mask(line.message))),
    )
    .trim_end()
    .to_owned()
}

/// The same as one JSON object, without a line end. `realtime_us`: microseconds since 1970; `remedy`: what the class asks for.
pub fn journal_row(line: &JournalLine<'_>, realtime_us: Option<u64>, remedy: Option<&str>) -> String {
    let row = json!({
        "host": line.host, "realtime_us": realtime_us, "class": line.class, "effect": line.effect,
        "remedy": remedy, "message": mask(line.message),
    });
    row.to_string()
}

fn tone(effect: &str) -> Tone {
    match effect {
        "fail" | "block" => Tone::Bad,
        "hold" => Tone::Warn,
        "positive" => Tone::Good,
        "neutral" => Tone::Plain,
        _ => Tone::Quiet,
    }
}

fn message_tone(tone: Tone) -> Tone {
    match tone {
        Tone::Quiet => Tone::Quiet,
        _ => Tone::Plain,
    }
}

/// `!` never clears, `x` blocks, `+` is a good sign.
fn mark(effect: &str) -> char {
    match effect {
        "fail" => '!',
        "block" => 'x',
        "hold" => '~',
        "positive" => '+',
        _ => ' ',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blocking_line_is_found_without_colour() {
        let line = JournalLine {
            at: "2020-11-22T19:15:02Z".parse().ok(),
            host: "m1",
            class: "expired",
            effect: "block",
            message: "x509: certificate has expired\u{1b}[31m or is not yet valid\n",
        };
        assert_eq!(
            journal_line(&line, 8, &Style::plain(80)),
            "19:15:02 m1       x expired           x509: certificate has expired\\u{1b}[31m or is not yet valid"
        );
        let colour = Style {
            colour: true,
            ..Style::plain(80)
        };
        assert!(journal_line(&line, 8, &colour).contains("\u{1b}[31m"));
    }
}
