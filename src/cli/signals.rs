//! Ctrl-C: the first press finishes steps in flight, the second leaves. SIGTERM and SIGHUP (a closed laptop) leave.

use tokio::signal::unix::{SignalKind, signal};

use crate::engine::Cancel;

use super::terminal::print_err;

/// Listens until the process ends. Without the right to install handlers the defaults stay in force.
pub(crate) fn listen(cancel: &Cancel) {
    let cancel = cancel.clone();
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
                _ = interrupt.recv() => pressed(&cancel),
                _ = terminate.recv() => cancel.request_leave(),
                _ = hangup.recv() => cancel.request_leave(),
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

fn pressed(cancel: &Cancel) {
    if cancel.leaving() {
        std::process::exit(i32::from(super::exit::Exit::Aborted.code()));
    }
    if cancel.stopping() {
        print_err("\nLeaving: commands in flight go on at the hosts. Press Ctrl-C again to end at once.\n");
        cancel.request_leave();
    } else {
        print_err("\nStopping: steps in flight are finished, no new one starts. Press Ctrl-C again to leave them.\n");
        cancel.request_stop();
    }
}
