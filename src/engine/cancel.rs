//! Two ways to stop: finish what is in flight, or leave at once.

use std::sync::{Arc, OnceLock};

use tokio_util::sync::CancellationToken;

/// Shared by the engine and whoever listens for signals.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    stop: CancellationToken,
    leave: CancellationToken,
    why: Arc<OnceLock<String>>,
}

impl Cancel {
    /// Nothing is requested yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// First press of Ctrl-C: steps in flight end, no new one starts.
    pub fn request_stop(&self) {
        self.stop.cancel();
    }

    /// The same, for a reason that is no person's wish: a sentence for the ledger and the screen.
    pub fn request_stop_because(&self, why: &str) {
        if !self.stopping() {
            let _ = self.why.set(why.to_owned());
        }
        self.stop.cancel();
    }

    /// Why the run is to stop, where nobody pressed anything.
    pub fn why(&self) -> Option<String> {
        self.why.get().cloned()
    }

    /// Second press, SIGTERM, SIGHUP: stop waiting for steps in flight. They go on at the hosts.
    pub fn request_leave(&self) {
        self.stop.cancel();
        self.leave.cancel();
    }

    /// Whether new steps may start.
    pub fn stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Whether steps in flight are to be left alone.
    pub fn leaving(&self) -> bool {
        self.leave.is_cancelled()
    }

    /// Resolves at the first request.
    pub async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// Resolves at the second.
    pub async fn left(&self) {
        self.leave.cancelled().await;
    }
}
