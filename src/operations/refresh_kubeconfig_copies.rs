//! Give root's and listed users' copies of admin.conf the renewed certificate: on the host, from file to file.

use std::time::Duration;

use crate::model::{Command, Host, Role, scripts};

use super::backup::BACKUP_DIRECTORY;
use super::reissue_kubelet_client::keep;
use super::types::{Expect, Planned, Postcondition, RUN_ID_PLACEHOLDER};

const TIMEOUT: Duration = Duration::from_secs(60);

/// What the copies held before is known from the run's own backup.
pub fn plan(host: &Host) -> Planned {
    let title = "refresh copies of admin.conf";
    if host.role != Role::ControlPlane {
        return Planned::skipped(title, "admin.conf is renewed on masters");
    }
    let login = host.ssh.user.clone().unwrap_or_default();
    let backup = format!("{BACKUP_DIRECTORY}/{RUN_ID_PLACEHOLDER}");
    let head = [host.kubernetes.cert_dir.clone(), login, backup, keep()];
    let arguments = head.into_iter().chain(host.kubernetes.kubeconfigs.iter().cloned());
    let command = Command::script(&scripts::REFRESH_COPIES, arguments).with_timeout(TIMEOUT);
    Planned::work(
        title,
        vec![command],
        Postcondition::CopiesRefreshed,
        Expect::RefreshedCopies,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::fixtures;

    #[test]
    fn the_copies_of_the_inventory_are_named_and_the_backup_is_the_runs_own() {
        let mut host = fixtures::host("m1", Role::ControlPlane);
        host.ssh.user = Some("ops".to_owned());
        host.kubernetes.kubeconfigs = vec!["/srv/ci/config".to_owned()];
        assert_eq!(
            plan(&host).commands[0].to_string(),
            "certfleet:refresh-copies /etc/kubernetes/pki ops '/var/lib/certfleet/backups/{run-id}' \
             '/var/lib/certfleet/replaced/{run-id}' /srv/ci/config"
        );
        assert!(plan(&fixtures::host("w1", Role::Worker)).skip.is_some());
    }
}
