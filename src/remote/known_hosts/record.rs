//! `accept-new`: a key seen for the first time is appended to the user's file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use russh::keys::PublicKey;

/// Appends one line under the file's lock, so that two runs never mix their lines.
///
/// # Errors
/// Those of the file system.
pub(super) fn append(path: &Path, name: &str, key: &PublicKey) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        make_private_folder(folder)?;
    }
    let openssh = key.to_openssh().map_err(io::Error::other)?;
    let key = openssh.split(' ').take(2).collect::<Vec<_>>().join(" ");
    let mut file = open_private(path)?;
    file.lock()?;
    let start = if ends_with_newline(&mut file)? { "" } else { "\n" };
    file.write_all(format!("{start}{name} {key}\n").as_bytes())?;
    file.sync_data()
}

fn ends_with_newline(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(true);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

fn open_private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

fn make_private_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
