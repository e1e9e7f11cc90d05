//! The dialogue before a command runs: noise of the login shell, sudo's prompt, then our marker. A pure state machine.
//!
//! It is fed what arrives and says what to do. The password is asked for once, only when our own random prompt stands on
//! standard error, and never after the marker: the command's own input is out of reach. Measured with sudo 1.9 (C and
//! French), sudo-rs' format `[sudo: TOKEN] Password: ` as its source has it.

use crate::model::ExitStatus;

use super::error::BecomeError;

#[cfg(test)]
mod tests;

/// What is kept of the noise before the marker, per stream.
const NOISE_CAP: usize = 64 * 1024;

/// Which stream bytes came on; a pseudo-terminal has only the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Out,
    Err,
}

/// What shows that a password is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Prompt {
    /// Nothing will ask: standard input can end at once.
    Never,
    /// Our own words.
    Token(String),
    /// `su`: `Password: ` after our mark.
    PasswordAfter(String),
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Nothing.
    Wait,
    /// Send the password and a newline.
    SendPassword,
    /// The command runs: end its standard input.
    Began,
    /// Give up and close the channel.
    Fail(BecomeError),
}

/// The dialogue of one command.
#[derive(Debug)]
pub struct Dialogue {
    mark: String,
    prompt: Prompt,
    began: bool,
    sent: bool,
    failed: bool,
    early_out: Vec<u8>,
    early_err: Vec<u8>,
}

impl Dialogue {
    /// Waits for `mark` on standard output, and for `prompt` until then.
    pub fn new(mark: impl Into<String>, prompt: Prompt) -> Self {
        Self {
            mark: mark.into(),
            prompt,
            began: false,
            sent: false,
            failed: false,
            early_out: Vec::new(),
            early_err: Vec::new(),
        }
    }

    /// Whether the marker was seen: the command itself runs or has run.
    pub fn began(&self) -> bool {
        self.began
    }

    /// Whether the password was asked for (and the caller told to send it).
    pub fn password_sent(&self) -> bool {
        self.sent
    }

    /// Takes a chunk. After the marker, output belongs to the command and the caller keeps it.
    ///
    /// Before it, nothing is returned but the bytes that follow the marker in this very chunk.
    pub fn feed(&mut self, stream: Stream, chunk: &[u8]) -> (Act, Vec<u8>) {
        let early = match stream {
            Stream::Out => &mut self.early_out,
            Stream::Err => &mut self.early_err,
        };
        early.extend_from_slice(chunk);
        if stream == Stream::Out
            && let Some(rest) = after_mark(&self.early_out, &self.mark)
        {
            self.began = true;
            return (Act::Began, rest);
        }
        (self.question(stream), Vec::new())
    }

    /// Standard error from before the marker, without any prompt: to be put before the rest.
    pub fn take_early_err(&mut self) -> Vec<u8> {
        let early = std::mem::take(&mut self.early_err);
        let text = match &self.prompt {
            Prompt::Token(token) => after_last_prompt(&early, token.as_bytes()),
            Prompt::PasswordAfter(mark) => {
                let rest = after_mark(&early, mark).unwrap_or_else(|| early.clone());
                after_last_prompt(&rest, b"assword: ")
            }
            Prompt::Never => early.clone(),
        };
        text.strip_prefix(b"\n").map(<[u8]>::to_vec).unwrap_or(text)
    }

    /// Why no marker came, once the channel has ended.
    pub fn verdict(&self, program: &str, status: &ExitStatus) -> BecomeError {
        let text = format!("{}\n{}", lossy(&self.early_err), lossy(&self.early_out));
        classify(&text, program, status, self.sent)
    }

    /// The last words before the end, for a message.
    pub fn last_words(&self) -> String {
        let text = format!("{}\n{}", lossy(&self.early_out), lossy(&self.early_err));
        let last = text.lines().rev().find(|l| !l.trim().is_empty());
        last.map_or_else(|| "no output".to_owned(), |l| l.trim().to_owned())
    }

    fn question(&mut self, stream: Stream) -> Act {
        if self.failed {
            return Act::Wait;
        }
        let early = match stream {
            Stream::Out => &mut self.early_out,
            Stream::Err => &mut self.early_err,
        };
        let asked = match &self.prompt {
            Prompt::Never => 0,
            Prompt::Token(token) => count(early, token.as_bytes()),
            Prompt::PasswordAfter(mark) => after_mark(early, mark).map_or(0, |rest| count(&rest, b"assword: ")),
        };
        if early.len() > NOISE_CAP && asked == 0 {
            early.drain(..early.len() - NOISE_CAP / 2);
        }
        self.answer(asked)
    }

    fn answer(&mut self, asked: usize) -> Act {
        match asked {
            0 => Act::Wait,
            1 if self.sent => Act::Wait,
            1 => {
                self.sent = true;
                Act::SendPassword
            }
            _ => {
                self.failed = true;
                Act::Fail(BecomeError::WrongPassword)
            }
        }
    }
}

/// What sudo, doas and su say under LC_ALL=C when they refuse.
fn classify(text: &str, program: &str, status: &ExitStatus, sent: bool) -> BecomeError {
    let says = |needles: &[&str]| needles.iter().any(|n| text.contains(n));
    if says(&[
        "not in the sudoers file",
        "is not allowed to",
        "may not run sudo",
        "I'm afraid I can't do that",
    ]) || says(&["Operation not permitted", "Permission denied"])
    {
        return BecomeError::NotAllowed;
    }
    if says(&[
        "must have a tty",
        "A terminal is required",
        "must be run from a terminal",
    ]) {
        return BecomeError::TerminalRequired;
    }
    if sent
        && says(&[
            "incorrect password",
            "Authentication failure",
            "Sorry, try again",
            "ncorrect authentication",
        ])
    {
        return BecomeError::WrongPassword;
    }
    if says(&[
        "a password is required",
        "authentication is required",
        "no tty present",
        "uthentication required",
    ]) || says(&[
        "Authorization required",
        "no password was provided",
        "a terminal is required",
    ]) {
        return BecomeError::PasswordRequired;
    }
    if *status == ExitStatus::Code(127) || says(&["command not found", "No such file or directory"]) {
        return BecomeError::NotInstalled(program.to_owned());
    }
    let last = text.lines().rev().find(|l| !l.trim().is_empty());
    BecomeError::Other(last.map_or_else(|| format!("{program} ended with {status}"), |l| l.trim().to_owned()))
}

fn lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

fn count(haystack: &[u8], needle: &[u8]) -> usize {
    haystack.windows(needle.len()).filter(|w| *w == needle).count()
}

/// What follows the line that ends with the mark (a terminal may write `\r\n`), if that line is complete.
fn after_mark(bytes: &[u8], mark: &str) -> Option<Vec<u8>> {
    let rest = &bytes[find(bytes, mark.as_bytes())? + mark.len()..];
    rest.strip_prefix(b"\n")
        .or_else(|| rest.strip_prefix(b"\r\n"))
        .map(<[u8]>::to_vec)
}

/// What follows the last prompt; lecture and prompt are sudo's, not the command's. sudo-rs adds `] Password: `.
fn after_last_prompt(bytes: &[u8], prompt: &[u8]) -> Vec<u8> {
    let last = bytes.windows(prompt.len()).rposition(|w| w == prompt);
    let Some(at) = last else { return bytes.to_vec() };
    let rest = &bytes[at + prompt.len()..];
    match rest.strip_prefix(b"]") {
        Some(more) => find(more, b": ").map_or_else(Vec::new, |end| more[end + 2..].to_vec()),
        None => rest.to_vec(),
    }
}
