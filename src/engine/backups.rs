//! What lies in the backups of a run, host by host. Read-only.

use std::sync::Arc;

use futures::future::join_all;

use crate::model::{Host, Role, RunId};
use crate::plan::{BackupContent, backup_look};
use crate::probes::certificates_on_disk;
use crate::remote::Transport;

/// Asks every host that is not a worker.
pub async fn look(transport: &Arc<dyn Transport>, hosts: &[Host], run: &RunId) -> BackupContent {
    let asked = hosts.iter().filter(|h| h.role != Role::Worker);
    let looks = asked.map(|host| async {
        let answer = transport.run(&host.name, &backup_look(host, run)).await;
        let read = answer
            .map_err(|e| e.to_string())
            .and_then(|o| certificates_on_disk::parse(&o).map_err(|e| e.to_string()));
        (host.name.clone(), read)
    });
    join_all(looks).await.into_iter().collect()
}
