//! The only maker of events: numbers them, puts them on disk, folds them, then tells the observers.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedSender;

use crate::event::{Event, EventKind, RunState};

use super::ledger::{Ledger, LedgerError};

/// Reads the wall clock; tests pass their own.
pub type WallClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Shared by all tasks of a run. Cloning shares the same numbering.
#[derive(Clone)]
pub struct Recorder {
    inner: Arc<Mutex<Inner>>,
    clock: WallClock,
}

struct Inner {
    next: u64,
    ledger: Option<Ledger>,
    state: RunState,
    observers: Vec<UnboundedSender<Event>>,
    /// The first failed write. A run goes on no further, since an intent could not be kept.
    broken: Option<String>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

impl Recorder {
    /// A recorder that writes to `ledger` (none in tests) and tells `observers`. An observer cannot steer the run: a
    /// closed channel is forgotten.
    pub fn new(ledger: Option<Ledger>, observers: Vec<UnboundedSender<Event>>, clock: WallClock) -> Self {
        let inner = Inner {
            next: 1,
            ledger,
            state: RunState::default(),
            observers,
            broken: None,
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            clock,
        }
    }

    /// Records one event. On `Err` the event is not on disk: whatever it announces must not be done.
    pub fn record(&self, kind: EventKind) -> Result<(), LedgerError> {
        let mut inner = self.lock();
        let event = Event {
            seq: inner.next,
            at: (self.clock)(),
            kind,
        };
        if let Some(ledger) = inner.ledger.as_mut()
            && let Err(error) = ledger.append(&event)
        {
            inner.broken.get_or_insert_with(|| error.to_string());
            return Err(error);
        }
        inner.next += 1;
        inner.state.apply(&event);
        inner.observers.retain(|observer| observer.send(event.clone()).is_ok());
        Ok(())
    }

    /// The run as it stands.
    pub fn state(&self) -> RunState {
        self.lock().state.clone()
    }

    /// Why the ledger can no longer be written, if so.
    pub fn broken(&self) -> Option<String> {
        self.lock().broken.clone()
    }

    /// The wall clock of this run.
    pub fn now(&self) -> Timestamp {
        (self.clock)()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        // A panic elsewhere must not silence the record of what was done.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
