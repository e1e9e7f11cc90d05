//! The only maker of events: numbers them, puts them on disk, folds them, then tells the observers.

use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::mpsc::UnboundedSender;

use crate::event::{Event, EventKind, JournalStart, RunState, StepRecord};
use crate::model::{HostName, mask};
use crate::remote::Transport;

use super::ledger::{Ledger, LedgerError};

/// Reads the wall clock; tests pass their own.
pub type WallClock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Shared by all tasks of a run. Cloning shares the same numbering.
#[derive(Clone)]
pub struct Recorder {
    inner: Arc<Mutex<Inner>>,
    clock: WallClock,
    /// Knows the passwords of the fleet, which must not be in any event.
    fleet: Option<Arc<dyn Transport>>,
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
            fleet: None,
        }
    }

    /// The same recorder, which keeps the passwords of this fleet out of every event.
    #[must_use]
    pub fn concealing(mut self, fleet: &Arc<dyn Transport>) -> Self {
        self.fleet = Some(Arc::clone(fleet));
        self
    }

    /// The one place through which every text passes on its way to the ledger, the screen and the reports.
    fn clean(&self, kind: EventKind) -> EventKind {
        kind.cleaned(&|text| {
            let masked = mask(text);
            self.fleet.as_ref().map_or(masked.clone(), |f| f.conceal(&masked))
        })
    }

    /// The recorder of a run that goes on: numbering and state continue behind `events`.
    pub fn resumed(
        ledger: Option<Ledger>,
        events: &[Event],
        observers: Vec<UnboundedSender<Event>>,
        clock: WallClock,
    ) -> Self {
        let recorder = Self::new(ledger, observers, clock);
        {
            let mut inner = recorder.lock();
            inner.next = events.last().map_or(1, |e| e.seq + 1);
            inner.state = RunState::fold(events);
        }
        recorder
    }

    /// What is recorded of a step.
    pub fn step(&self, id: &str) -> Option<StepRecord> {
        self.lock().state.steps.get(id).cloned()
    }

    /// Where a kubelet's journal ended before a phase's first step on a host.
    pub fn journal_start(&self, phase: &str, host: &HostName) -> Option<JournalStart> {
        let key = (phase.to_owned(), host.clone());
        self.lock().state.journals.get(&key).cloned()
    }

    /// Records one event. After the first write that failed nothing is written any more, so that the ledger ends at a
    /// torn line instead of going on behind one.
    ///
    /// # Errors
    /// The event is not on disk: whatever it announces must not be done. What it tells that has happened is still told
    /// to the observers.
    pub fn record(&self, kind: EventKind) -> Result<(), LedgerError> {
        let kind = self.clean(kind);
        let mut inner = self.lock();
        let announces = matches!(
            kind,
            EventKind::RunStarted { .. } | EventKind::PhaseStarted { .. } | EventKind::StepStarted { .. }
        );
        let event = Event {
            seq: inner.next,
            at: (self.clock)(),
            kind,
        };
        let written = inner.write(&event);
        if written.is_ok() || !announces {
            inner.tell(&event);
        }
        written
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

impl Inner {
    fn write(&mut self, event: &Event) -> Result<(), LedgerError> {
        if let Some(why) = &self.broken {
            return Err(LedgerError::Closed { why: why.clone() });
        }
        let Some(ledger) = self.ledger.as_mut() else {
            return Ok(());
        };
        ledger.append(event).inspect_err(|error| {
            self.broken = Some(error.to_string());
        })
    }

    fn tell(&mut self, event: &Event) {
        self.next += 1;
        self.state.apply(event);
        self.observers.retain(|observer| observer.send(event.clone()).is_ok());
    }
}
