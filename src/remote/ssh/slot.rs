//! One host of the fleet: its connection, and how root is reached on it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::OnceCell;

use crate::model::host::{BecomeMethod, PasswordSource};
use crate::model::{Command, Host, RunAs};
use crate::remote::elevate::Prompt;
use crate::remote::error::{BecomeError, RemoteError};
use crate::remote::secrets::SecretRequest;
use crate::remote::shell::Elevation;

use super::connection::{Connection, Gate};
use super::fleet::Shared;
use super::jump::Bastion;
use super::retry::token;
use super::target::Target;

/// A host and what was learned of it.
#[derive(Debug)]
pub(super) struct Slot {
    pub host: Host,
    gate: Gate,
    route: OnceCell<(Target, Option<Arc<Bastion>>)>,
    way: Mutex<Way>,
}

/// How sudo works here; found out once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Way {
    /// A password is needed.
    pub ask: bool,
    /// A terminal is needed (requiretty).
    pub terminal: bool,
}

/// One attempt, ready to be sent.
#[derive(Debug)]
pub(super) struct Raise {
    pub elevation: Elevation,
    pub prompt: Prompt,
    pub secret: Option<SecretRequest>,
    pub way: Way,
}

impl Slot {
    pub(super) fn new(host: Host) -> Self {
        Self {
            host,
            gate: Gate::default(),
            route: OnceCell::new(),
            way: Mutex::default(),
        }
    }

    /// The host's connection, opened on first use and again after it was lost.
    pub(super) async fn connection(&self, shared: &Shared) -> Result<Arc<Connection>, RemoteError> {
        self.gate.get(|| Box::pin(self.open(shared))).await
    }

    async fn open(&self, shared: &Shared) -> Result<Connection, RemoteError> {
        let settings = &self.host.ssh;
        let resolve = async || {
            let mut target = Target::resolve(&self.host.address, settings, &shared.config, &shared.person).await?;
            target.name = self.host.name.to_string();
            let bastion = shared.bastion(&target, settings).await?;
            Ok::<_, RemoteError>((target, bastion))
        };
        let (target, bastion) = self.route.get_or_try_init(resolve).await?;
        shared.open(target, bastion.as_deref()).await
    }

    /// How this command is sent now, for a login user.
    pub(super) fn raise(&self, command: &Command, user: &str) -> Raise {
        let way = *self.way.lock().unwrap_or_else(PoisonError::into_inner);
        let method = self.host.r#become.method;
        if command.run_as == RunAs::Login || user == "root" || method == BecomeMethod::None {
            return Raise::login();
        }
        match method {
            BecomeMethod::Doas => Raise::quiet(Elevation::Doas, way),
            BecomeMethod::Su => Raise::su(way),
            _ if way.ask => Raise::sudo(user, way),
            _ => Raise::quiet(Elevation::SudoQuiet, way),
        }
    }

    /// Whether another attempt makes sense after this refusal: with a password, or on a terminal.
    pub(super) fn learn(&self, used: Way, error: &BecomeError) -> bool {
        let mut way = self.way.lock().unwrap_or_else(PoisonError::into_inner);
        if *way != used {
            return true;
        }
        let r#become = &self.host.r#become;
        let may_ask = r#become.password == PasswordSource::Prompt && r#become.method == BecomeMethod::Sudo;
        match error {
            BecomeError::PasswordRequired if may_ask && !way.ask => way.ask = true,
            BecomeError::TerminalRequired if !way.terminal => way.terminal = true,
            _ => return false,
        }
        true
    }

    /// `su` cannot do without a password.
    pub(super) fn check_password_allowed(&self, raise: &Raise) -> Result<(), RemoteError> {
        if raise.secret.is_some() && self.host.r#become.password == PasswordSource::None {
            return Err(RemoteError::Become(BecomeError::PasswordRequired));
        }
        Ok(())
    }
}

impl Raise {
    fn login() -> Self {
        Self::quiet(Elevation::None, Way::default())
    }

    fn quiet(elevation: Elevation, way: Way) -> Self {
        Self {
            elevation,
            prompt: Prompt::Never,
            secret: None,
            way,
        }
    }

    fn sudo(user: &str, way: Way) -> Self {
        let prompt = token();
        Self {
            elevation: Elevation::SudoAsk { prompt: prompt.clone() },
            prompt: Prompt::Token(prompt),
            secret: Some(SecretRequest::Become {
                method: "sudo",
                user: user.to_owned(),
            }),
            way,
        }
    }

    fn su(way: Way) -> Self {
        let mark = token();
        Self {
            elevation: Elevation::Su { mark: mark.clone() },
            prompt: Prompt::PasswordAfter(mark),
            secret: Some(SecretRequest::Become {
                method: "su",
                user: "root".to_owned(),
            }),
            way,
        }
    }
}
