//! What every part of a run shares.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use crate::model::{Command, Host, HostFacts, HostName, Inventory, Output, RunId};
use crate::remote::{RemoteError, Transport};

use super::cancel::Cancel;
use super::recorder::Recorder;

/// One run: the way to the hosts, the record, and the way to stop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Run {
    pub id: RunId,
    pub inventory: Arc<Inventory>,
    /// As gathered before the plan.
    pub facts: Arc<BTreeMap<HostName, HostFacts>>,
    pub transport: Arc<dyn Transport>,
    pub recorder: Recorder,
    pub cancel: Cancel,
}

impl Run {
    /// Runs a command on a host.
    pub(super) async fn ask(&self, host: &HostName, command: &Command) -> Result<Output, RemoteError> {
        send(&self.transport, host, command).await
    }

    /// What was found on the host before the plan.
    pub(super) fn facts_of(&self, name: &HostName) -> HostFacts {
        self.facts
            .get(name)
            .cloned()
            .unwrap_or_else(|| HostFacts::unknown(name.clone()))
    }

    /// The host's settings. A plan only names hosts of its inventory.
    pub(super) fn host(&self, name: &HostName) -> Result<&Host, RemoteError> {
        self.inventory
            .host(name)
            .ok_or_else(|| RemoteError::NoSuchHost(name.to_string()))
    }
}

/// How often a command is sent again that was never sent, and the pause before: nothing has happened on the host yet.
const RESENDS: usize = 2;
const RESEND_PAUSE: Duration = Duration::from_secs(2);

/// Runs a command. A connection that was lost before the command was sent is no answer: it is sent again.
pub(super) async fn send(
    transport: &Arc<dyn Transport>,
    host: &HostName,
    command: &Command,
) -> Result<Output, RemoteError> {
    for _ in 0..RESENDS {
        match transport.run(host, command).await {
            Err(RemoteError::Lost { sent: false }) => sleep(RESEND_PAUSE).await,
            result => return result,
        }
    }
    transport.run(host, command).await
}
