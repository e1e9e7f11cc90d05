//! Each secret is asked once for the fleet, and its first uses are few at a time: one host proves it, the others wait.
//!
//! A wrong password tried on fifty hosts at once locks fifty accounts, or one account of a directory fifty times over. Who may try
//! it when is decided in [`proof`]; no host is ever sent the same wrong password twice.

mod lease;
mod proof;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex as AsyncMutex;

use super::secrets::{SecretError, SecretRequest, Secrets};

use lease::Entry;
pub use lease::Lease;
pub use proof::Refusal;

/// Asks, remembers and guards the secrets of one run.
#[derive(Debug)]
pub struct Vault {
    secrets: Arc<dyn Secrets>,
    entries: Mutex<HashMap<SecretRequest, Arc<Entry>>>,
    /// Every answer that is kept, to be found again in what hosts say.
    known: Mutex<Vec<SecretString>>,
    /// One question on the terminal at a time.
    terminal: AsyncMutex<()>,
}

/// Why a secret cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VaultError {
    /// Nobody answered.
    NoAnswer(SecretError),
    /// It was tried, here or elsewhere, and is not sent.
    Refused(Refusal),
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

    /// The answer itself, asked once and kept; for passphrases, which no host can lock.
    pub async fn answer(&self, request: &SecretRequest) -> Result<SecretString, SecretError> {
        let entry = self.entry(request);
        let mut kept = entry.answer.lock().await;
        if let Some(answer) = kept.as_ref() {
            return answer.clone();
        }
        let answer = self.answer_of_now(request).await;
        *kept = Some(answer.clone());
        if let Ok(secret) = &answer {
            self.known
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(secret.clone());
        }
        answer
    }

    /// An answer that is good for one login (a one-time code): asked each time, and not kept.
    pub async fn answer_of_now(&self, request: &SecretRequest) -> Result<SecretString, SecretError> {
        let _turn = self.terminal.lock().await;
        self.secrets.ask(request).await
    }

    /// The right to try a password on a host. Waits while others prove it.
    pub async fn lease(&self, request: &SecretRequest, host: &str) -> Result<Lease, VaultError> {
        let secret = self.answer(request).await.map_err(VaultError::NoAnswer)?;
        let turn = self.entry(request).turn(secret, host);
        turn.await.map_err(VaultError::Refused)
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

    fn entry(&self, request: &SecretRequest) -> Arc<Entry> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(entries.entry(request.clone()).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::secrets::FixedSecrets;

    fn request() -> SecretRequest {
        SecretRequest::login("ops")
    }

    fn vault() -> (Arc<FixedSecrets>, Arc<Vault>) {
        let secrets = Arc::new(FixedSecrets::default().with(request(), "pw"));
        (Arc::clone(&secrets), Arc::new(Vault::new(secrets)))
    }

    #[tokio::test]
    async fn a_refused_password_is_tried_by_one_host_only() {
        let (secrets, vault) = vault();
        let first = vault.lease(&request(), "a").await.expect("a lease");
        let second = tokio::spawn({
            let vault = Arc::clone(&vault);
            async move { vault.lease(&request(), "b").await.map(|_| ()) }
        });
        tokio::task::yield_now().await;
        assert!(!second.is_finished(), "the second host must wait");
        assert_eq!(first.refuse(), Refusal::Here);
        let refused = second.await.expect("joined");
        assert_eq!(refused, Err(VaultError::Refused(Refusal::Elsewhere)));
        assert_eq!(secrets.asked().len(), 1);
    }

    #[tokio::test]
    async fn an_accepted_password_is_free_where_it_was_accepted() {
        let (_, vault) = vault();
        vault.lease(&request(), "a").await.expect("a lease").accept();
        let (one, two) = (vault.lease(&request(), "a").await, vault.lease(&request(), "a").await);
        assert_eq!(one.expect("free").secret().expose_secret(), "pw");
        assert!(two.is_ok_and(|l| l.is_proven()));
    }

    #[tokio::test]
    async fn a_host_that_never_asked_leaves_it_unproven() {
        let (_, vault) = vault();
        drop(vault.lease(&request(), "a").await.expect("a lease"));
        assert!(vault.lease(&request(), "b").await.is_ok_and(|l| !l.is_proven()));
    }

    #[tokio::test]
    async fn a_code_is_asked_for_each_time_and_a_passphrase_once() {
        let (secrets, vault) = vault();
        for _ in 0..2 {
            assert!(vault.answer_of_now(&request()).await.is_ok());
        }
        assert_eq!(secrets.asked().len(), 2);
        for _ in 0..2 {
            assert!(vault.answer(&request()).await.is_ok());
        }
        assert_eq!(secrets.asked().len(), 3);
    }
}
