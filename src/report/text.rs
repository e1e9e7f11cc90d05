//! Lines, paragraphs and labels: the carpentry under every screen.

use std::time::Duration;

use crate::model::duration;

use super::style::{Style, Tone};

/// A text that grows line by line.
#[derive(Debug)]
pub(super) struct Page<'a> {
    pub(super) style: &'a Style,
    out: String,
}

impl<'a> Page<'a> {
    pub(super) fn new(style: &'a Style) -> Self {
        Self {
            style,
            out: String::new(),
        }
    }

    /// One line as it is; trailing blanks go.
    pub(super) fn line(&mut self, text: &str) {
        self.out.push_str(text.trim_end());
        self.out.push('\n');
    }

    /// An empty line, never two.
    pub(super) fn blank(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// A heading after an empty line.
    pub(super) fn heading(&mut self, text: &str) {
        self.blank();
        let painted = self.style.paint(Tone::Heading, text);
        self.line(&painted);
    }

    /// Wrapped prose.
    pub(super) fn prose(&mut self, indent: usize, tone: Tone, text: &str) {
        self.labelled(indent, "", Tone::Plain, tone, text);
    }

    /// A label, and prose that hangs beside it. The label brings its own blanks.
    pub(super) fn labelled(&mut self, indent: usize, label: &str, label_tone: Tone, tone: Tone, text: &str) {
        let hang = indent + width(label);
        let room = self.style.measure().saturating_sub(hang).max(24);
        for (number, line) in wrap(text, room).iter().enumerate() {
            let head = if number == 0 {
                format!("{}{}", " ".repeat(indent), self.style.paint(label_tone, label))
            } else {
                " ".repeat(hang)
            };
            let painted = self.style.paint(tone, line);
            self.line(&format!("{head}{painted}"));
        }
    }

    /// A word in a fixed column, and prose beside it.
    pub(super) fn field(&mut self, label: &str, text: &str) {
        self.labelled(2, &format!("{label:<8} "), Tone::Quiet, Tone::Plain, text);
    }

    /// A command: never wrapped, so that it can be copied.
    pub(super) fn command(&mut self, indent: usize, text: &str) {
        let painted = self.style.paint(Tone::Command, &clean_line(text));
        self.line(&format!("{}{painted}", " ".repeat(indent)));
    }

    pub(super) fn finish(self) -> String {
        self.out
    }
}

/// Columns on the screen, near enough: characters.
pub(super) fn width(text: &str) -> usize {
    text.chars().count()
}

/// Breaks at blanks; a word longer than the room stands alone. Never empty.
pub(super) fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in clean_line(text).split_whitespace() {
        if !line.is_empty() && width(&line) + 1 + width(word) > room {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    if !line.is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// Text that came from a host, made harmless for a terminal: control characters but newline and tab become visible.
pub fn clean(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    let visible = |c: char| match c {
        '\n' | '\t' => c.to_string(),
        c if c.is_control() => c.escape_default().to_string(),
        c => c.to_string(),
    };
    text.chars().map(visible).collect()
}

/// The same on one line.
pub(super) fn clean_line(text: &str) -> String {
    clean(text).trim_end().replace(['\n', '\t'], " ")
}

/// Cuts to `room` columns and says so.
pub(super) fn cut(text: &str, room: usize, style: &Style) -> String {
    let mark = style.pick("…", "...");
    if width(text) <= room {
        return text.to_owned();
    }
    let kept: String = text.chars().take(room.saturating_sub(width(mark))).collect();
    format!("{}{mark}", kept.trim_end())
}

/// `1 host`, `3 hosts`.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// A duration for a reader: whole seconds from ten seconds on, tenths below.
pub(super) fn took(time: Duration) -> String {
    match time.as_millis() {
        0..950 => format!("{}ms", time.as_millis()),
        950..10_000 => format!("{:.1}s", time.as_secs_f64()),
        _ => duration::display(Duration::from_secs(
            time.as_secs() + u64::from(time.subsec_millis() >= 500),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_hangs_beside_its_label() {
        let style = Style::plain(44);
        let mut page = Page::new(&style);
        page.labelled(
            2,
            "Remedy: ",
            Tone::Plain,
            Tone::Plain,
            "start chrony on the host and wait until it agrees",
        );
        assert_eq!(
            page.finish(),
            "  Remedy: start chrony on the host and wait\n          until it agrees\n"
        );
    }

    #[test]
    fn an_escape_sequence_from_a_host_stays_text() {
        assert_eq!(clean("\u{1b}[2Jgone\r\nnext\r"), "\\u{1b}[2Jgone\nnext\\r");
    }

    #[test]
    fn durations_read_well() {
        let shown: Vec<String> = [240, 1_240, 9_970, 98_400, 3_725_000]
            .map(|ms| took(Duration::from_millis(ms)))
            .to_vec();
        assert_eq!(shown, ["240ms", "1.2s", "10.0s", "1m 38s", "1h 2m 5s"]);
    }
}
