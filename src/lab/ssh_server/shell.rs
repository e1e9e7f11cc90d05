//! What `ssh HOST` without a command gets: each line is run as an exec request would be.
//!
//! Not a real shell: no variables, history, completion or job control, and `cd` means nothing.

use std::collections::VecDeque;

use crate::model::ExitStatus;

use super::channel::{Inbox, Input, Screen};
use super::command;
use super::connection::Login;
use super::line_editor::{LineEditor, Typed};

/// Reads and runs lines until `exit` or the end of input. `None`: the server ends.
pub(super) async fn run(login: &Login, inbox: Inbox, screen: Screen) -> Option<ExitStatus> {
    let mut reader = LineReader::new(inbox, screen.terminal);
    let mut last = 0;
    greet(login, &screen);
    loop {
        prompt(login, &screen);
        let typed = login.door.stop.run_until_cancelled(reader.next(&screen)).await?;
        match typed {
            Typed::Interrupt => last = code(&ExitStatus::Signal("INT".to_owned())),
            Typed::End => return Some(ExitStatus::Code(last)),
            Typed::Line(line) => match Word::of(&line) {
                Word::Nothing => {}
                Word::Exit(status) => return Some(ExitStatus::Code(status.unwrap_or(last))),
                Word::Command => last = code(&one(login, line, &mut reader.inbox, &screen).await?),
            },
        }
    }
}

/// Runs one line. Only on a terminal does the command share the input: else it would eat the lines that follow.
async fn one(login: &Login, line: String, inbox: &mut Inbox, screen: &Screen) -> Option<ExitStatus> {
    if !screen.terminal {
        return command::exec_without_input(login, line, screen.clone()).await;
    }
    let status = command::exec(login, line, inbox, screen.clone()).await?;
    if matches!(status, ExitStatus::Signal(_)) {
        screen.print("^C\n");
    }
    Some(status)
}

fn greet(login: &Login, screen: &Screen) {
    if screen.terminal {
        let host = &login.door.host;
        screen.print(format!(
            "{host} is a host of certfleet's lab. It knows some commands only; `exit` leaves.\n"
        ));
    }
}

fn prompt(login: &Login, screen: &Screen) {
    if screen.terminal {
        let sign = if login.user == "root" { '#' } else { '$' };
        screen.print(format!("{}@{}:~{sign} ", login.user, login.door.host));
    }
}

/// What a line asks for.
#[derive(Debug, PartialEq, Eq)]
enum Word {
    Nothing,
    Exit(Option<u32>),
    Command,
}

impl Word {
    fn of(line: &str) -> Self {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => Word::Nothing,
            [first, ..] if first.starts_with('#') => Word::Nothing,
            ["exit" | "logout"] => Word::Exit(None),
            ["exit", status] => Word::Exit(status.parse().ok()),
            _ => Word::Command,
        }
    }
}

/// A status as a shell reports it: 128 and more for signals.
fn code(status: &ExitStatus) -> u32 {
    match status {
        ExitStatus::Code(code) => *code,
        ExitStatus::Signal(name) => match name.as_str() {
            "HUP" => 129,
            "INT" => 130,
            "KILL" => 137,
            "TERM" => 143,
            _ => 128,
        },
    }
}

/// Lines out of the client's input, echoed when there is a terminal.
#[derive(Debug)]
struct LineReader {
    inbox: Inbox,
    editor: LineEditor,
    /// Received, not yet looked at: several lines may come at once.
    waiting: VecDeque<u8>,
}

impl LineReader {
    fn new(inbox: Inbox, terminal: bool) -> Self {
        Self {
            inbox,
            editor: LineEditor::new(terminal),
            waiting: VecDeque::new(),
        }
    }

    async fn next(&mut self, screen: &Screen) -> Typed {
        loop {
            if let Some(typed) = self.take_waiting(screen) {
                return typed;
            }
            if self.inbox.ended {
                return self.editor.end();
            }
            match self.inbox.next().await {
                Some(Input::Bytes(bytes)) => self.waiting.extend(bytes),
                Some(Input::Signal(_)) => return Typed::Interrupt,
                Some(Input::Eof) | None => {}
            }
        }
    }

    fn take_waiting(&mut self, screen: &Screen) -> Option<Typed> {
        let (mut echo, mut typed) = (Vec::new(), None);
        while let Some(byte) = self.waiting.pop_front() {
            typed = self.editor.push(byte, &mut echo);
            if typed.is_some() {
                break;
            }
        }
        screen.print(echo);
        typed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_shell_itself() {
        assert_eq!(Word::of("  "), Word::Nothing);
        assert_eq!(Word::of("# a remark"), Word::Nothing);
        assert_eq!(Word::of("exit 3"), Word::Exit(Some(3)));
        assert_eq!(Word::of("logout"), Word::Exit(None));
        assert_eq!(Word::of("exitcode"), Word::Command);
    }
}
