//! Ports, keys, start and end of the lab's SSH server.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::keys::ssh_key::{self, PrivateKey, PublicKey};
use russh::{MethodKind, MethodSet, SshId, server};
use secrecy::SecretString;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::lab::Machine;
use crate::lab::keys;
use crate::model::HostName;

use super::connection;

/// How long [`ServerHandle::shutdown`] waits for connections and commands to end.
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(2);
/// russh waits this long before it answers a refused login (its default of 1 s would slow down tests).
const REJECTION_TIME: Duration = Duration::from_millis(20);
/// Pause after a failed accept (out of file descriptors), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Who may log in, and where the server listens.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Key of `ops` and `root`.
    pub authorized: PublicKey,
    /// Password that `ops` may use instead of the key; `None` = passwords are not offered.
    pub password: Option<SecretString>,
    /// Port of the first host, the others follow; `None` = whatever the system gives.
    pub first_port: Option<u16>,
    /// Session channels per connection, as sshd's `MaxSessions`.
    pub max_sessions: usize,
}

impl ServerOptions {
    /// Key login only, ports given by the system, 10 sessions per connection as OpenSSH.
    pub fn new(authorized: PublicKey) -> Self {
        Self {
            authorized,
            password: None,
            first_port: None,
            max_sessions: 10,
        }
    }
}

/// Why the server did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The port is in use, or too many hosts follow `first_port`.
    #[error("cannot listen on 127.0.0.1:{port} for host {host}: {source}; choose another first port, or none")]
    Listen {
        host: HostName,
        port: u16,
        source: io::Error,
    },
    /// More hosts than ports above `first_port`.
    #[error("there is no port left for host {host}: choose a first port of at most {highest}")]
    NoPort { host: HostName, highest: usize },
    #[error("cannot make a host key: {0}")]
    Key(#[from] ssh_key::Error),
}

/// Where one host listens, and the key it shows.
#[derive(Debug, Clone)]
pub struct ServedHost {
    pub name: HostName,
    /// On 127.0.0.1.
    pub port: u16,
    pub host_key: PublicKey,
}

/// What all connections of one host share.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) host: HostName,
    pub(super) machine: Arc<dyn Machine>,
    pub(super) options: ServerOptions,
    pub(super) config: Arc<server::Config>,
    /// Cancelled once, when the whole server ends.
    pub(super) stop: CancellationToken,
    pub(super) tasks: TaskTracker,
    /// Parent of the tokens of all present connections; replaced when they are dropped.
    open: Mutex<CancellationToken>,
}

impl Door {
    /// Token of a new connection.
    pub(super) fn enter(&self) -> CancellationToken {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).child_token()
    }

    fn drop_connections(&self) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *open).cancel();
    }
}

/// The running server; dropping it ends it without waiting.
#[derive(Debug)]
pub struct ServerHandle {
    hosts: Vec<ServedHost>,
    doors: BTreeMap<HostName, Arc<Door>>,
    stop: CancellationToken,
    tasks: TaskTracker,
    _stop_on_drop: DropGuard,
}

impl ServerHandle {
    /// Every host in the order given to [`SshServer::start`].
    pub fn hosts(&self) -> &[ServedHost] {
        &self.hosts
    }

    /// Port of each host on 127.0.0.1.
    pub fn ports(&self) -> BTreeMap<HostName, u16> {
        self.hosts.iter().map(|h| (h.name.clone(), h.port)).collect()
    }

    /// Cuts every present connection of the host without a word; new ones are accepted. False: there is no such host.
    ///
    /// Commands go on as they do under a real sshd, but their streams are closed.
    pub fn drop_connections(&self, host: &HostName) -> bool {
        let door = self.doors.get(host);
        door.inspect(|door| door.drop_connections()).is_some()
    }

    /// Ends all commands, says goodbye to all clients and closes the ports; waits for it at most 2 s.
    pub async fn shutdown(&self) {
        self.stop.cancel();
        self.tasks.close();
        if tokio::time::timeout(SHUTDOWN_DEADLINE, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(left = self.tasks.len(), "the lab's SSH server ends with work left");
        }
    }
}

/// Starts the server.
#[derive(Debug)]
pub struct SshServer;

impl SshServer {
    /// Opens one port per host, each with a new host key. When this returns, clients can connect.
    pub async fn start(
        machine: Arc<dyn Machine>,
        hosts: Vec<HostName>,
        options: ServerOptions,
    ) -> Result<ServerHandle, StartError> {
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        let mut handle = ServerHandle {
            hosts: Vec::new(),
            doors: BTreeMap::new(),
            stop: stop.clone(),
            tasks: tasks.clone(),
            _stop_on_drop: stop.clone().drop_guard(),
        };
        for (index, host) in hosts.into_iter().enumerate() {
            let listener = listen(&host, index, options.first_port).await?;
            let key = keys::generate()?;
            handle.hosts.push(served(&host, &listener, &key)?);
            let door = Arc::new(Door {
                host: host.clone(),
                machine: Arc::clone(&machine),
                config: Arc::new(ssh_config(key, &options)),
                options: options.clone(),
                stop: stop.clone(),
                tasks: tasks.clone(),
                open: Mutex::default(),
            });
            tasks.spawn(accept(listener, Arc::clone(&door)));
            handle.doors.insert(host, door);
        }
        Ok(handle)
    }
}

/// The port of the host with this index.
fn port_of(host: &HostName, index: usize, first: Option<u16>) -> Result<u16, StartError> {
    let Some(first) = first else { return Ok(0) };
    let port = u16::try_from(usize::from(first) + index);
    port.map_err(|_| StartError::NoPort {
        host: host.clone(),
        highest: usize::from(u16::MAX).saturating_sub(index),
    })
}

async fn listen(host: &HostName, index: usize, first: Option<u16>) -> Result<TcpListener, StartError> {
    let port = port_of(host, index, first)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
    listener.map_err(|source| StartError::Listen {
        host: host.clone(),
        port,
        source,
    })
}

fn served(host: &HostName, listener: &TcpListener, key: &PrivateKey) -> Result<ServedHost, StartError> {
    let address = listener.local_addr().map_err(|source| StartError::Listen {
        host: host.clone(),
        port: 0,
        source,
    })?;
    Ok(ServedHost {
        name: host.clone(),
        port: address.port(),
        host_key: key.public_key().clone(),
    })
}

fn ssh_config(key: PrivateKey, options: &ServerOptions) -> server::Config {
    let mut methods = MethodSet::empty();
    methods.push(MethodKind::PublicKey);
    if options.password.is_some() {
        methods.push(MethodKind::Password);
    }
    server::Config {
        server_id: SshId::Standard(Cow::Borrowed("SSH-2.0-certfleet_lab")),
        methods,
        auth_rejection_time: REJECTION_TIME,
        auth_rejection_time_initial: Some(Duration::ZERO),
        keys: vec![key],
        // A followed journal may be silent for hours.
        inactivity_timeout: None,
        ..server::Config::default()
    }
}

async fn accept(listener: TcpListener, door: Arc<Door>) {
    while let Some(accepted) = door.stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((socket, _)) => {
                door.tasks.spawn(connection::serve(socket, Arc::clone(&door)));
            }
            Err(error) => {
                tracing::warn!(host = %door.host, %error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_follow_the_first_one_and_end_in_an_error() {
        let host = HostName::from("w2");
        assert_eq!(port_of(&host, 2, Some(2200)).expect("a port"), 2202);
        assert_eq!(port_of(&host, 2, None).expect("a port"), 0);
        let error = port_of(&host, 2, Some(65_534)).expect_err("65536 is no port");
        assert_eq!(
            error.to_string(),
            "there is no port left for host w2: choose a first port of at most 65533"
        );
    }
}
