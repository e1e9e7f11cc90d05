//! A host as we log in to it: inventory first, then `ssh_config`, then OpenSSH's defaults.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::model::host::{PasswordSource, SshSettings};
use crate::remote::error::RemoteError;
use crate::remote::known_hosts::HostId;
use crate::remote::ssh_config::{ConfigSource, HostOptions, SshConfig};

/// Everything needed to log in, resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// As the inventory names its address (or the jump host).
    pub alias: String,
    /// What messages and the vault call it: its name in the inventory, or the jump host as it is written.
    pub name: String,
    /// A jump host, whose password is its own.
    pub is_jump_host: bool,
    /// What TCP connects to.
    pub host_name: String,
    pub port: u16,
    pub user: String,
    /// Keys named by a person, in order.
    pub identities: Vec<PathBuf>,
    pub certificates: Vec<PathBuf>,
    /// Offer nothing but `identities`.
    pub identities_only: bool,
    /// `IdentityAgent`, when configured.
    pub agent: Option<String>,
    /// Jump hosts, first hop first.
    pub jump: Vec<String>,
    /// Run this and speak SSH over its standard streams.
    pub proxy_command: Option<String>,
    pub id: HostId,
    pub password: PasswordSource,
    pub connect_timeout: Duration,
    pub keepalive: Duration,
    pub legacy_algorithms: bool,
    /// Only IPv4 (`Some(false)`) or only IPv6 (`Some(true)`).
    pub only_v6: Option<bool>,
}

/// The person's home folder, and who they are.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub home: PathBuf,
    pub user: Option<String>,
}

impl Target {
    /// `host:port`, for messages.
    pub fn address(&self) -> String {
        if self.port == 22 {
            self.host_name.clone()
        } else {
            format!("{}:{}", self.host_name, self.port)
        }
    }

    /// Resolves a host of the inventory, or a jump host with the settings of the host behind it.
    pub(super) async fn resolve(
        alias: &str,
        settings: &SshSettings,
        config: &SshConfig,
        person: &Person,
    ) -> Result<Self, RemoteError> {
        let options = config.options(&source(settings, person), alias).await?;
        refuse_known_hosts_command(alias, settings, &options)?;
        let user = settings
            .user
            .clone()
            .or_else(|| options.user.clone())
            .or_else(|| person.user.clone());
        let user = user.ok_or_else(|| no_user(alias))?;
        let host_name = options.host_name.clone().unwrap_or_else(|| alias.to_owned());
        let port = settings.port.or(options.port).unwrap_or(22);
        Ok(Self {
            alias: alias.to_owned(),
            name: alias.to_owned(),
            is_jump_host: false,
            id: host_id(&host_name, port, settings, &options, person),
            host_name,
            port,
            user,
            identities: identities(settings, &options, person),
            certificates: options.certificate_files.clone(),
            identities_only: options.identities_only,
            agent: options.identity_agent.clone(),
            jump: jump(settings, &options),
            proxy_command: options.proxy_command.clone().filter(|_| settings.jump.is_none()),
            password: settings.password,
            connect_timeout: connect_timeout(settings, &options),
            keepalive: settings.keepalive,
            legacy_algorithms: settings.legacy_algorithms,
            only_v6: only_v6(options.address_family.as_deref()),
        })
    }
}

fn source(settings: &SshSettings, person: &Person) -> ConfigSource {
    match &settings.config {
        None => ConfigSource::Default,
        Some(path) if path == Path::new("none") => ConfigSource::Disabled,
        Some(path) => ConfigSource::File(home_path(path, person)),
    }
}

fn identities(settings: &SshSettings, options: &HostOptions, person: &Person) -> Vec<PathBuf> {
    if settings.identity.is_empty() {
        return options.identity_files.clone();
    }
    settings.identity.iter().map(|p| home_path(p, person)).collect()
}

fn jump(settings: &SshSettings, options: &HostOptions) -> Vec<String> {
    if let Some(own) = &settings.jump {
        return own.clone();
    }
    let listed = options.proxy_jump.as_deref().unwrap_or_default();
    let hops = listed.split(',').map(str::trim).filter(|h| !h.is_empty());
    hops.map(str::to_owned).collect()
}

/// The inventory's own value wins when somebody changed it; else `ssh_config`'s, else the default.
fn connect_timeout(settings: &SshSettings, options: &HostOptions) -> Duration {
    let default = SshSettings::default().connect_timeout;
    if settings.connect_timeout == default {
        options.connect_timeout.unwrap_or(default)
    } else {
        settings.connect_timeout
    }
}

fn host_id(host_name: &str, port: u16, settings: &SshSettings, options: &HostOptions, person: &Person) -> HostId {
    let files: Vec<PathBuf> = if settings.known_hosts.is_empty() {
        known_hosts_files(options, person)
    } else {
        settings.known_hosts.iter().map(|p| home_path(p, person)).collect()
    };
    HostId {
        name: options.host_key_alias.clone().unwrap_or_else(|| host_name.to_owned()),
        port,
        is_alias: options.host_key_alias.is_some(),
        policy: settings.host_key_policy,
        files,
    }
}

fn known_hosts_files(options: &HostOptions, person: &Person) -> Vec<PathBuf> {
    let mut files = options.known_hosts.clone();
    if files.is_empty() {
        files = ["known_hosts", "known_hosts2"]
            .iter()
            .map(|n| person.home.join(".ssh").join(n))
            .collect();
    }
    files.extend(["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"].map(PathBuf::from));
    files
}

fn only_v6(family: Option<&str>) -> Option<bool> {
    match family {
        Some("inet") => Some(false),
        Some("inet6") => Some(true),
        _ => None,
    }
}

fn home_path(path: &Path, person: &Person) -> PathBuf {
    crate::remote::ssh_config::expand_home(&path.to_string_lossy(), &person.home)
}

/// A program that prints host keys is not run: what it would say must be in a file that a person can read.
fn refuse_known_hosts_command(alias: &str, settings: &SshSettings, options: &HostOptions) -> Result<(), RemoteError> {
    match &options.known_hosts_command {
        Some(command) if settings.known_hosts.is_empty() => Err(RemoteError::Config {
            what: format!(
                "the SSH configuration has `KnownHostsCommand {command}` for {alias}, which is not supported"
            ),
            remedy: "Write its keys into a file and set `ssh: { known-hosts: FILE }` in the inventory.".to_owned(),
        }),
        _ => Ok(()),
    }
}

fn no_user(alias: &str) -> RemoteError {
    RemoteError::Config {
        what: format!("no user is known to log in to {alias} with"),
        remedy: "Set `ssh: { user: … }` in the inventory.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::host::HostKeyPolicy;

    async fn resolve(settings: &SshSettings, text: &str) -> Target {
        let home = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(home.path().join(".ssh")).expect("a folder");
        std::fs::write(home.path().join(".ssh/config"), text).expect("written");
        let config = SshConfig::new(home.path().to_owned(), home.path().join("none"), None);
        let person = Person {
            home: PathBuf::from("/home/me"),
            user: Some("me".to_owned()),
        };
        Target::resolve("m1", settings, &config, &person)
            .await
            .expect("resolved")
    }

    #[tokio::test]
    async fn the_inventory_wins_over_ssh_config() {
        let text = "User them\nPort 2\nProxyJump b1,ops@b2:7\nIdentityFile /their/key\nHostName 10.0.0.1\n";
        let theirs = resolve(&SshSettings::default(), text).await;
        assert_eq!((theirs.user.as_str(), theirs.port), ("them", 2));
        assert_eq!(theirs.jump, ["b1", "ops@b2:7"]);
        assert_eq!(theirs.id.lookup(), "[10.0.0.1]:2");
        let settings = SshSettings {
            user: Some("ops".to_owned()),
            port: Some(22),
            identity: vec![PathBuf::from("~/key")],
            jump: Some(vec!["b".to_owned()]),
            host_key_policy: HostKeyPolicy::AcceptNew,
            ..SshSettings::default()
        };
        let ours = resolve(&settings, text).await;
        assert_eq!((ours.user.as_str(), ours.port), ("ops", 22));
        assert_eq!(ours.identities, [PathBuf::from("/home/me/key")]);
        assert_eq!(ours.jump, ["b"]);
    }

    #[tokio::test]
    async fn no_jump_host_takes_back_ssh_config_s() {
        let settings = SshSettings {
            jump: Some(Vec::new()),
            ..SshSettings::default()
        };
        let jump = resolve(&settings, "ProxyJump b1\n").await;
        assert_eq!((jump.jump.len(), jump.proxy_command), (0, None));
        let command = resolve(&settings, "ProxyCommand nc %h %p\n").await;
        assert_eq!((command.jump.len(), command.proxy_command), (0, None));
    }

    #[tokio::test]
    async fn a_program_that_knows_hosts_is_refused_unless_files_are_named() {
        let home = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(home.path().join(".ssh")).expect("a folder");
        std::fs::write(home.path().join(".ssh/config"), "KnownHostsCommand /bin/keys %H\n").expect("written");
        let config = SshConfig::new(home.path().to_owned(), home.path().join("none"), None);
        let person = Person {
            home: home.path().to_owned(),
            user: Some("me".to_owned()),
        };
        let mut settings = SshSettings::default();
        let refused = Target::resolve("m1", &settings, &config, &person).await;
        let error = refused.expect_err("refused");
        assert!(error.to_string().contains("KnownHostsCommand") && error.remedy().contains("known-hosts:"));
        settings.known_hosts = vec![PathBuf::from("/k")];
        assert!(Target::resolve("m1", &settings, &config, &person).await.is_ok());
    }

    #[tokio::test]
    async fn nothing_configured_means_the_person_and_port_22() {
        let target = resolve(&SshSettings::default(), "").await;
        assert_eq!((target.user.as_str(), target.address().as_str()), ("me", "m1"));
        assert_eq!(target.id.files[0], PathBuf::from("/home/me/.ssh/known_hosts"));
    }
}
