//! What every part of a run shares.

use std::collections::BTreeMap;
use std::sync::Arc;

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
        self.transport.run(host, command).await
    }

    /// What was found on the host before the plan.
    pub(super) fn facts_of(&self, name: &HostName) -> HostFacts {
        self.facts.get(name).cloned().unwrap_or_else(|| HostFacts::unknown(name.clone()))
    }

    /// The host's settings. A plan only names hosts of its inventory.
    pub(super) fn host(&self, name: &HostName) -> Result<&Host, RemoteError> {
        self.inventory.host(name).ok_or_else(|| RemoteError::NoSuchHost(name.to_string()))
    }
}
