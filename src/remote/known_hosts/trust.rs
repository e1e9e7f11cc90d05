//! The verdict on a key that a host shows, and which key types to ask it for.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey, PublicKeyOrCertificate};

use crate::model::host::HostKeyPolicy;
use crate::remote::error::RemoteError;

use super::certificate;
use super::entry::{Entry, HostsFile, Marker, type_name};
use super::record;

/// A host as `known_hosts` files name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostId {
    /// Host name or address as the person wrote it, or its `HostKeyAlias`.
    pub name: String,
    pub port: u16,
    /// An alias is looked up as it is, without a port.
    pub is_alias: bool,
    pub policy: HostKeyPolicy,
    /// Files in order; new keys go into the first.
    pub files: Vec<PathBuf>,
}

impl HostId {
    /// `host`, or `[host]:port` when the port is not 22.
    pub fn lookup(&self) -> String {
        if self.is_alias || self.port == 22 {
            self.name.to_ascii_lowercase()
        } else {
            format!("[{}]:{}", self.name.to_ascii_lowercase(), self.port)
        }
    }

    fn address(&self) -> String {
        self.lookup()
    }
}

/// The files, read once per run, and what was added to them since.
#[derive(Debug, Default)]
pub struct KnownHosts {
    files: Mutex<HashMap<PathBuf, Arc<HostsFile>>>,
}

impl KnownHosts {
    /// The host-key algorithms to offer, those of known keys first, as OpenSSH orders them; the second list holds
    /// those for which a certificate is asked, when an authority is known for the host.
    pub fn preferred(&self, host: &HostId, all: &[Algorithm]) -> (Vec<Algorithm>, Vec<Algorithm>) {
        // Without them the usual order; that they cannot be read is said when the key is checked.
        let entries = self.about(host).unwrap_or_default();
        let known = |a: &Algorithm| {
            let kind = type_name(a);
            let mut plain = entries.iter().filter(|e| e.marker == Marker::None);
            plain.any(|e| type_name(&e.key.algorithm()) == kind)
        };
        let (mut order, others): (Vec<_>, Vec<_>) = all.iter().cloned().partition(known);
        order.extend(others);
        let authority = entries.iter().any(|e| e.marker == Marker::CertAuthority);
        let certificates = if authority { all.to_vec() } else { Vec::new() };
        (order, certificates)
    }

    /// Whether the host may be trusted; records its key when the policy says so.
    ///
    /// # Errors
    /// One of the `HostKey…` or `HostCertificate` variants, with file and line where there is one; `Config` for a file that is
    /// there and cannot be read: it may say that the key has changed, or was revoked.
    pub fn check(&self, host: &HostId, shown: &PublicKeyOrCertificate) -> Result<(), RemoteError> {
        let entries = self.about(host)?;
        if let Some(certificate) = shown.certificate() {
            return self.check_certificate(host, &entries, certificate);
        }
        self.check_key(host, &entries, &shown.public_key())
    }

    fn check_certificate(&self, host: &HostId, entries: &[Entry], shown: &Certificate) -> Result<(), RemoteError> {
        let authority = PublicKey::new(shown.signature_key().clone(), "");
        refuse_revoked(host, entries, &authority)?;
        let plain = PublicKey::new(shown.public_key().clone(), "");
        refuse_revoked(host, entries, &plain)?;
        let known = |e: &&Entry| e.marker == Marker::CertAuthority && e.holds(&authority);
        if !entries.iter().any(|e| known(&e)) {
            return self.check_key(host, entries, &plain);
        }
        match certificate::objection(shown, &host.name, now()) {
            None => Ok(()),
            Some(reason) => Err(RemoteError::HostCertificate {
                address: host.address(),
                reason,
            }),
        }
    }

    fn check_key(&self, host: &HostId, entries: &[Entry], key: &PublicKey) -> Result<(), RemoteError> {
        refuse_revoked(host, entries, key)?;
        let plain: Vec<&Entry> = entries.iter().filter(|e| e.marker == Marker::None).collect();
        if plain.iter().any(|e| e.holds(key)) || self.known_without_port(host, key)? {
            return Ok(());
        }
        let other = plain.iter().find(|e| e.same_type(key)).or_else(|| plain.first());
        match other {
            Some(entry) => Err(changed(host, key, entry)),
            None if host.policy == HostKeyPolicy::AcceptNew => self.accept(host, key),
            None => Err(RemoteError::HostKeyUnknown {
                address: host.address(),
                algorithm: type_name(&key.algorithm()),
                fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
            }),
        }
    }

    /// OpenSSH also accepts a key that is listed for the host without the port.
    fn known_without_port(&self, host: &HostId, key: &PublicKey) -> Result<bool, RemoteError> {
        if host.is_alias || host.port == 22 {
            return Ok(false);
        }
        let name = host.name.to_ascii_lowercase();
        let entries = self.matching(&host.files, &name)?;
        let revoked = entries.iter().any(|e| e.marker == Marker::Revoked && e.holds(key));
        Ok(!revoked && entries.iter().any(|e| e.marker == Marker::None && e.holds(key)))
    }

    fn accept(&self, host: &HostId, key: &PublicKey) -> Result<(), RemoteError> {
        let Some(file) = host.files.first() else {
            return Err(RemoteError::Config {
                what: "`accept-new` has no known_hosts file to write to".to_owned(),
                remedy: "Set `known-hosts:` in the inventory.".to_owned(),
            });
        };
        record::append(file, &host.lookup(), key).map_err(|error| RemoteError::Config {
            what: format!("cannot record the host key in {}: {error}", file.display()),
            remedy: "Make the file writable, or set `known-hosts:` in the inventory.".to_owned(),
        })?;
        self.lock().remove(file);
        Ok(())
    }

    fn about(&self, host: &HostId) -> Result<Vec<Entry>, RemoteError> {
        self.matching(&host.files, &host.lookup())
    }

    fn matching(&self, files: &[PathBuf], name: &str) -> Result<Vec<Entry>, RemoteError> {
        let read: Vec<Arc<HostsFile>> = files.iter().map(|f| self.file(f)).collect::<Result<_, _>>()?;
        let entries = read.iter().flat_map(|f| f.entries.iter());
        Ok(entries.filter(|e| e.is_about(name)).cloned().collect())
    }

    /// A file that is not there has no lines.
    fn file(&self, path: &Path) -> Result<Arc<HostsFile>, RemoteError> {
        if let Some(file) = self.lock().get(path) {
            return Ok(Arc::clone(file));
        }
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(unreadable(path, &error)),
        };
        let file = Arc::new(HostsFile::parse(path, &String::from_utf8_lossy(&text)));
        self.lock().insert(path.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<PathBuf, Arc<HostsFile>>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> RemoteError {
    RemoteError::Config {
        what: format!("{} cannot be read: {error}", path.display()),
        remedy: "Make it readable, or set `known-hosts:` in the inventory.".to_owned(),
    }
}

fn refuse_revoked(host: &HostId, entries: &[Entry], key: &PublicKey) -> Result<(), RemoteError> {
    let revoked = entries.iter().find(|e| e.marker == Marker::Revoked && e.holds(key));
    revoked.map_or(Ok(()), |entry| {
        Err(RemoteError::HostKeyRevoked {
            address: host.address(),
            file: entry.file.display().to_string(),
            line: entry.line,
        })
    })
}

/// A key of another type than those known is refused like a changed one: whoever sits in between may choose the type.
fn changed(host: &HostId, key: &PublicKey, entry: &Entry) -> RemoteError {
    RemoteError::HostKeyChanged {
        address: host.address(),
        fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
        file: entry.file.display().to_string(),
        line: entry.line,
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}
