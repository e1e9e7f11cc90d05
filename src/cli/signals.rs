//! Ctrl-C: the first press finishes steps in flight, the second detaches, the third ends at once. SIGTERM and SIGHUP
//! (a closed laptop) detach. One that was ignored when the process started (`nohup`, a script's background job) stays ignored.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::engine::Cancel;
use crate::model::RunId;

use super::error::CliError;
use super::ignored::Ignored;
use super::terminal::{Terminal, print_err};

/// Hears signals from its making on; what comes while nobody listens is kept. One ear for the whole of a run: between two
/// of them a signal would be lost.
#[derive(Debug)]
pub(crate) struct Ear {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hangup: Option<Signal>,
}

/// What a signal asks for.
enum Word {
    Press,
    Leave,
}

impl Ear {
    /// None without the right to install handlers; the defaults stay in force then.
    pub(crate) fn new() -> Option<Self> {
        let ignored = Ignored::now();
        Some(Self {
            interrupt: unless_ignored(SignalKind::interrupt(), ignored).ok()?,
            terminate: unless_ignored(SignalKind::terminate(), ignored).ok()?,
            hangup: unless_ignored(SignalKind::hangup(), ignored).ok()?,
        })
    }

    async fn next(&mut self) -> Word {
        tokio::select! {
            () = heard(&mut self.interrupt) => Word::Press,
            () = heard(&mut self.terminate) => Word::Leave,
            () = heard(&mut self.hangup) => Word::Leave,
        }
    }
}

fn unless_ignored(kind: SignalKind, ignored: Ignored) -> io::Result<Option<Signal>> {
    if ignored.has(kind) {
        return Ok(None);
    }
    signal(kind).map(Some)
}

/// Waits for it; for ever, if it is ignored.
async fn heard(signal: &mut Option<Signal>) {
    match signal {
        Some(signal) => {
            signal.recv().await;
        }
        None => std::future::pending().await,
    }
}

/// Listens until the process ends.
pub(crate) fn listen(ear: Option<Ear>, cancel: &Cancel, run: &RunId) {
    let Some(mut ear) = ear else { return };
    let (cancel, run) = (cancel.clone(), run.clone());
    tokio::spawn(async move {
        loop {
            match ear.next().await {
                Word::Press => pressed(&cancel, &run),
                Word::Leave => detach(&cancel, &run),
            }
        }
    });
}

/// What was stopped by a signal before a run began.
pub(crate) const NOTHING_CHANGED: &str = "stopped before anything was changed";

/// Does the work, unless Ctrl-C, SIGTERM or SIGHUP comes first: then the terminal is as it was (a question may have been open), and
/// `stopped` is what the person reads.
pub(crate) async fn unless_told_to_stop<T>(
    ear: Option<&mut Ear>,
    terminal: Terminal,
    stopped: &str,
    work: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    tokio::select! {
        done = work => done,
        () = told_to_stop(ear) => {
            terminal.restore();
            Err(CliError::Declined(stopped.to_owned()))
        }
    }
}

/// Resolves at the first Ctrl-C, SIGTERM or SIGHUP.
pub(crate) async fn told_to_stop(ear: Option<&mut Ear>) {
    match ear {
        Some(ear) => {
            ear.next().await;
        }
        None => std::future::pending().await,
    }
}

fn pressed(cancel: &Cancel, run: &RunId) {
    if cancel.leaving() {
        std::process::exit(i32::from(super::exit::Exit::Aborted.code()));
    }
    if cancel.stopping() {
        detach(cancel, run);
    } else {
        say(
            "\nStopping: steps in flight are finished, no new one starts. Press Ctrl-C again to leave them.\n"
                .to_owned(),
        );
        cancel.request_stop();
    }
}

/// Commands in flight run below a supervisor on their hosts: they end by themselves, and a resumed run learns how.
fn detach(cancel: &Cancel, run: &RunId) {
    if !cancel.leaving() {
        cancel.request_leave();
        say(format!(
            "\nDetaching: commands in flight go on at the hosts. `certfleet resume {run}` goes on. Press Ctrl-C again to end at once.\n"
        ));
    }
}

/// On a thread of its own: a terminal that is closed or takes no more text must not hold up the rest.
fn say(text: String) {
    std::thread::spawn(move || print_err(&text));
}
