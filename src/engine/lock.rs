//! One run per cluster from this machine: an advisory file lock that the kernel drops when the process dies.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::model::RunId;

/// Why the cluster cannot be worked on now.
#[derive(Debug, Error)]
pub enum LockError {
    #[error("another run holds the lock of cluster `{cluster}`: {holder} ({})", path.display())]
    Held {
        cluster: String,
        holder: String,
        path: PathBuf,
    },
    #[error("cannot use the lock file {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
}

/// Held until dropped. The file stays; only the lock on it counts.
#[derive(Debug)]
pub struct ClusterLock {
    _file: File,
}

impl ClusterLock {
    /// Takes the lock, or says who holds it.
    pub fn acquire(state: &Path, cluster: &str, run: &RunId) -> Result<Self, LockError> {
        let path = state.join("locks").join(format!("{}.lock", file_name(cluster)));
        let io = |source| LockError::Io {
            path: path.clone(),
            source,
        };
        let folder = path.parent().unwrap_or(state);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(io)?;
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder).map_err(io)?;
                return Err(LockError::Held {
                    cluster: cluster.to_owned(),
                    holder: holder.trim().to_owned(),
                    path,
                });
            }
            Err(TryLockError::Error(source)) => return Err(LockError::Io { path, source }),
        }
        file.set_len(0).and_then(|()| file.rewind()).map_err(io)?;
        writeln!(file, "run {run}, process {}", std::process::id())
            .and_then(|()| file.sync_all())
            .map_err(io)?;
        Ok(Self { _file: file })
    }
}

/// A cluster name as a file name: anything unusual becomes its code, so that two names never share a lock.
fn file_name(cluster: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    cluster
        .chars()
        .map(|c| {
            if plain(c) {
                c.to_string()
            } else {
                format!("%{:x}", u32::from(c))
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_run_is_told_who_holds_it_and_a_dead_holder_frees_it() {
        let state = tempfile::tempdir().expect("a temporary directory");
        let first = ClusterLock::acquire(state.path(), "prod/eu", &RunId::new("r1")).expect("free");
        let error = ClusterLock::acquire(state.path(), "prod/eu", &RunId::new("r2"))
            .expect_err("held")
            .to_string();
        assert!(error.contains("run r1"), "{error}");
        ClusterLock::acquire(state.path(), "prod_eu", &RunId::new("r3")).expect("another cluster");
        drop(first);
        // What another test starts at this moment holds the file until its exec.
        let free = || ClusterLock::acquire(state.path(), "prod/eu", &RunId::new("r4"));
        let again = (0..200).map(|_| free().inspect_err(|_| std::thread::sleep(std::time::Duration::from_millis(10))));
        again.into_iter().find_map(Result::ok).expect("free again");
    }
}
