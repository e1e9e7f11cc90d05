//! Private key files: read once for the fleet, their passphrase asked once, and only when the key is really needed.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use russh::keys::{self, Certificate, PrivateKey, PublicKey};
use secrecy::ExposeSecret;
use tokio::sync::OnceCell;

use crate::remote::error::RemoteError;
use crate::remote::secrets::SecretRequest;
use crate::remote::vault::Vault;

/// Names tried when nothing is configured.
const USUAL_NAMES: [&str; 3] = ["id_ed25519", "id_ecdsa", "id_rsa"];

/// What a key file holds, as far as it can be read without a passphrase.
#[derive(Debug, Clone)]
pub(super) struct KeyFile {
    pub path: PathBuf,
    pub public: Option<PublicKey>,
    pub private: Option<Arc<PrivateKey>>,
    pub encrypted: bool,
    /// `PATH-cert.pub`, or one named in `ssh_config` that fits.
    pub certificate: Option<Certificate>,
}

type Unlocked = Arc<OnceCell<Result<Arc<PrivateKey>, RemoteError>>>;

/// All key files of the fleet.
#[derive(Debug)]
pub(super) struct KeyStore {
    vault: Arc<Vault>,
    home: PathBuf,
    read: Mutex<HashMap<PathBuf, KeyFile>>,
    unlocked: Mutex<HashMap<PathBuf, Unlocked>>,
}

impl KeyStore {
    pub(super) fn new(vault: Arc<Vault>, home: PathBuf) -> Self {
        Self {
            vault,
            home,
            read: Mutex::default(),
            unlocked: Mutex::default(),
        }
    }

    /// The usual names that exist.
    pub(super) fn usual(&self) -> Vec<PathBuf> {
        let names = USUAL_NAMES.iter().map(|n| self.home.join(".ssh").join(n));
        names.filter(|p| p.exists()).collect()
    }

    /// Reads a file, once it can be read; or why there is neither the key nor its public half.
    pub(super) fn file(&self, path: &Path) -> Result<KeyFile, String> {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = read.get(path) {
            return Ok(file.clone());
        }
        let file = read_key(path)?;
        read.insert(path.to_owned(), file.clone());
        Ok(file)
    }

    /// The private key, decrypted; every host gets the same answer to the one question.
    pub(super) async fn unlock(&self, file: &KeyFile) -> Result<Arc<PrivateKey>, RemoteError> {
        if let Some(key) = &file.private {
            return Ok(Arc::clone(key));
        }
        let cell = {
            let mut cells = self.unlocked.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(cells.entry(file.path.clone()).or_default())
        };
        cell.get_or_init(|| self.decrypt(&file.path)).await.clone()
    }

    async fn decrypt(&self, path: &Path) -> Result<Arc<PrivateKey>, RemoteError> {
        let request = SecretRequest::Passphrase { file: path.to_owned() };
        let passphrase = self.vault.answer(&request).await.map_err(|error| RemoteError::Config {
            what: format!("{} is encrypted and {error}", path.display()),
            remedy: "Load the key into an agent (`ssh-add`), or run on a terminal.".to_owned(),
        })?;
        let path = path.to_owned();
        // bcrypt takes a good part of a second: not on a worker that serves connections.
        let decrypted = tokio::task::spawn_blocking(move || {
            keys::load_secret_key(&path, Some(passphrase.expose_secret())).map_err(|_| RemoteError::Config {
                what: format!("the passphrase of {} is wrong", path.display()),
                remedy: "Start again with the right one, or load the key into an agent (`ssh-add`).".to_owned(),
            })
        });
        let key = decrypted.await.unwrap_or_else(|error| {
            Err(RemoteError::Config {
                what: format!("the key could not be decrypted: {error}"),
                remedy: "Load the key into an agent (`ssh-add`).".to_owned(),
            })
        })?;
        Ok(Arc::new(key))
    }
}

fn read_key(path: &Path) -> Result<KeyFile, String> {
    let read = std::fs::read_to_string(path);
    let missing = read.as_ref().err().map(unreadable);
    let text = read.ok();
    let private = text.as_deref().and_then(|t| keys::decode_secret_key(t, None).ok());
    let in_clear = text.as_deref().and_then(|t| PrivateKey::from_openssh(t).ok());
    let public = private
        .as_ref()
        .map(|k| k.public_key().clone())
        .or_else(|| in_clear.map(|k| k.public_key().clone()))
        .or_else(|| keys::load_public_key(with_suffix(path, ".pub")).ok())
        .or_else(|| text.as_deref().and_then(|t| PublicKey::from_openssh(t.trim()).ok()));
    if let (Some(why), None) = (missing, &public) {
        return Err(why);
    }
    let is_key = text
        .as_deref()
        .is_some_and(|t| t.contains("PRIVATE KEY") || t.starts_with("PuTTY"));
    Ok(KeyFile {
        path: path.to_owned(),
        public,
        encrypted: is_key && private.is_none(),
        private: private.map(Arc::new),
        certificate: keys::load_openssh_certificate(with_suffix(path, "-cert.pub")).ok(),
    })
}

fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        _ => format!("it cannot be read: {error}"),
    }
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remote::secrets::NoSecrets;

    #[test]
    fn a_key_that_cannot_be_read_now_is_no_missing_one() {
        let home = tempfile::tempdir().expect("a folder");
        let store = KeyStore::new(Arc::new(Vault::new(Arc::new(NoSecrets))), home.path().to_owned());
        let path = home.path().join("id");
        assert_eq!(store.file(&path).expect_err("missing"), "no such file");
        std::fs::create_dir(&path).expect("a folder");
        let why = store.file(&path).expect_err("a folder");
        assert!(why.starts_with("it cannot be read: "), "{why}");
        std::fs::remove_dir(&path).expect("removed");
        std::fs::write(&path, "-----BEGIN OPENSSH PRIVATE KEY-----").expect("written");
        assert!(store.file(&path).is_ok(), "a failure is not kept");
    }
}
