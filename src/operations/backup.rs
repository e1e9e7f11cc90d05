//! Keep what a renewal changes: /etc/kubernetes and the kubelet's PKI, in a root-only directory of the same host.

use std::time::Duration;

use crate::model::{Command, Host, scripts};

use super::types::{Expect, Planned, Postcondition, RUN_ID_PLACEHOLDER};

/// Where backups go: outside /etc/kubernetes/manifests, whose every file the kubelet runs as a pod.
pub const BACKUP_DIRECTORY: &str = "/var/lib/certfleet/backups";
/// Copying some megabytes on a slow disk.
const TIMEOUT: Duration = Duration::from_secs(120);

/// One copy per run; running it again verifies the copy. Where the API answers, kubeadm's configuration is kept with it.
pub fn plan(host: &Host) -> Planned {
    let settings = &host.kubernetes;
    let arguments = [
        RUN_ID_PLACEHOLDER,
        BACKUP_DIRECTORY,
        &settings.cert_dir,
        &settings.kubectl,
    ];
    let command = Command::script(&scripts::BACKUP, arguments).with_timeout(TIMEOUT);
    let path = format!("{BACKUP_DIRECTORY}/{RUN_ID_PLACEHOLDER}");
    let title = "back up /etc/kubernetes";
    Planned::work(
        title,
        vec![command],
        Postcondition::BackupExists { path },
        Expect::BackupLine,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Role, RunId};
    use crate::operations::{fill_run_id, fixtures};

    #[test]
    fn the_run_is_filled_in_later_and_the_script_is_left_alone() {
        let planned = plan(&fixtures::host("m1", Role::ControlPlane));
        let run = RunId::new("20201122T191500Z-renew-4f2a");
        let command = fill_run_id(&planned.commands[0], &run);
        assert_eq!(
            command.to_string(),
            "certfleet:backup 20201122T191500Z-renew-4f2a /var/lib/certfleet/backups /etc/kubernetes/pki kubectl"
        );
        assert_eq!(command.words[2], scripts::BACKUP.text);
        let Postcondition::BackupExists { path } = planned.postcondition.for_run(&run) else {
            panic!("another postcondition");
        };
        assert_eq!(path, "/var/lib/certfleet/backups/20201122T191500Z-renew-4f2a");
    }
}
