//! Jump hosts: one connection to each, shared by all hosts behind it; the hosts are reached by tunnels over it.

use std::sync::{Arc, PoisonError};

use tokio::sync::Semaphore;

use crate::model::host::SshSettings;
use crate::remote::error::RemoteError;

use super::connection::{Connection, Gate};
use super::fleet::Shared;
use super::target::{Person, Target};

/// Jump hosts that lead to jump hosts; more is a loop in `ssh_config`.
const MAX_HOPS: usize = 8;

/// One way to one jump host.
#[derive(Debug)]
pub(super) struct Bastion {
    target: Target,
    /// The hop before it.
    via: Option<Arc<Bastion>>,
    gate: Gate,
    /// Handshakes through it at the same time: its `MaxStartups` and ours behind it.
    pub handshakes: Semaphore,
}

impl Bastion {
    /// Its connection, opened once.
    pub(super) async fn connection(&self, shared: &Shared) -> Result<Arc<Connection>, RemoteError> {
        self.gate.get(|| shared.open(&self.target, self.via.as_deref())).await
    }
}

impl Shared {
    /// The last hop before a host; `None` when it is reached directly.
    pub(super) async fn bastion(
        &self,
        target: &Target,
        settings: &SshSettings,
    ) -> Result<Option<Arc<Bastion>>, RemoteError> {
        self.hops(&target.jump, settings, MAX_HOPS).await
    }

    async fn hops(
        &self,
        jump: &[String],
        settings: &SshSettings,
        left: usize,
    ) -> Result<Option<Arc<Bastion>>, RemoteError> {
        let mut via: Option<Arc<Bastion>> = None;
        if jump.len() > left {
            return Err(malformed(
                &jump.join(","),
                "too many jump hosts, or a loop in ssh_config",
            ));
        }
        for (index, spec) in jump.iter().enumerate() {
            let (alias, hop) = hop_settings(spec, settings)?;
            let person = Person {
                user: settings.user.clone().or_else(|| self.person.user.clone()),
                ..self.person.clone()
            };
            let mut target = Target::resolve(&alias, &hop, &self.config, &person).await?;
            target.is_jump_host = true;
            if index == 0 && !target.jump.is_empty() {
                via = Box::pin(self.hops(&target.jump, &hop, left - 1)).await?;
            }
            via = Some(self.shared_bastion(target, via));
        }
        Ok(via)
    }

    /// The one that exists for this way, or a new one.
    fn shared_bastion(&self, target: Target, via: Option<Arc<Bastion>>) -> Arc<Bastion> {
        let mut bastions = self.bastions.lock().unwrap_or_else(PoisonError::into_inner);
        let same_way = |b: &Bastion| match (&b.via, &via) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        if let Some(known) = bastions.iter().find(|b| b.target == target && same_way(b)) {
            return Arc::clone(known);
        }
        let bastion = Arc::new(Bastion {
            target,
            via,
            gate: Gate::default(),
            handshakes: Semaphore::new(self.options.handshakes_per_jump),
        });
        bastions.push(Arc::clone(&bastion));
        bastion
    }
}

/// A jump host inherits keys, policy and timeouts of the hosts behind it; user and port are its own.
fn hop_settings(spec: &str, settings: &SshSettings) -> Result<(String, SshSettings), RemoteError> {
    let (user, alias, port) = parse(spec)?;
    let hop = SshSettings {
        user,
        port,
        jump: None,
        ..settings.clone()
    };
    Ok((alias, hop))
}

/// `[user@]host[:port]`, `[user@][address]:port` or `ssh://…`.
fn parse(spec: &str) -> Result<(Option<String>, String, Option<u16>), RemoteError> {
    let bare = spec.strip_prefix("ssh://").unwrap_or(spec).trim_end_matches('/');
    let (user, place) = match bare.rsplit_once('@') {
        Some((user, place)) => (Some(user.to_owned()), place),
        None => (None, bare),
    };
    let (host, port) = match place.strip_prefix('[').and_then(|p| p.split_once(']')) {
        Some((host, rest)) => (host, rest.strip_prefix(':')),
        None if place.matches(':').count() == 1 => place.split_once(':').map_or((place, None), |(h, p)| (h, Some(p))),
        None => (place, None),
    };
    let port = port.map(str::parse::<u16>).transpose();
    match port {
        Ok(port) if !host.is_empty() && user.as_deref() != Some("") => Ok((user, host.to_owned(), port)),
        _ => Err(malformed(spec, "it is not `[user@]host[:port]`")),
    }
}

fn malformed(spec: &str, why: &str) -> RemoteError {
    RemoteError::Config {
        what: format!("the jump host `{spec}` cannot be used: {why}"),
        remedy: "Write `jump: user@bastion.example.com:22` in the inventory.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn specs_are_read_as_openssh_does() {
        let own = |user: Option<&str>, host: &str, port| (user.map(str::to_owned), host.to_owned(), port);
        for (spec, expected) in [
            ("b", own(None, "b", None)),
            ("ops@b:2222", own(Some("ops"), "b", Some(2222))),
            ("ssh://ops@b:22/", own(Some("ops"), "b", Some(22))),
            ("ops@[fe80::1]:22", own(Some("ops"), "fe80::1", Some(22))),
            ("fe80::1", own(None, "fe80::1", None)),
        ] {
            assert_eq!(parse(spec), Ok(expected), "{spec}");
        }
        for bad in ["", "@b", "b:x", "b:99999"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
