//! Let old backups go, once a run has proven that the new files work. The newest whole ones always stay.

use std::time::Duration;

use crate::model::{Command, scripts};

use super::backup::BACKUP_DIRECTORY;
use super::types::{Expect, Planned, Postcondition};

/// Sums of a few hundred small files.
const TIMEOUT: Duration = Duration::from_secs(120);

/// Keeps `keep` whole backups of the host. Looking first, so that a host with few is unchanged.
pub fn plan(keep: u32) -> Planned {
    let command = |mode: &str| {
        let arguments = [mode.to_owned(), keep.to_string(), BACKUP_DIRECTORY.to_owned()];
        Command::script(&scripts::PRUNE_BACKUPS, arguments).with_timeout(TIMEOUT)
    };
    let title = match keep {
        1 => "keep the newest backup, remove older ones".to_owned(),
        n => format!("keep the newest {n} backups, remove older ones"),
    };
    Planned::work(
        title,
        vec![command("remove")],
        Postcondition::CommandSucceeds {
            command: command("look"),
        },
        Expect::ExitStatus,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_shown_and_a_look_comes_first() {
        let planned = plan(5);
        assert_eq!(planned.title, "keep the newest 5 backups, remove older ones");
        assert_eq!(
            planned.commands[0].to_string(),
            "certfleet:prune-backups remove 5 /var/lib/certfleet/backups"
        );
        let Postcondition::CommandSucceeds { command } = planned.postcondition else {
            panic!("another postcondition");
        };
        assert_eq!(
            command.to_string(),
            "certfleet:prune-backups look 5 /var/lib/certfleet/backups"
        );
    }
}
