//! The fleet: hosts by name, and what they share.

use std::collections::HashMap;
use std::env;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::model::{Command, Host, HostName, Output};
use crate::remote::auth::Authenticator;
use crate::remote::error::RemoteError;
use crate::remote::known_hosts::KnownHosts;
use crate::remote::secrets::Secrets;
use crate::remote::ssh_config::SshConfig;
use crate::remote::transport::{Duplex, LineStream, Transport};
use crate::remote::vault::Vault;

use super::jump::Bastion;
use super::retry::Backoff;
use super::slot::Slot;
use super::target::Person;

/// Limits of a fleet, and where the person's files are. `Default` is right for everything but tests.
#[derive(Debug, Clone)]
pub struct FleetOptions {
    /// Handshakes in flight, all hosts together; more is not faster.
    pub handshakes: usize,
    /// Handshakes in flight through one jump host.
    pub handshakes_per_jump: usize,
    /// Sessions per connection; sshd's `MaxSessions` is 10.
    pub sessions: usize,
    pub backoff: Backoff,
    /// Keys are exchanged anew after this time at the latest: a day, since russh's hour would interrupt a long
    /// `--follow` for nothing.
    pub rekey_after: Duration,
    /// Home folder: `~/.ssh`.
    pub home: PathBuf,
    /// The system's `ssh_config`.
    pub system_config: PathBuf,
    /// Who logs in when nothing says so.
    pub local_user: Option<String>,
    /// The agent's socket.
    pub agent: Option<PathBuf>,
    /// The OpenSSH client, for `ssh_config` files that only it can evaluate.
    pub ssh_program: Option<PathBuf>,
}

impl Default for FleetOptions {
    fn default() -> Self {
        Self {
            handshakes: 16,
            handshakes_per_jump: 4,
            sessions: 6,
            backoff: Backoff::default(),
            rekey_after: Duration::from_secs(24 * 3600),
            home: etcetera::home_dir().unwrap_or_default(),
            system_config: PathBuf::from("/etc/ssh/ssh_config"),
            local_user: ["USER", "LOGNAME"]
                .iter()
                .find_map(|v| env::var(v).ok())
                .or_else(owner_of_home),
            agent: env::var_os("SSH_AUTH_SOCK")
                .filter(|s| !s.is_empty())
                .map(PathBuf::from),
            ssh_program: in_path("ssh"),
        }
    }
}

/// cron sets neither USER nor LOGNAME everywhere; the home folder's name is the user's by custom.
fn owner_of_home() -> Option<String> {
    let home = etcetera::home_dir().ok()?;
    Some(home.file_name()?.to_string_lossy().into_owned())
}

fn in_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|p: &PathBuf| Path::is_file(p))
}

/// What all hosts share.
#[derive(Debug)]
pub(super) struct Shared {
    pub options: FleetOptions,
    pub config: SshConfig,
    pub person: Person,
    pub known_hosts: Arc<KnownHosts>,
    pub vault: Arc<Vault>,
    pub authenticator: Authenticator,
    pub handshakes: Semaphore,
    pub bastions: Mutex<Vec<Arc<Bastion>>>,
}

/// Real hosts over SSH; see [`Transport`].
pub struct SshFleet {
    shared: Arc<Shared>,
    slots: HashMap<HostName, Slot>,
}

impl fmt::Debug for SshFleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SshFleet")
            .field("hosts", &self.slots.len())
            .finish_non_exhaustive()
    }
}

impl SshFleet {
    /// A fleet that has not connected to anything yet.
    pub fn new(hosts: Vec<Host>, secrets: Arc<dyn Secrets>, options: FleetOptions) -> Self {
        let vault = Arc::new(Vault::new(secrets));
        let home = options.home.clone();
        let shared = Shared {
            config: SshConfig::new(home.clone(), options.system_config.clone(), options.ssh_program.clone()),
            person: Person {
                home: home.clone(),
                user: options.local_user.clone(),
            },
            known_hosts: Arc::default(),
            authenticator: Authenticator::new(Arc::clone(&vault), home, options.agent.clone()),
            vault,
            handshakes: Semaphore::new(options.handshakes),
            bastions: Mutex::default(),
            options,
        };
        let slots = hosts.into_iter().map(|h| (h.name.clone(), Slot::new(h))).collect();
        Self {
            shared: Arc::new(shared),
            slots,
        }
    }

    fn slot(&self, host: &HostName) -> Result<&Slot, RemoteError> {
        self.slots
            .get(host)
            .ok_or_else(|| RemoteError::NoSuchHost(host.to_string()))
    }
}

impl Transport for SshFleet {
    fn run<'a>(&'a self, host: &'a HostName, command: &'a Command) -> BoxFuture<'a, Result<Output, RemoteError>> {
        async move {
            let began = Instant::now();
            let result = self.slot(host)?.run(&self.shared, command).await;
            let (ms, good) = (began.elapsed().as_millis(), result.is_ok());
            tracing::debug!(%host, ms, good, command = %self.shared.vault.conceal(&command.to_string()), "asked");
            result
        }
        .boxed()
    }

    fn follow<'a>(
        &'a self,
        host: &'a HostName,
        command: &'a Command,
    ) -> BoxFuture<'a, Result<LineStream, RemoteError>> {
        async move { self.slot(host)?.follow(&self.shared, command).await }.boxed()
    }

    fn dial<'a>(
        &'a self,
        host: &'a HostName,
        address: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Duplex>, RemoteError>> {
        async move { self.slot(host)?.dial(&self.shared, address, port).await }.boxed()
    }

    fn conceal(&self, text: &str) -> String {
        self.shared.vault.conceal(text)
    }
}
