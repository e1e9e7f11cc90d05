//! Put a backup back where it came from. What reads the files must be restarted afterwards.

use std::time::Duration;

use crate::model::{Command, Host, RunId, scripts};

use super::backup::BACKUP_DIRECTORY;
use super::types::{Expect, Planned, Postcondition};

const TIMEOUT: Duration = Duration::from_secs(120);

/// The backup that `run` made. Doing it twice is harmless: the sums are verified and the same files written.
pub fn plan(host: &Host, run: &RunId) -> Planned {
    let arguments = [run.as_str(), BACKUP_DIRECTORY, &host.kubernetes.cert_dir];
    let command = Command::script(&scripts::RESTORE, arguments).with_timeout(TIMEOUT);
    let path = format!("{BACKUP_DIRECTORY}/{run}");
    Planned::work(
        format!("put back the backup of {run}"),
        vec![command],
        Postcondition::BackupExists { path },
        Expect::ExitStatus,
    )
}

/// Asks for the certificates inside the backup: the script that reads a host, with the backup as its root.
pub fn look_command(host: &Host, run: &RunId) -> Command {
    let mut command = Command::script(&scripts::READ_CERTIFICATES, [host.kubernetes.cert_dir.as_str()]);
    let root = format!("CERTFLEET_ROOT={BACKUP_DIRECTORY}/{run}");
    command.words.splice(0..0, ["env".to_owned(), root]);
    command
}
