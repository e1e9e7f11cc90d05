//! The right to try a password on one host.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use secrecy::SecretString;
use tokio::sync::{Mutex as AsyncMutex, Notify};

use crate::remote::secrets::SecretError;

use super::proof::{May, Proof, Refusal};

/// One secret of the run: its answer, and what hosts said of it.
#[derive(Debug, Default)]
pub(super) struct Entry {
    pub(super) answer: AsyncMutex<Option<Result<SecretString, SecretError>>>,
    proof: Mutex<Proof>,
    /// An attempt has ended.
    over: Notify,
}

impl Entry {
    fn proof(&self) -> MutexGuard<'_, Proof> {
        self.proof.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the host may try it.
    pub(super) async fn turn(self: Arc<Self>, secret: SecretString, host: &str) -> Result<Lease, Refusal> {
        loop {
            let over = self.over.notified();
            let may = self.proof().may(host);
            match may {
                May::Try => break,
                May::Never(why) => return Err(why),
                May::Wait => over.await,
            }
        }
        Ok(Lease {
            secret,
            entry: self,
            host: host.to_owned(),
        })
    }
}

/// The right to try a secret once on a host. While that is unproven, holding the lease keeps other hosts waiting; to drop it says that
/// nobody asked for the secret.
#[derive(Debug)]
pub struct Lease {
    secret: SecretString,
    entry: Arc<Entry>,
    host: String,
}

impl Lease {
    /// The secret.
    pub fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// Whether this host has accepted it before.
    pub fn is_proven(&self) -> bool {
        self.entry.proof().holds_on(&self.host)
    }

    /// The host accepted it: more others may try it.
    pub fn accept(self) {
        self.entry.proof().accept(&self.host);
    }

    /// The host refused it: it is not sent there again. Says whether others accepted it.
    pub fn refuse(self) -> Refusal {
        self.entry.proof().refuse(&self.host)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.entry.proof().over(&self.host);
        self.entry.over.notify_waiters();
    }
}
