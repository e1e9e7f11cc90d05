//! One exec or shell request, from its line to its exit status.

use std::time::Duration;

use russh::server::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::lab::ExecIo;
use crate::lab::faults::Fault;
use crate::model::ExitStatus;

use super::channel::{Inbox, Input, Screen, finish, pump_in, pump_out};
use super::connection::{Login, Opened};
use super::line_editor::{CTRL_C, CTRL_D};
use super::shell;

/// What a session channel was opened for.
#[derive(Debug)]
pub(super) enum Work {
    Exec(String),
    Shell,
}

/// Serves a session channel to its end.
pub(super) async fn serve(login: Login, opened: Opened, session: Handle, work: Work) {
    let Opened {
        channel,
        slot,
        terminal,
    } = opened;
    let gone = login.cut.child_token();
    let (read, write) = channel.split();
    let (sender, mut inbox) = Inbox::channel();
    let (screen, output) = Screen::new(terminal);
    login.door.tasks.spawn(pump_in(read, sender, gone.clone()));
    let writing = login.door.tasks.spawn(pump_out(write, output, gone.clone()));
    let status = match work {
        Work::Exec(line) => exec(&login, line, &mut inbox, screen).await,
        Work::Shell => shell::run(&login, inbox, screen).await,
    };
    if let (Some(status), Ok(Some(half))) = (status, writing.await) {
        // Before the client can know that the channel is free.
        drop(slot);
        let _ = gone.run_until_cancelled(finish(&half, &session, status)).await;
    }
    gone.cancel();
}

/// Runs a command with the client's input. `None`: the server ends.
pub(super) async fn exec(login: &Login, line: String, inbox: &mut Inbox, screen: Screen) -> Option<ExitStatus> {
    let (stdin_sender, stdin) = unbounded_channel();
    let terminal = screen.terminal;
    let running = run(login, line, stdin, screen);
    tokio::select! {
        status = running => status,
        signal = feed(inbox, stdin_sender, terminal) => Some(ExitStatus::Signal(signal)),
    }
}

/// Runs a command whose input is at its end already.
pub(super) async fn exec_without_input(login: &Login, line: String, screen: Screen) -> Option<ExitStatus> {
    let (_, stdin) = unbounded_channel();
    run(login, line, stdin, screen).await
}

/// A command whose client has gone is not cancelled here: its `stdout` is closed, and it ends as under a real sshd.
async fn run(login: &Login, line: String, stdin: UnboundedReceiver<Vec<u8>>, screen: Screen) -> Option<ExitStatus> {
    let io = ExecIo {
        stdin,
        stdout: screen.stdout,
        stderr: screen.stderr,
    };
    let door = &login.door;
    let fault = door.machine.take_fault(&door.host, &line);
    if fault == Some(Fault::DropBefore) {
        login.cut.cancel();
        return None;
    }
    let running = door.machine.exec(&door.host, &login.user, line, io);
    if fault == Some(Fault::DropDuring) {
        let _ = tokio::time::timeout(Duration::from_millis(30), running).await;
        login.cut.cancel();
        return None;
    }
    let status = door.stop.run_until_cancelled(running).await;
    if fault == Some(Fault::DropAfter) {
        login.cut.cancel();
        return None;
    }
    status
}

/// Passes input on for as long as the command runs; returns only for a signal, with its name.
async fn feed(inbox: &mut Inbox, stdin: UnboundedSender<Vec<u8>>, terminal: bool) -> String {
    let mut stdin = (!inbox.ended).then_some(stdin);
    while let Some(item) = inbox.next().await {
        match item {
            Input::Signal(name) => return name,
            Input::Eof => stdin = None,
            Input::Bytes(bytes) if terminal && bytes.contains(&CTRL_C) => return "INT".to_owned(),
            Input::Bytes(bytes) if terminal => type_in(&bytes, &mut stdin),
            Input::Bytes(bytes) => pass(bytes, stdin.as_ref()),
        }
    }
    drop(stdin);
    std::future::pending().await
}

/// Keys pressed while a command runs. Nothing is echoed: it may be sudo's password.
fn type_in(bytes: &[u8], stdin: &mut Option<UnboundedSender<Vec<u8>>>) {
    let end = bytes.iter().position(|b| *b == CTRL_D);
    let typed = &bytes[..end.unwrap_or(bytes.len())];
    let lines = typed.iter().map(|b| if *b == b'\r' { b'\n' } else { *b });
    pass(lines.collect(), stdin.as_ref());
    if end.is_some() {
        *stdin = None;
    }
}

fn pass(bytes: Vec<u8>, stdin: Option<&UnboundedSender<Vec<u8>>>) {
    // A command that does not read its input leaves it; so does a real one.
    let _ = stdin.map(|stdin| stdin.send(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn return_ends_a_line_and_control_d_ends_the_input() {
        let (sender, mut receiver) = unbounded_channel();
        let mut stdin = Some(sender);
        type_in(b"secret\r\x04lost", &mut stdin);
        assert_eq!(receiver.try_recv().expect("typed bytes"), b"secret\n");
        assert!(stdin.is_none());
    }
}
