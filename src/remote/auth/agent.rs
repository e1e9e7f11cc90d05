//! The SSH agent: what it holds, listed once; at most eight signatures at a time.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::client::{AuthResult, Handle, Handler};
use russh::keys::HashAlg;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use tokio::net::UnixStream;
use tokio::sync::{Mutex, Semaphore};
use tokio::time::timeout;

/// A hardware key may wait for a touch; an agent that hangs must not hang the fleet.
const LIST_DEADLINE: Duration = Duration::from_secs(5);

/// The agent, or none.
#[derive(Debug)]
pub(super) struct Agent {
    socket: Option<PathBuf>,
    listed: Mutex<HashMap<PathBuf, Arc<Vec<AgentIdentity>>>>,
    signatures: Semaphore,
}

impl Agent {
    pub(super) fn new(socket: Option<PathBuf>) -> Self {
        Self {
            socket,
            listed: Mutex::default(),
            signatures: Semaphore::new(8),
        }
    }

    /// The socket for a host: `IdentityAgent` if configured, else the one of the environment.
    pub(super) fn socket(&self, configured: Option<&str>) -> Option<PathBuf> {
        match configured {
            Some("none") => None,
            None | Some("SSH_AUTH_SOCK") => self.socket.clone(),
            Some(path) => Some(PathBuf::from(path)),
        }
    }

    /// What the agent holds; an agent that cannot be asked holds nothing.
    pub(super) async fn identities(&self, socket: &Path) -> Arc<Vec<AgentIdentity>> {
        let mut listed = self.listed.lock().await;
        if let Some(identities) = listed.get(socket) {
            return Arc::clone(identities);
        }
        let asked = timeout(LIST_DEADLINE, list(socket)).await.ok().flatten();
        let identities = Arc::new(asked.unwrap_or_default());
        listed.insert(socket.to_owned(), Arc::clone(&identities));
        identities
    }

    /// Offers one of its identities on a connection.
    pub(super) async fn log_in<H: Handler>(
        &self,
        socket: &Path,
        handle: &mut Handle<H>,
        user: &str,
        identity: &AgentIdentity,
        hash: Option<HashAlg>,
    ) -> Result<AuthResult, String> {
        let _turn = self.signatures.acquire().await.map_err(|e| e.to_string())?;
        let mut client = connect(socket).await.ok_or("the agent went away")?;
        let result = match identity {
            AgentIdentity::PublicKey { key, .. } => {
                handle
                    .authenticate_publickey_with(user, key.clone(), hash, &mut client)
                    .await
            }
            AgentIdentity::Certificate { certificate, .. } => {
                handle
                    .authenticate_certificate_with(user, certificate.clone(), hash, &mut client)
                    .await
            }
        };
        result.map_err(|e| e.to_string())
    }
}

async fn connect(socket: &Path) -> Option<AgentClient<UnixStream>> {
    AgentClient::connect_uds(socket).await.ok()
}

async fn list(socket: &Path) -> Option<Vec<AgentIdentity>> {
    connect(socket).await?.request_identities().await.ok()
}
