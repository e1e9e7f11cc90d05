//! Opening one connection: stream, key exchange, host key, login; retried only while no credential was sent.

use std::sync::{Arc, Mutex, PoisonError};

use russh::client::{self, Handle};
use russh::{ChannelOpenFailure, Limits};
use tokio::time::{Instant, sleep, timeout};

use crate::remote::error::{RemoteError, TunnelRefusal};
use crate::remote::transport::Duplex;

use super::algorithms;
use super::connection::{Connection, Sessions};
use super::fleet::Shared;
use super::handler::{Greeting, Handler};
use super::jump::Bastion;
use super::overhear::{Heard, overhear};
use super::proxy_command;
use super::target::Target;
use super::tcp::tcp;

/// How often a failure may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    Never,
    /// Nothing listens: a few times.
    Refused,
    /// Dropped before it showed a host key: `MaxStartups`, a loaded host.
    Dropped,
    /// It said that it penalises us: one more time, after a long pause.
    Penalised,
}

pub(super) type Failure = (RemoteError, Again);

/// Intervals without an answer after which russh gives up, less the one it waits before it counts: 3 × 15 s = 45 s.
const KEEPALIVES: usize = 2;

impl Shared {
    /// Opens a connection to a resolved host.
    pub(super) async fn open(&self, target: &Target, via: Option<&Bastion>) -> Result<Connection, RemoteError> {
        let backoff = self.options.backoff;
        let started = Instant::now();
        for attempt in 1.. {
            let (error, again) = match Box::pin(self.attempt(target, via)).await {
                Ok(connection) => return Ok(connection),
                Err(failure) => failure,
            };
            let tries = match again {
                Again::Never => 1,
                Again::Refused => backoff.refused_tries,
                Again::Dropped => backoff.tries,
                Again::Penalised => 2,
            };
            let pause = match again {
                Again::Penalised => backoff.penalised,
                _ => backoff.pause(attempt),
            };
            if attempt >= tries || started.elapsed() + pause > backoff.total {
                return Err(error);
            }
            sleep(pause).await;
        }
        unreachable_total(target)
    }

    async fn attempt(&self, target: &Target, via: Option<&Bastion>) -> Result<Connection, Failure> {
        let hop = match via {
            Some(bastion) => Some(
                Box::pin(bastion.connection(self))
                    .await
                    .map_err(|e| (e, Again::Never))?,
            ),
            None => None,
        };
        let closed = |_| (RemoteError::Lost { sent: false }, Again::Never);
        let _behind = match via {
            Some(bastion) => Some(bastion.handshakes.acquire().await.map_err(closed)?),
            None => None,
        };
        let _overall = self.handshakes.acquire().await.map_err(closed)?;
        let stream = stream(target, hop.as_deref()).await?;
        let mut handle = self.key_exchange(target, stream).await?;
        let login = self.authenticator.log_in(&mut handle, target).await;
        login.map_err(|error| (error.clone(), after_login(&error)))?;
        Ok(Connection {
            handle,
            sessions: Sessions::new(self.options.sessions),
            address: target.address(),
            user: target.user.clone(),
            deadline: target.connect_timeout,
            via: hop,
        })
    }

    async fn key_exchange(&self, target: &Target, stream: Box<dyn Duplex>) -> Result<Handle<Handler>, Failure> {
        let (stream, heard) = overhear(stream);
        let greeting = Arc::new(Mutex::new(Greeting::default()));
        let handler = Handler {
            known_hosts: Arc::clone(&self.known_hosts),
            id: target.id.clone(),
            greeting: Arc::clone(&greeting),
        };
        let config = Arc::new(self.config_for(target));
        let exchange = client::connect_stream(config, stream, handler);
        match timeout(target.connect_timeout, Box::pin(exchange)).await {
            Ok(Ok(handle)) => Ok(handle),
            Ok(Err(error)) => Err(explain(target, &greeting, &heard, &error)),
            Err(_) => Err((connect_timeout(target, "the key exchange"), Again::Never)),
        }
    }

    fn config_for(&self, target: &Target) -> client::Config {
        let all = algorithms::host_keys(target.legacy_algorithms);
        let (keys, certificates) = self.known_hosts.preferred(&target.id, &all);
        client::Config {
            nodelay: true,
            keepalive_interval: Some(target.keepalive),
            keepalive_max: KEEPALIVES,
            limits: Limits {
                rekey_time_limit: self.options.rekey_after,
                ..Limits::default()
            },
            preferred: algorithms::preferred(target.legacy_algorithms, keys, certificates),
            ..client::Config::default()
        }
    }
}

/// `for attempt in 1..` ends only by `return`; the compiler wants an answer all the same.
fn unreachable_total(target: &Target) -> Result<Connection, RemoteError> {
    Err(unreachable(target, "too many attempts"))
}

/// A russh error, told as what it means here.
fn explain(target: &Target, greeting: &Mutex<Greeting>, heard: &Heard, error: &russh::Error) -> Failure {
    let mut greeting = greeting.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(refusal) = greeting.refusal.take() {
        return (refusal, Again::Never);
    }
    let dropped = matches!(
        error,
        russh::Error::Disconnect | russh::Error::HUP | russh::Error::IO(_)
    );
    if dropped
        && !greeting.key_seen
        && let Some(said) = heard.instead_of_ssh()
    {
        return turned_away(target, said);
    }
    if dropped
        && !greeting.key_seen
        && let Some(command) = target.proxy_command.as_ref().filter(|_| target.jump.is_empty())
    {
        let reason =
            format!("its ProxyCommand `{command}` ended before SSH began ({error}); run it by hand to see why");
        return (unreachable(target, &reason), Again::Refused);
    }
    if dropped && !greeting.key_seen {
        let reason = format!("the connection was closed before the key exchange ({error})");
        return (unreachable(target, &reason), Again::Dropped);
    }
    if let russh::Error::NoCommonAlgo { kind, theirs, .. } = error {
        return (
            no_common(target, &format!("{kind:?}"), &theirs.join(", ")),
            Again::Never,
        );
    }
    (
        unreachable(target, &format!("the key exchange failed: {error}")),
        Again::Never,
    )
}

/// sshd says why in clear text before it hangs up: `Not allowed at this time` (`PerSourcePenalties`, from 9.8),
/// `Exceeded MaxStartups`.
fn turned_away(target: &Target, said: String) -> Failure {
    let again = if said.contains("Not allowed at this time") {
        Again::Penalised
    } else {
        Again::Dropped
    };
    let address = target.address();
    (RemoteError::TurnedAway { address, said }, again)
}

/// A login that was cut off while a person thought about a password (`LoginGraceTime`) starts again with the answer.
fn after_login(error: &RemoteError) -> Again {
    match error {
        RemoteError::Lost { sent: false } => Again::Refused,
        _ => Again::Never,
    }
}

fn no_common(target: &Target, kind: &str, theirs: &str) -> RemoteError {
    RemoteError::Config {
        what: format!(
            "{} offers no {} algorithm that is safe ({theirs})",
            target.address(),
            kind.to_lowercase()
        ),
        remedy: "Update its sshd, or set `ssh: { legacy-algorithms: true }` for this host if the network is trusted."
            .to_owned(),
    }
}

pub(super) fn unreachable(target: &Target, reason: &str) -> RemoteError {
    RemoteError::Unreachable {
        address: target.address(),
        reason: reason.to_owned(),
    }
}

fn connect_timeout(target: &Target, stage: &'static str) -> RemoteError {
    RemoteError::ConnectTimeout {
        address: target.address(),
        stage,
        after: target.connect_timeout,
    }
}

/// The byte stream to sshd: a tunnel, a `ProxyCommand` or TCP.
async fn stream(target: &Target, via: Option<&Connection>) -> Result<Box<dyn Duplex>, Failure> {
    let connecting = async {
        match (via, &target.proxy_command) {
            (Some(hop), _) => tunnel(target, hop).await,
            (None, Some(command)) => proxy_command::spawn(command, target).map_err(|e| (e, Again::Never)),
            (None, None) => tcp(target).await,
        }
    };
    timeout(target.connect_timeout, connecting)
        .await
        .unwrap_or_else(|_| Err((connect_timeout(target, "the TCP connection"), Again::Never)))
}

async fn tunnel(target: &Target, hop: &Connection) -> Result<Box<dyn Duplex>, Failure> {
    let port = u32::from(target.port);
    match hop
        .handle
        .channel_open_direct_tcpip(&target.host_name, port, "127.0.0.1", 0)
        .await
    {
        Ok(channel) => Ok(Box::new(channel.into_stream())),
        Err(russh::Error::ChannelOpenFailure(ChannelOpenFailure::AdministrativelyProhibited)) => {
            let reason = TunnelRefusal::Forbidden;
            let target = format!("{} through {}", target.address(), hop.address);
            Err((RemoteError::TunnelRefused { target, reason }, Again::Never))
        }
        Err(russh::Error::ChannelOpenFailure(_)) => {
            let reason = format!("the jump host {} cannot connect to it", hop.address);
            Err((unreachable(target, &reason), Again::Refused))
        }
        Err(_) => {
            let reason = format!("the connection to the jump host {} was lost", hop.address);
            Err((unreachable(target, &reason), Again::Dropped))
        }
    }
}
