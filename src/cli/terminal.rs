//! What this process may write to: colours, width, and whether a person is there.

use std::io::{IsTerminal, Write};

use crate::report::Style;

use super::args::{ColourChoice, Global};

/// The screen, as found at start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terminal {
    /// A person can be asked: both input and error output are a terminal.
    pub interactive: bool,
    /// Standard output is a terminal.
    pub stdout: bool,
    /// Standard error is a terminal that can move its cursor.
    pub live: bool,
    choice: ColourChoice,
}

impl Terminal {
    /// Looks at the process's own streams.
    pub(crate) fn detect(global: &Global) -> Self {
        let stderr = std::io::stderr().is_terminal();
        let dumb = std::env::var_os("TERM").is_some_and(|t| t == "dumb") || std::env::var_os("CI").is_some();
        Self {
            interactive: std::io::stdin().is_terminal() && stderr,
            stdout: std::io::stdout().is_terminal(),
            live: stderr && !dumb,
            choice: global.color,
        }
    }

    /// After a question that was cut off: a prompt for a password had switched the echo off, one for a name the line mode.
    pub(crate) fn restore(self) {
        if let Ok(tty) = std::fs::File::open("/dev/tty")
            && self.interactive
        {
            let mut stty = std::process::Command::new("stty");
            let _ = stty
                .args(["echo", "-echonl", "icanon", "isig", "icrnl"])
                .stdin(tty)
                .status();
        }
    }

    /// How text for standard output is drawn.
    pub(crate) fn out_style(self) -> Style {
        self.style(self.stdout)
    }

    /// How text for standard error is drawn.
    pub(crate) fn err_style(self) -> Style {
        self.style(self.live)
    }

    fn style(self, terminal: bool) -> Style {
        let colour = match self.choice {
            ColourChoice::Always => true,
            ColourChoice::Never => false,
            ColourChoice::Auto => {
                let off = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
                let forced = std::env::var_os("CLICOLOR_FORCE").is_some_and(|v| v != "0");
                !off && (forced || (terminal && std::env::var_os("TERM").is_none_or(|t| t != "dumb")))
            }
        };
        let width = if terminal { terminal_width() } else { PIPE_WIDTH };
        Style {
            colour,
            unicode: utf8_locale(),
            width,
        }
    }
}

/// Wide enough for a full table in a log.
const PIPE_WIDTH: usize = 120;

fn terminal_width() -> usize {
    usize::from(indicatif::TermLike::width(&indicatif_term()))
}

fn indicatif_term() -> impl indicatif::TermLike {
    dialoguer::console::Term::stderr()
}

fn utf8_locale() -> bool {
    let first = ["LC_ALL", "LC_CTYPE", "LANG"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|v| !v.is_empty()));
    first.is_some_and(|v| v.to_ascii_lowercase().replace('-', "").contains("utf8"))
}

/// Writes to standard output; a reader that went away (`| head`) is not an error.
pub(crate) fn print(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes to standard error; a closed terminal must not end a run.
pub(crate) fn print_err(text: &str) {
    let mut err = std::io::stderr().lock();
    let _ = err.write_all(text.as_bytes()).and_then(|()| err.flush());
}
