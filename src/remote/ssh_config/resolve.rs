//! Which options hold for a host: the first value of each keyword wins, identities add up.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OnceCell, Semaphore};

use crate::remote::error::RemoteError;

use super::file::{self, Directive, Found, Places};
use super::openssh;

/// Which files are read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ConfigSource {
    /// None: `config: none` in the inventory.
    Disabled,
    /// This file only, as `ssh -F`.
    File(PathBuf),
    /// `~/.ssh/config`, then `/etc/ssh/ssh_config`.
    Default,
}

/// What the configuration says of one host; `None` and empty = nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostOptions {
    pub host_name: Option<String>,
    pub user: Option<String>,
    pub port: Option<u16>,
    pub identity_files: Vec<PathBuf>,
    pub certificate_files: Vec<PathBuf>,
    pub identities_only: bool,
    /// `none` takes back what a later line says.
    pub proxy_jump: Option<String>,
    pub proxy_command: Option<String>,
    pub known_hosts: Vec<PathBuf>,
    pub host_key_alias: Option<String>,
    pub connect_timeout: Option<Duration>,
    /// `inet` or `inet6`.
    pub address_family: Option<String>,
    /// `KnownHostsCommand`, which is not supported.
    pub known_hosts_command: Option<String>,
    /// `IdentityAgent`: a socket, or `none`.
    pub identity_agent: Option<String>,
}

/// One cell per file and host, so that concurrent callers wait for one answer.
type Answers = HashMap<(ConfigSource, String), Arc<OnceCell<HostOptions>>>;

/// Reads configurations for a fleet; every answer is kept.
#[derive(Debug)]
pub struct SshConfig {
    home: PathBuf,
    system: PathBuf,
    ssh: Option<PathBuf>,
    answers: Mutex<Answers>,
    processes: Semaphore,
}

/// Names that OpenSSH tries when nothing is configured; `ssh -G` prints them as if they were.
const DEFAULT_IDENTITIES: [&str; 7] = [
    "id_rsa",
    "id_ecdsa",
    "id_ecdsa_sk",
    "id_ed25519",
    "id_ed25519_sk",
    "id_xmss",
    "id_dsa",
];

impl SshConfig {
    /// `ssh` is the OpenSSH client, if there is one; `system` is `/etc/ssh/ssh_config` but in tests.
    pub fn new(home: PathBuf, system: PathBuf, ssh: Option<PathBuf>) -> Self {
        Self {
            home,
            system,
            ssh,
            answers: Mutex::default(),
            processes: Semaphore::new(4),
        }
    }

    /// The options of a host, as the person named it.
    ///
    /// # Errors
    /// `Config`, with file and line, when a file cannot be understood.
    pub async fn options(&self, source: &ConfigSource, host: &str) -> Result<HostOptions, RemoteError> {
        let key = (source.clone(), host.to_owned());
        let cell = {
            let mut answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(answers.entry(key).or_default())
        };
        cell.get_or_try_init(|| self.resolve(source, host)).await.cloned()
    }

    async fn resolve(&self, source: &ConfigSource, host: &str) -> Result<HostOptions, RemoteError> {
        let found = self.read(source, host)?;
        let unknown_token = found.directives.iter().find(|d| has_foreign_token(d));
        let beyond = found.beyond_us.or_else(|| {
            unknown_token.map(|d| ("the SSH configuration".to_owned(), format!("a token in {}", d.keyword)))
        });
        match (beyond, &self.ssh) {
            (None, _) => self.lower(found.directives, host, false),
            (Some(_), Some(program)) => {
                let _turn = self.processes.acquire().await;
                let file = match source {
                    ConfigSource::File(file) => Some(file.as_path()),
                    _ => None,
                };
                self.lower(openssh::ask(program, file, host).await?, host, true)
            }
            (Some((place, keyword)), None) => Err(RemoteError::Config {
                what: format!("{place}: `{keyword}` needs an OpenSSH client on this machine"),
                remedy: "Install `ssh`, or set `ssh: { config: none }` and name the settings in the inventory."
                    .to_owned(),
            }),
        }
    }

    fn read(&self, source: &ConfigSource, host: &str) -> Result<Found, RemoteError> {
        let user = Places {
            home: self.home.clone(),
            includes: self.home.join(".ssh"),
        };
        let mut found = Found::default();
        match source {
            ConfigSource::Disabled => {}
            ConfigSource::File(path) if !path.exists() => {
                return Err(RemoteError::Config {
                    what: format!("there is no SSH configuration {}", path.display()),
                    remedy: "Check `ssh: { config: … }` in the inventory.".to_owned(),
                });
            }
            ConfigSource::File(path) => file::read(path, host, &user, &mut found)?,
            ConfigSource::Default => {
                file::read(&self.home.join(".ssh/config"), host, &user, &mut found)?;
                let includes = self.system.parent().map(Path::to_owned).unwrap_or_default();
                let places = Places { includes, ..user };
                file::read(&self.system, host, &places, &mut found)?;
            }
        }
        Ok(found)
    }

    fn lower(&self, directives: Vec<Directive>, host: &str, from_ssh: bool) -> Result<HostOptions, RemoteError> {
        let mut options = HostOptions::default();
        let mut jump_closed = false;
        for directive in directives {
            let value = directive.arguments.first().cloned().unwrap_or_default();
            match directive.keyword.as_str() {
                "identityfile" if from_ssh && is_default_identity(&value) => {}
                "identityfile" if value == "none" => {}
                "identityfile" => options.identity_files.push(self.path(&value, host)),
                "certificatefile" if value != "none" => options.certificate_files.push(self.path(&value, host)),
                "userknownhostsfile" if options.known_hosts.is_empty() => {
                    let files = directive.arguments.iter().filter(|a| *a != "none");
                    options.known_hosts = files.map(|f| self.path(f, host)).collect();
                }
                "proxyjump" | "proxycommand" if !jump_closed => {
                    jump_closed = true;
                    set_proxy(&mut options, &directive.keyword, value);
                }
                keyword => set(&mut options, keyword, value)?,
            }
        }
        options.host_name = options.host_name.map(|n| n.replace("%h", host).replace("%%", "%"));
        Ok(options)
    }

    fn path(&self, text: &str, host: &str) -> PathBuf {
        let home = self.home.to_string_lossy();
        expand_home(
            &text.replace("%d", &home).replace("%n", host).replace("%h", host),
            &self.home,
        )
    }
}

/// Whichever of `ProxyJump` and `ProxyCommand` comes first switches the other off.
fn set_proxy(options: &mut HostOptions, keyword: &str, value: String) {
    if value.eq_ignore_ascii_case("none") || value.is_empty() {
        return;
    }
    if keyword == "proxyjump" {
        options.proxy_jump = Some(value);
    } else {
        options.proxy_command = Some(value);
    }
}

fn set(options: &mut HostOptions, keyword: &str, value: String) -> Result<(), RemoteError> {
    match keyword {
        "hostname" => _ = options.host_name.get_or_insert(value),
        "user" => _ = options.user.get_or_insert(value),
        "port" => _ = options.port.get_or_insert(number("Port", &value)?),
        "identitiesonly" => options.identities_only |= value == "yes" || value == "true",
        "hostkeyalias" => _ = options.host_key_alias.get_or_insert(value),
        "connecttimeout" if value != "none" && value != "0" => {
            let seconds = Duration::from_secs(number("ConnectTimeout", &value)?);
            _ = options.connect_timeout.get_or_insert(seconds);
        }
        "knownhostscommand" if value != "none" => _ = options.known_hosts_command.get_or_insert(value),
        "addressfamily" => _ = options.address_family.get_or_insert(value),
        "identityagent" => _ = options.identity_agent.get_or_insert(value),
        _ => {}
    }
    Ok(())
}

fn number<T: std::str::FromStr>(keyword: &str, value: &str) -> Result<T, RemoteError> {
    value.parse().map_err(|_| RemoteError::Config {
        what: format!("the SSH configuration says `{keyword} {value}`, which is no number"),
        remedy: "Mend ~/.ssh/config, or set `ssh: { config: none }` in the inventory.".to_owned(),
    })
}

/// Tokens we expand are `%h %n %d %%`; anything else in an option that we use is left to OpenSSH.
fn has_foreign_token(directive: &Directive) -> bool {
    let used = [
        "hostname",
        "identityfile",
        "certificatefile",
        "userknownhostsfile",
        "identityagent",
        "user",
    ];
    if !used.contains(&directive.keyword.as_str()) {
        return false;
    }
    directive.arguments.iter().any(|argument| {
        let mut tokens = argument.split('%').skip(1).filter(|t| !t.is_empty());
        argument.contains("${") || tokens.any(|t| !t.starts_with(['h', 'n', 'd']))
    })
}

fn is_default_identity(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let folder = path.strip_suffix(name).unwrap_or_default();
    DEFAULT_IDENTITIES.contains(&name) && (folder == "~/.ssh/" || folder.ends_with("/.ssh/"))
}

/// `~/x` below the home folder; other paths as they are.
pub(in crate::remote) fn expand_home(path: &str, home: &Path) -> PathBuf {
    match path.strip_prefix("~/") {
        Some(rest) => home.join(rest),
        None if path == "~" => home.to_owned(),
        None => PathBuf::from(path),
    }
}
