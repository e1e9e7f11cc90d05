//! What `certfleet lab up` leaves in its directory, so that certfleet and plain `ssh` can reach the lab.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use russh::keys::ssh_key::{self, LineEnding, PrivateKey, PublicKey};
use thiserror::Error;

use crate::model::{HostName, Role};

mod text;

/// Says that a directory belongs to the lab and may be written over; locked while a lab uses it.
const MARKER: &str = ".certfleet-lab";

/// One host, as the files shall name it.
#[derive(Debug, Clone)]
pub struct LabHost {
    pub name: HostName,
    pub role: Role,
    /// On 127.0.0.1.
    pub port: u16,
    pub host_key: PublicKey,
}

/// How one logs in to the hosts.
#[derive(Debug)]
pub struct LabLogin<'a> {
    /// The private key of `ops` and `root`.
    pub key: &'a PrivateKey,
    /// sudo on the hosts asks for a password: the inventory then says `password: prompt`.
    pub sudo_password: bool,
}

/// Why the files could not be written.
#[derive(Debug, Error)]
pub enum LabFilesError {
    #[error("{} is not empty and not a directory of the lab; choose a new directory, nothing was written", .0.display())]
    NotOurs(PathBuf),
    #[error("another lab is running in {}; end it, or choose another directory", .0.display())]
    InUse(PathBuf),
    #[error("{} cannot be named in an ssh_config (a quote, a control character, `$`, or not UTF-8); choose another directory", .0.display())]
    Name(PathBuf),
    #[error("cannot write {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("cannot write the login key: {0}")]
    Key(#[from] ssh_key::Error),
}

/// The files of a running lab. They stay when it ends; their keys open nothing then.
#[derive(Debug)]
pub struct LabFiles {
    dir: PathBuf,
    /// Held until the lab ends.
    _lock: File,
}

impl LabFiles {
    /// Writes everything, over the files of an earlier lab but over nothing else. The directory is made when absent.
    pub fn write(dir: &Path, hosts: &[LabHost], login: &LabLogin<'_>) -> Result<Self, LabFilesError> {
        let dir = claim(dir)?;
        let lock = lock(&dir)?;
        let place = text::Place::new(&dir).ok_or_else(|| LabFilesError::Name(dir.clone()))?;
        put(&dir, "id_ed25519", &login.key.to_openssh(LineEnding::LF)?)?;
        put(&dir, "id_ed25519.pub", &text::public_line(login.key.public_key())?)?;
        put(&dir, "known_hosts", &text::known_hosts(hosts)?)?;
        put(&dir, "ssh_config", &text::ssh_config(hosts, &place))?;
        put(
            &dir,
            "inventory.yaml",
            &text::inventory(hosts, &place, login.sudo_password),
        )?;
        Ok(Self { dir, _lock: lock })
    }

    /// The directory, absolute.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// For `certfleet -i`.
    pub fn inventory(&self) -> PathBuf {
        self.dir.join("inventory.yaml")
    }

    /// For `ssh -F`.
    pub fn ssh_config(&self) -> PathBuf {
        self.dir.join("ssh_config")
    }
}

/// The directory, made or found to be ours; absolute.
fn claim(dir: &Path) -> Result<PathBuf, LabFilesError> {
    create(dir).map_err(|e| failed(dir, e))?;
    let dir = dir.canonicalize().map_err(|e| failed(dir, e))?;
    let empty = fs::read_dir(&dir).map_err(|e| failed(&dir, e))?.next().is_none();
    if !empty && !dir.join(MARKER).is_file() {
        return Err(LabFilesError::NotOurs(dir));
    }
    Ok(dir)
}

/// Parents as usual, the directory itself for its owner only.
fn create(dir: &Path) -> io::Result<()> {
    if let Some(parent) = dir.parent().filter(|p| !p.as_os_str().is_empty()) {
        fs::create_dir_all(parent)?;
    }
    match private_builder().create(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

#[cfg(unix)]
fn private_builder() -> DirBuilder {
    use std::os::unix::fs::DirBuilderExt;
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    builder
}

#[cfg(not(unix))]
fn private_builder() -> DirBuilder {
    DirBuilder::new()
}

/// Sets the marker and takes it for this process.
fn lock(dir: &Path) -> Result<File, LabFilesError> {
    let path = dir.join(MARKER);
    let mut options = OpenOptions::new();
    let opened = options.create(true).append(true).open(&path);
    let file = opened.map_err(|e| failed(&path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LabFilesError::InUse(dir.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(&path, error)),
    }
}

/// Replaces a file as a whole, readable by its owner only; a symlink of that name is replaced, not followed.
fn put(dir: &Path, name: &str, content: &str) -> Result<(), LabFilesError> {
    let path = dir.join(name);
    let write = || -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(content.as_bytes())?;
        file.persist(&path)?;
        Ok(())
    };
    write().map_err(|e| failed(&path, e))
}

fn failed(path: &Path, source: io::Error) -> LabFilesError {
    LabFilesError::Io {
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests;
