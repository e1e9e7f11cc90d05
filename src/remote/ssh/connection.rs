//! An open connection, and the gate that opens it once for however many callers.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use russh::client::Handle;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use crate::remote::error::RemoteError;

use super::handler::Handler;

/// A host that let us in.
pub(super) struct Connection {
    pub handle: Handle<Handler>,
    pub sessions: Sessions,
    pub address: String,
    pub user: String,
    /// For opening channels.
    pub deadline: Duration,
    /// The jump host's connection must live as long as ours.
    pub via: Option<Arc<Connection>>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("address", &self.address)
            .field("user", &self.user)
            .field("closed", &self.is_closed())
            .field("via", &self.via)
            .finish_non_exhaustive()
    }
}

impl Connection {
    /// Whether the connection is gone.
    pub(super) fn is_closed(&self) -> bool {
        self.handle.is_closed()
    }
}

/// One permit per open session; sshd allows ten (`MaxSessions`), some hosts fewer.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    free: Arc<Semaphore>,
    limit: Arc<AtomicUsize>,
}

impl Sessions {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(limit)),
            limit: Arc::new(AtomicUsize::new(limit)),
        }
    }

    /// Waits for a free one; `None` when the connection is being closed.
    pub(super) async fn acquire(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.free).acquire_owned().await.ok()
    }

    /// The host allows fewer than we thought: this permit is never given back. `Err` when it was the last one.
    pub(super) fn give_up(&self, permit: OwnedSemaphorePermit) -> Result<(), OwnedSemaphorePermit> {
        let fewer = |n: usize| (n > 1).then(|| n - 1);
        match self.limit.fetch_update(Ordering::AcqRel, Ordering::Acquire, fewer) {
            Ok(_) => {
                permit.forget();
                Ok(())
            }
            Err(_) => Err(permit),
        }
    }
}

/// Opens a connection on first use and again after it was lost. Callers that waited for a failed attempt share its
/// error, so a dead host costs one timeout, not one per caller; a refusal that would only repeat is kept for good.
#[derive(Debug, Default)]
pub(super) struct Gate {
    attempts: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connection: Option<Arc<Connection>>,
    error: Option<RemoteError>,
}

impl Gate {
    pub(super) async fn get<F>(&self, open: impl FnOnce() -> F) -> Result<Arc<Connection>, RemoteError>
    where
        F: Future<Output = Result<Connection, RemoteError>>,
    {
        let seen = self.attempts.load(Ordering::Acquire);
        let mut state = self.state.lock().await;
        if let Some(connection) = state.connection.as_ref().filter(|c| !c.is_closed()) {
            return Ok(Arc::clone(connection));
        }
        let tried_meanwhile = self.attempts.load(Ordering::Acquire) != seen;
        if let Some(error) = state.error.as_ref().filter(|e| tried_meanwhile || is_final(e)) {
            return Err(error.clone());
        }
        let result = open().await;
        self.attempts.fetch_add(1, Ordering::AcqRel);
        state.keep(result)
    }
}

impl State {
    fn keep(&mut self, result: Result<Connection, RemoteError>) -> Result<Arc<Connection>, RemoteError> {
        match result {
            Ok(connection) => {
                let connection = Arc::new(connection);
                self.error = None;
                self.connection = Some(Arc::clone(&connection));
                Ok(connection)
            }
            Err(error) => {
                self.connection = None;
                self.error = Some(error.clone());
                Err(error)
            }
        }
    }
}

/// Trying again within the same run would lock an account or ask the same question.
fn is_final(error: &RemoteError) -> bool {
    matches!(
        error,
        RemoteError::AuthRefused { .. }
            | RemoteError::HostKeyUnknown { .. }
            | RemoteError::HostKeyChanged { .. }
            | RemoteError::HostKeyRevoked { .. }
            | RemoteError::HostCertificate { .. }
            | RemoteError::Config { .. }
    )
}
