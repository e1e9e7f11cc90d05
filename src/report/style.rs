//! How text looks: a small palette, on or off. Every tone only repeats what the words already say.

use anstyle::{AnsiColor, Style as Ansi};

/// What the caller knows about the place where the text will be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// ANSI colours; the caller has looked at `NO_COLOR`, the terminal and `--color`.
    pub colour: bool,
    /// The locale shows more than ASCII.
    pub unicode: bool,
    /// Columns; prose is wrapped to it, commands never are.
    pub width: usize,
}

/// What a piece of text means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Heading,
    Good,
    Warn,
    Bad,
    /// True, but not what the eye looks for.
    Quiet,
    Host,
    Command,
}

impl Style {
    /// No colour, ASCII only: files, pipes, CI.
    pub const fn plain(width: usize) -> Self {
        Self {
            colour: false,
            unicode: false,
            width,
        }
    }

    /// The text in its tone.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        let ansi = tone.ansi();
        if !self.colour || text.is_empty() || ansi == Ansi::new() {
            return text.to_owned();
        }
        format!("{ansi}{text}{ansi:#}")
    }

    /// One of two spellings.
    pub(super) fn pick<'a>(&self, unicode: &'a str, ascii: &'a str) -> &'a str {
        if self.unicode { unicode } else { ascii }
    }

    /// Columns for prose: readable also on a very wide or very narrow terminal.
    pub(super) fn measure(&self) -> usize {
        self.width.clamp(40, 110)
    }
}

impl Tone {
    /// Only the sixteen colours that every terminal theme defines.
    fn ansi(self) -> Ansi {
        let colour = |c: AnsiColor| Ansi::new().fg_color(Some(c.into()));
        match self {
            Tone::Plain => Ansi::new(),
            Tone::Heading => Ansi::new().bold(),
            Tone::Good => colour(AnsiColor::Green),
            Tone::Warn => colour(AnsiColor::Yellow),
            Tone::Bad => colour(AnsiColor::Red).bold(),
            Tone::Quiet => Ansi::new().dimmed(),
            Tone::Host => colour(AnsiColor::Cyan),
            Tone::Command => colour(AnsiColor::Blue),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_the_callers_choice() {
        let plain = Style::plain(80);
        assert_eq!(plain.paint(Tone::Bad, "FAILED"), "FAILED");
        let colour = Style { colour: true, ..plain };
        let painted = colour.paint(Tone::Bad, "FAILED");
        assert!(
            painted.starts_with('\u{1b}') && painted.ends_with("\u{1b}[0m"),
            "{painted:?}"
        );
        assert_eq!(colour.paint(Tone::Plain, "x"), "x");
    }
}
