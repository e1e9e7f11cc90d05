//! Shows a run's events: a live region on a terminal, plain lines elsewhere, JSON lines for programs.
//!
//! The observer lives on a thread of its own behind a channel: a blocked or closed terminal cannot hold up a run.

use std::io::{Stderr, Write};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::sync::oneshot;

use crate::event::{Event, RunState};
use crate::report::{LineReporter, Progress, Style, event_line};

use super::args::Output;
use super::terminal::{Terminal, print};

/// Between two looks for news, where a heartbeat must also be possible.
const POLL: Duration = Duration::from_millis(50);
/// How long the end of a run waits for a screen that does not take its text.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// The observers of one run.
#[derive(Debug)]
pub(crate) struct Screen {
    senders: Vec<UnboundedSender<Event>>,
    done: Vec<oneshot::Receiver<()>>,
}

impl Screen {
    /// Starts the observers that fit the output form and the terminal.
    pub(crate) fn start(output: Output, verbose: u8, terminal: Terminal) -> Self {
        let mut screen = Self { senders: Vec::new(), done: Vec::new() };
        if output == Output::Json {
            screen.add(show_json);
        } else if terminal.live {
            let style = terminal.err_style();
            screen.add(move |events| show_live(events, style));
        } else {
            let style = terminal.err_style();
            screen.add(move |events| show_lines(events, style, verbose > 0));
        }
        screen
    }

    fn add(&mut self, show: impl FnOnce(UnboundedReceiver<Event>) + Send + 'static) {
        let (sender, events) = mpsc::unbounded_channel();
        let (finished, done) = oneshot::channel();
        std::thread::spawn(move || {
            show(events);
            let _ = finished.send(());
        });
        self.senders.push(sender);
        self.done.push(done);
    }

    /// Where the recorder sends events. Take them once.
    pub(crate) fn observers(&mut self) -> Vec<UnboundedSender<Event>> {
        std::mem::take(&mut self.senders)
    }

    /// Waits until everything is shown, but not for ever.
    pub(crate) async fn finish(self) {
        for done in self.done {
            let _ = tokio::time::timeout(LAST_WORDS, done).await;
        }
    }
}

fn show_json(mut events: UnboundedReceiver<Event>) {
    while let Some(event) = events.blocking_recv() {
        print(&format!("{}\n", event_line(&event).trim_end()));
    }
}

fn show_live(mut events: UnboundedReceiver<Event>, style: Style) {
    let mut progress = Progress::stderr(style);
    while let Some(event) = events.blocking_recv() {
        progress.event(&event);
    }
    progress.finish();
}

fn show_lines(mut events: UnboundedReceiver<Event>, style: Style, verbose: bool) {
    let mut lines: LineReporter<Stderr> = LineReporter::new(std::io::stderr(), style).verbose(verbose);
    let mut state = RunState::default();
    loop {
        match events.try_recv() {
            Ok(event) => {
                state.apply(&event);
                lines.event(&event);
            }
            Err(mpsc::error::TryRecvError::Disconnected) => break,
            Err(mpsc::error::TryRecvError::Empty) => {
                lines.heartbeat(&state, Timestamp::now());
                std::thread::sleep(POLL);
            }
        }
    }
    let _ = std::io::stderr().flush();
}
