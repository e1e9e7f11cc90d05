//! Two ways to stop: finish what is in flight, or leave at once.

use tokio_util::sync::CancellationToken;

/// Shared by the engine and whoever listens for signals.
#[derive(Debug, Clone, Default)]
pub struct Cancel {
    stop: CancellationToken,
    leave: CancellationToken,
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
