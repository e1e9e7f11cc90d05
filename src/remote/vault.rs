//! Each secret is asked once for the fleet, and its first use is serialised: one host proves it, the others wait.
//!
//! A wrong password tried on fifty hosts at once locks fifty accounts. So until one host has accepted a password only
//! one host at a time may try it, and once a host has refused it nobody tries it again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use super::secrets::{SecretError, SecretRequest, Secrets};

/// Asks, remembers and guards the secrets of one run.
#[derive(Debug)]
pub struct Vault {
    secrets: Arc<dyn Secrets>,
    entries: Mutex<HashMap<SecretRequest, Arc<AsyncMutex<Entry>>>>,
    /// Every answer, to be found again in what hosts say.
    known: Mutex<Vec<SecretString>>,
    /// One question on the terminal at a time.
    terminal: AsyncMutex<()>,
}

#[derive(Debug, Default)]
struct Entry {
    answer: Option<Result<SecretString, SecretError>>,
    proof: Proof,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Proof {
    #[default]
    Untried,
    Accepted,
    Refused,
}

/// Why a secret cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VaultError {
    /// Nobody answered.
    NoAnswer(SecretError),
    /// Another host refused it.
    RefusedElsewhere,
}

/// The right to try a secret once. While its first use is unproven, holding the lease keeps all other hosts waiting.
#[derive(Debug)]
pub struct Lease {
    secret: SecretString,
    first: Option<OwnedMutexGuard<Entry>>,
}

impl Lease {
    /// The secret.
    pub fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// A host accepted it: the others may use it freely.
    pub fn accept(mut self) {
        if let Some(entry) = self.first.as_mut() {
            entry.proof = Proof::Accepted;
        }
    }

    /// A host refused it: nobody else tries.
    pub fn refuse(mut self) {
        if let Some(entry) = self.first.as_mut() {
            entry.proof = Proof::Refused;
        }
    }
}

impl Vault {
    /// An empty vault that asks `secrets`.
    pub fn new(secrets: Arc<dyn Secrets>) -> Self {
        Self {
            secrets,
            entries: Mutex::default(),
            known: Mutex::default(),
            terminal: AsyncMutex::new(()),
        }
    }

    /// The answer itself, asked once; for passphrases and questions, which no host can lock.
    pub async fn answer(&self, request: &SecretRequest) -> Result<SecretString, SecretError> {
        let cell = self.cell(request);
        let mut entry = cell.lock().await;
        self.fill(request, &mut entry).await
    }

    /// The right to try a password on a host. Waits while another host is proving it.
    pub async fn lease(&self, request: &SecretRequest) -> Result<Lease, VaultError> {
        let mut entry = self.cell(request).lock_owned().await;
        let secret = self.fill(request, &mut entry).await.map_err(VaultError::NoAnswer)?;
        match entry.proof {
            Proof::Refused => Err(VaultError::RefusedElsewhere),
            Proof::Accepted => Ok(Lease { secret, first: None }),
            Proof::Untried => Ok(Lease {
                secret,
                first: Some(entry),
            }),
        }
    }

    async fn fill(&self, request: &SecretRequest, entry: &mut Entry) -> Result<SecretString, SecretError> {
        if let Some(answer) = &entry.answer {
            return answer.clone();
        }
        let _turn = self.terminal.lock().await;
        let answer = self.secrets.ask(request).await;
        entry.answer = Some(answer.clone());
        if let Ok(secret) = &answer {
            self.known
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(secret.clone());
        }
        answer
    }

    /// Replaces every secret that was given; ones of less than four characters would be seen in every word.
    pub fn conceal(&self, text: &str) -> String {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shown = text.to_owned();
        for secret in known.iter().map(ExposeSecret::expose_secret).filter(|s| s.len() >= 4) {
            if shown.contains(secret) {
                shown = shown.replace(secret, "[password masked]");
            }
        }
        shown
    }

    fn cell(&self, request: &SecretRequest) -> Arc<AsyncMutex<Entry>> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(entries.entry(request.clone()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::secrets::FixedSecrets;

    fn request() -> SecretRequest {
        SecretRequest::Login { user: "ops".to_owned() }
    }

    fn vault() -> (Arc<FixedSecrets>, Arc<Vault>) {
        let secrets = Arc::new(FixedSecrets::default().with(request(), "pw"));
        (Arc::clone(&secrets), Arc::new(Vault::new(secrets)))
    }

    #[tokio::test]
    async fn a_refused_password_is_tried_by_one_host_only() {
        let (secrets, vault) = vault();
        let first = vault.lease(&request()).await.expect("a lease");
        let second = tokio::spawn({
            let vault = Arc::clone(&vault);
            async move { vault.lease(&request()).await.map(|_| ()) }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished(), "the second host must wait");
        first.refuse();
        assert_eq!(second.await.expect("joined"), Err(VaultError::RefusedElsewhere));
        assert_eq!(secrets.asked().len(), 1);
    }

    #[tokio::test]
    async fn an_accepted_password_is_free_for_all() {
        let (_, vault) = vault();
        vault.lease(&request()).await.expect("a lease").accept();
        let (a, b) = (vault.lease(&request()).await, vault.lease(&request()).await);
        assert_eq!(a.expect("free").secret().expose_secret(), "pw");
        assert!(b.is_ok());
    }

    #[tokio::test]
    async fn a_host_that_never_asked_leaves_it_unproven() {
        let (_, vault) = vault();
        drop(vault.lease(&request()).await.expect("a lease"));
        assert!(vault.lease(&request()).await.is_ok_and(|l| l.first.is_some()));
    }
}
