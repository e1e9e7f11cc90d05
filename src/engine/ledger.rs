//! The ledger: one directory per run, one JSON line per event, on disk before anything follows from it.
//!
//! `$XDG_STATE_HOME/certfleet/runs/RUN/` holds `ledger.jsonl`, `plan.json` and `facts.json`, all 0600 in a 0700
//! directory. What a line looks like is in `ledger_line`; a torn last line (power cut, disk full) is recognised by its
//! missing newline, and cut off when the run goes on.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::event::Event;
use crate::model::RunId;

use super::ledger_line;

/// Where a run's records are kept, or why they cannot be.
#[derive(Debug, Error)]
pub enum LedgerError {
    #[error("cannot {doing} {}: {source}. Nothing was changed on any host by this.", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    /// An earlier write failed; nothing is appended behind it.
    #[error("the ledger is closed: {why}")]
    Closed { why: String },
    #[error("{}:{line}: not a ledger line: {why}", path.display())]
    Damaged { path: PathBuf, line: usize, why: String },
}

/// The append-only record of one run.
#[derive(Debug)]
pub struct Ledger {
    file: Box<dyn LedgerFile>,
    directory: PathBuf,
}

/// What a ledger is written to: a file; in tests of full disks, something that stops taking bytes.
pub trait LedgerFile: Write + Send + fmt::Debug {
    /// Returns once the bytes are on disk.
    ///
    /// # Errors
    /// They are not.
    fn sync(&mut self) -> io::Result<()>;
}

impl LedgerFile for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// `runs/` below the state directory.
pub fn runs_directory(state: &Path) -> PathBuf {
    state.join("runs")
}

impl Ledger {
    /// Makes the run's directory and an empty ledger. Fails if the run exists: ids are unique.
    pub fn create(state: &Path, run: &RunId) -> Result<Self, LedgerError> {
        let directory = runs_directory(state).join(run.as_str());
        let parent = runs_directory(state);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&parent)
            .map_err(io_error("create", &parent))?;
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&directory)
            .map_err(io_error("create", &directory))?;
        let path = directory.join("ledger.jsonl");
        let file = private_file(&path).map_err(io_error("create", &path))?;
        sync_directory(&directory)?;
        sync_directory(&parent)?;
        Ok(Self::on(Box::new(file), directory))
    }

    /// A ledger on something that is already open; `directory` is where it says that it is.
    pub fn on(file: Box<dyn LedgerFile>, directory: PathBuf) -> Self {
        Self { file, directory }
    }

    /// The run's directory, for the plan and reports.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Keeps a file beside the ledger (`plan.json`).
    pub fn keep(&self, name: &str, bytes: &[u8]) -> Result<(), LedgerError> {
        keep_file(&self.directory, name, bytes)
    }

    /// Opens the ledger of a run that goes on: what was recorded, and the file ready to take more. A torn last line is
    /// cut off: its event was announced to nobody.
    pub fn reopen(directory: &Path) -> Result<(Self, Vec<Event>), LedgerError> {
        let events = Self::read(directory)?;
        let path = directory.join("ledger.jsonl");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(io_error("open", &path))?;
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(io_error("read", &path))?;
        let whole = text.iter().rposition(|b| *b == b'\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64)
            .and_then(|()| file.seek(SeekFrom::End(0)))
            .and_then(|_| file.sync_all())
            .map_err(io_error("cut the torn line of", &path))?;
        let directory = directory.to_owned();
        let file = Box::new(file);
        Ok((Self { file, directory }, events))
    }

    /// Appends one event and waits until the disk has it.
    pub fn append(&mut self, event: &Event) -> Result<(), LedgerError> {
        let path = self.directory.join("ledger.jsonl");
        let mut line = ledger_line::encode(event).map_err(|why| LedgerError::Damaged {
            path: path.clone(),
            line: 0,
            why,
        })?;
        line.push('\n');
        self.file
            .write_all(line.as_bytes())
            .and_then(|()| self.file.sync())
            .map_err(io_error("write", &path))
    }

    /// Reads a ledger back. A torn last line is dropped; damage anywhere else is an error with its line.
    pub fn read(directory: &Path) -> Result<Vec<Event>, LedgerError> {
        let path = directory.join("ledger.jsonl");
        let mut text = Vec::new();
        File::open(&path)
            .and_then(|mut f| f.read_to_end(&mut text))
            .map_err(io_error("read", &path))?;
        let whole = text
            .iter()
            .rposition(|b| *b == b'\n')
            .map_or(&text[..0], |end| &text[..end]);
        let lines = whole.split(|b| *b == b'\n').filter(|l| !l.is_empty()).enumerate();
        lines.map(|(index, line)| parse_line(&path, index + 1, line)).collect()
    }
}

/// Writes a file of a run whole or not at all; an older one of that name is replaced.
pub fn keep_file(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), LedgerError> {
    let path = directory.join(name);
    let partial = directory.join(format!("{name}.partial"));
    let _ = fs::remove_file(&partial);
    let mut file = private_file(&partial).map_err(io_error("create", &partial))?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&partial, &path))
        .map_err(io_error("write", &path))?;
    sync_directory(directory)
}

fn parse_line(path: &Path, line: usize, bytes: &[u8]) -> Result<Event, LedgerError> {
    let damaged = |why: String| LedgerError::Damaged {
        path: path.to_owned(),
        line,
        why,
    };
    let event = ledger_line::decode(bytes).map_err(damaged)?;
    if event.seq != line as u64 {
        return Err(damaged(format!(
            "it is number {}, so lines are missing or were moved",
            event.seq
        )));
    }
    Ok(event)
}

fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
}

fn sync_directory(path: &Path) -> Result<(), LedgerError> {
    File::open(path)
        .and_then(|d| d.sync_all())
        .map_err(io_error("sync", path))
}

fn io_error(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> LedgerError {
    let path = path.to_owned();
    move |source| LedgerError::Io { doing, path, source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::EventKind;
    use std::os::unix::fs::PermissionsExt;

    fn event(seq: u64) -> Event {
        Event {
            seq,
            at: jiff::Timestamp::UNIX_EPOCH,
            kind: EventKind::StopRequested { why: None },
        }
    }

    #[test]
    fn what_was_appended_is_read_back_and_a_torn_last_line_is_dropped() {
        let state = tempfile::tempdir().expect("a temporary directory");
        let mut ledger = Ledger::create(state.path(), &RunId::new("r1")).expect("a new run");
        ledger.append(&event(1)).expect("appends");
        ledger.append(&event(2)).expect("appends");
        ledger.file.write_all(b"{\"seq\":3,\"at\":").expect("half a line");
        assert_eq!(
            Ledger::read(ledger.directory()).expect("reads"),
            vec![event(1), event(2)]
        );
        let mode = |p: &Path| fs::metadata(p).expect("exists").permissions().mode() & 0o777;
        assert_eq!(
            (mode(ledger.directory()), mode(&ledger.directory().join("ledger.jsonl"))),
            (0o700, 0o600)
        );
    }

    #[test]
    fn a_run_goes_on_behind_a_torn_line_and_one_changed_character_is_noticed() {
        let state = tempfile::tempdir().expect("a temporary directory");
        let mut ledger = Ledger::create(state.path(), &RunId::new("r1")).expect("a new run");
        ledger.append(&event(1)).expect("appends");
        ledger.file.write_all(b"{\"seq\":2,\"at\":").expect("half a line");
        let directory = ledger.directory().to_owned();
        drop(ledger);
        let (mut again, events) = Ledger::reopen(&directory).expect("opens");
        assert_eq!(events, vec![event(1)]);
        again.append(&event(2)).expect("appends");
        assert_eq!(Ledger::read(&directory).expect("reads"), vec![event(1), event(2)]);
        let path = directory.join("ledger.jsonl");
        let text = fs::read_to_string(&path).expect("text");
        fs::write(&path, text.replacen("1970", "1971", 1)).expect("writes");
        let error = Ledger::read(&directory).expect_err("the sum differs").to_string();
        assert!(
            error.contains("ledger.jsonl:1") && error.contains("checksum"),
            "{error}"
        );
    }

    #[test]
    fn a_missing_line_is_named() {
        let state = tempfile::tempdir().expect("a temporary directory");
        let mut ledger = Ledger::create(state.path(), &RunId::new("r1")).expect("a new run");
        ledger.append(&event(1)).expect("appends");
        ledger.append(&event(3)).expect("appends");
        let error = Ledger::read(ledger.directory())
            .expect_err("a gap is damage")
            .to_string();
        assert!(error.contains("ledger.jsonl:2"), "{error}");
        assert!(
            Ledger::create(state.path(), &RunId::new("r1")).is_err(),
            "a run id is used once"
        );
    }
}
