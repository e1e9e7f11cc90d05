//! A command is a list of words; one file (`remote::shell`) turns it into a line.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::duration;
use super::mask::mask;
use super::scripts::Script;
use super::shell_words;

/// Who runs it on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunAs {
    /// The user we logged in as.
    Login,
    /// root, by the host's `become:` settings.
    Root,
}

/// Words to run on a host. Holds no secret: it is shown in plans and written to the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    pub words: Vec<String>,
    pub run_as: RunAs,
    /// From sending to the exit status. A stream (`journalctl -f`) ends by being dropped instead.
    #[serde(with = "duration")]
    pub timeout: Duration,
}

/// Long enough for a loaded host, short enough to be noticed.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

impl Command {
    /// A command run as root.
    pub fn root<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Self {
        Self {
            words: words.into_iter().map(Into::into).collect(),
            run_as: RunAs::Root,
            timeout: DEFAULT_TIMEOUT,
        }
    }

    /// A command run as the login user.
    pub fn login<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Self {
        Self {
            run_as: RunAs::Login,
            ..Self::root(words)
        }
    }

    /// One of our own scripts, as root: `sh -c TEXT certfleet:NAME ARGS…`. The name is `$0` of the script, so that a
    /// process list, a plan and the embedded fleet can tell which one it is.
    pub fn script<W: Into<String>>(script: &Script, args: impl IntoIterator<Item = W>) -> Self {
        let head = ["sh".to_owned(), "-c".to_owned(), script.text.to_owned(), script.tag()];
        Self::root(head.into_iter().chain(args.into_iter().map(Into::into)))
    }

    /// The same with another deadline.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The name of our script, if this is one.
    pub fn script_name(&self) -> Option<&str> {
        match self.words.as_slice() {
            [sh, c, _, tag, ..] if sh == "sh" && c == "-c" => tag.strip_prefix("certfleet:"),
            _ => None,
        }
    }
}

/// As a person reads it: quoted for a shell; our own scripts by name (`certfleet:backup ARGS…`), not by text.
impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let skip = if self.script_name().is_some() { 3 } else { 0 };
        f.write_str(&shell_words::join(self.words[skip..].iter().map(String::as_str)))
    }
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExitStatus {
    Code(u32),
    /// Signal name without `SIG`, as SSH sends it (RFC 4254, 6.10).
    Signal(String),
}

impl ExitStatus {
    /// Exit status 0.
    pub fn success(&self) -> bool {
        *self == ExitStatus::Code(0)
    }
}

impl fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ExitStatus::Code(code) => write!(f, "exit status {code}"),
            ExitStatus::Signal(name) => write!(f, "killed by SIG{name}"),
        }
    }
}

/// What a finished command left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub status: ExitStatus,
    /// Capped by the transport: see `truncated`.
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// The middle of a stream was dropped because it exceeded the cap.
    pub truncated: bool,
    /// From sending the command to its exit status, on the controller's clock.
    pub elapsed: Duration,
}

impl Output {
    /// A finished command, for parsers' tests and the embedded fleet.
    pub fn new(code: u32, stdout: impl Into<Vec<u8>>, stderr: impl Into<Vec<u8>>) -> Self {
        let status = ExitStatus::Code(code);
        Self {
            status,
            stdout: stdout.into(),
            stderr: stderr.into(),
            truncated: false,
            elapsed: Duration::ZERO,
        }
    }

    /// Standard output as text; bytes that are not UTF-8 become U+FFFD.
    pub fn stdout_text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.stdout)
    }

    /// Standard error as text; bytes that are not UTF-8 become U+FFFD.
    pub fn stderr_text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.stderr)
    }

    /// The last non-empty line of standard error, else of standard output, without secrets: what to show of a failure.
    pub fn last_line(&self) -> String {
        // Masked first: a line may be the middle of a key.
        let last = |text: &str| {
            mask(text)
                .lines()
                .rev()
                .find(|l| !l.trim().is_empty())
                .map(|l| l.trim().to_owned())
        };
        last(&self.stderr_text())
            .or_else(|| last(&self.stdout_text()))
            .unwrap_or_else(|| "no output".to_owned())
    }
}
