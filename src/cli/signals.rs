//! Ctrl-C: the first press finishes steps in flight, the second detaches, the third ends at once. SIGTERM and SIGHUP
//! (a closed laptop) detach.

use tokio::signal::unix::{SignalKind, signal};

use crate::engine::Cancel;
use crate::model::RunId;

use super::terminal::print_err;

/// Listens until the process ends. Without the right to install handlers the defaults stay in force.
pub(crate) fn listen(cancel: &Cancel, run: &RunId) {
    let (cancel, run) = (cancel.clone(), run.clone());
    tokio::spawn(async move {
        let handlers = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
            signal(SignalKind::hangup()),
        );
        let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = handlers else {
            return;
        };
        loop {
            tokio::select! {
                _ = interrupt.recv() => pressed(&cancel, &run),
                _ = terminate.recv() => detach(&cancel, &run),
                _ = hangup.recv() => detach(&cancel, &run),
            }
        }
    });
}

/// Resolves at the first Ctrl-C, SIGTERM or SIGHUP: for the time in which nothing is changed yet.
pub(crate) async fn told_to_stop() {
    let handlers = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    );
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = handlers else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
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
