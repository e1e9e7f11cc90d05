//! The text of each file, as a pure function.

use std::fmt::Write;
use std::path::Path;

use russh::keys::ssh_key::{self, PublicKey};

use crate::model::Role;

use super::LabHost;

/// A directory that every file can name: absolute, UTF-8, nothing that `ssh_config` would expand or cannot quote.
#[derive(Debug)]
pub(super) struct Place<'a>(&'a str);

impl<'a> Place<'a> {
    pub(super) fn new(dir: &'a Path) -> Option<Self> {
        let text = dir.to_str()?;
        let bad = |c: char| c.is_control() || matches!(c, '"' | '\'' | '\\' | '$');
        (!text.contains(bad)).then_some(Self(text))
    }

    fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.0)
    }

    /// For `ssh_config`: quoted, since it may hold spaces; `%` starts a token there.
    fn ssh_file(&self, name: &str) -> String {
        format!("\"{}\"", self.file(name).replace('%', "%%"))
    }
}

/// One line of OpenSSH's public key format.
pub(super) fn public_line(key: &PublicKey) -> Result<String, ssh_key::Error> {
    Ok(format!("{}\n", key.to_openssh()?))
}

/// One line per host: all have the same address, the port tells them apart.
pub(super) fn known_hosts(hosts: &[LabHost]) -> Result<String, ssh_key::Error> {
    let lines = hosts.iter().map(|host| {
        let line = public_line(&host.host_key)?;
        Ok(format!("[127.0.0.1]:{} {line}", host.port))
    });
    lines.collect()
}

/// For `ssh -F DIR/ssh_config HOST`; nothing of the person's own configuration takes part.
pub(super) fn ssh_config(hosts: &[LabHost], place: &Place<'_>) -> String {
    let mut text = String::from("# Written by `certfleet lab up`, anew at each start.\n");
    for host in hosts {
        let _ = write!(text, "\nHost {}\n    Port {}\n", host.name, host.port);
    }
    let _ = write!(
        text,
        "\nHost *
    HostName 127.0.0.1
    User ops
    IdentityFile {}
    IdentitiesOnly yes
    IdentityAgent none
    UserKnownHostsFile {}
    GlobalKnownHostsFile /dev/null
    StrictHostKeyChecking yes
    UpdateHostKeys no
    LogLevel ERROR\n",
        place.ssh_file("id_ed25519"),
        place.ssh_file("known_hosts"),
    );
    text
}

/// An inventory that any certfleet command takes.
pub(super) fn inventory(hosts: &[LabHost], place: &Place<'_>, sudo_password: bool) -> String {
    let mut text = format!(
        "# Written by `certfleet lab up`, anew at each start.
cluster: lab
ssh:
  user: ops
  identity: {}
  known-hosts: {}
  config: none
",
        quoted(&place.file("id_ed25519")),
        quoted(&place.file("known_hosts")),
    );
    if sudo_password {
        text.push_str("become: { method: sudo, password: prompt }\n");
    }
    for (key, role) in [
        ("masters", Role::ControlPlane),
        ("workers", Role::Worker),
        ("etcd", Role::Etcd),
    ] {
        text.push_str(&group(key, hosts.iter().filter(|h| h.role == role)));
    }
    text
}

/// One group; nothing at all when it has no hosts, since an empty group is an error.
fn group<'a>(key: &str, hosts: impl Iterator<Item = &'a LabHost>) -> String {
    let mut hosts = hosts.peekable();
    if hosts.peek().is_none() {
        return String::new();
    }
    let entries = hosts.map(|host| {
        let name = quoted(host.name.as_str());
        format!(
            "    - {{ name: {name}, address: 127.0.0.1, ssh: {{ port: {} }} }}\n",
            host.port
        )
    });
    format!("{key}:\n  hosts:\n{}", entries.collect::<String>())
}

/// A YAML scalar: JSON strings are YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
