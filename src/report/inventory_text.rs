//! The resolved inventory: every host on a line of its own, then every other setting, once for all or by its values.

use std::path::PathBuf;

use crate::model::host::{BecomeMethod, HostKeyPolicy, PasswordSource};
use crate::model::{Host, HostName, Inventory, Role, duration};

use super::fold::hosts_and_count;
use super::style::{Style, Tone};
use super::table::{Cell, cell, row, widths};
use super::text::{Page, count};

/// Counts up when a reader of the JSON must change.
const SCHEMA_VERSION: u32 = 1;
/// What an unset SSH setting means.
const BY_CONFIG: &str = "by ssh_config, else OpenSSH's default";

/// Ranges expanded, settings merged; nothing that certfleet goes by is left out.
pub fn inventory_text(inventory: &Inventory, style: &Style) -> String {
    let mut page = Page::new(style);
    page.heading(&format!("Cluster {}: {}", inventory.cluster, roles(inventory)));
    page.blank();
    hosts(&mut page, inventory);
    settings_of_all(&mut page, inventory);
    settings_that_differ(&mut page, inventory);
    page.finish()
}

/// The same for a program, every host in full.
pub fn inventory_json(inventory: &Inventory) -> String {
    let value = serde_json::json!({
        "schema_version": SCHEMA_VERSION,
        "cluster": inventory.cluster,
        "hosts": inventory.hosts,
    });
    serde_json::to_string_pretty(&value).unwrap_or_default()
}

fn roles(inventory: &Inventory) -> String {
    let nouns = [
        (Role::ControlPlane, "master"),
        (Role::Etcd, "etcd host"),
        (Role::Worker, "worker"),
    ];
    let counts = nouns.map(|(role, noun)| (inventory.with_role(role).count(), noun));
    let known: Vec<String> = counts
        .iter()
        .filter(|c| c.0 > 0)
        .map(|(n, noun)| count(*n, noun))
        .collect();
    known.join(", ")
}

fn hosts(page: &mut Page<'_>, inventory: &Inventory) {
    let title = ["HOST", "ROLE", "ADDRESS", "USER", "PORT", "ROOT BY"];
    let title: Vec<Cell> = title.iter().map(|t| ((*t).to_owned(), Tone::Quiet)).collect();
    let rows: Vec<Vec<Cell>> = inventory.hosts.iter().map(host_row).collect();
    let columns = widths(std::iter::once(title.as_slice()).chain(rows.iter().map(Vec::as_slice)));
    for cells in std::iter::once(&title).chain(&rows) {
        let text = row(page.style, &columns, cells);
        page.line(&text);
    }
    if inventory
        .hosts
        .iter()
        .any(|h| h.ssh.user.is_none() || h.ssh.port.is_none())
    {
        page.prose(2, Tone::Quiet, &format!("- = {BY_CONFIG}"));
    }
}

fn host_row(host: &Host) -> Vec<Cell> {
    let unset = || "-".to_owned();
    vec![
        (host.name.to_string(), Tone::Host),
        cell(host.role.to_string()),
        cell(host.address.clone()),
        cell(host.ssh.user.clone().unwrap_or_else(unset)),
        cell(host.ssh.port.map_or_else(unset, |p| p.to_string())),
        cell(method(host.r#become.method)),
    ]
}

fn method(method: BecomeMethod) -> &'static str {
    match method {
        BecomeMethod::Sudo => "sudo",
        BecomeMethod::Doas => "doas",
        BecomeMethod::Su => "su",
        BecomeMethod::None => "login",
    }
}

type Settings = Vec<(&'static str, String)>;
type Values = Vec<(String, Vec<HostName>)>;

/// Each setting with its values, and the hosts that have each value.
fn by_value(inventory: &Inventory) -> Vec<(&'static str, Values)> {
    let mut all: Vec<(&'static str, Values)> = Vec::new();
    for host in &inventory.hosts {
        for (index, (label, value)) in settings(host).into_iter().enumerate() {
            if all.len() <= index {
                all.push((label, Vec::new()));
            }
            let values = &mut all[index].1;
            match values.iter_mut().find(|(v, _)| *v == value) {
                Some((_, hosts)) => hosts.push(host.name.clone()),
                None => values.push((value, vec![host.name.clone()])),
            }
        }
    }
    all
}

fn settings_of_all(page: &mut Page<'_>, inventory: &Inventory) {
    page.heading("Settings of all hosts");
    for (label, values) in by_value(inventory) {
        if let [(value, _)] = values.as_slice() {
            page.labelled(2, &format!("{label:<18}"), Tone::Quiet, Tone::Plain, value);
        }
    }
}

fn settings_that_differ(page: &mut Page<'_>, inventory: &Inventory) {
    let all = by_value(inventory);
    let mut differing = all.iter().filter(|(_, values)| values.len() > 1).peekable();
    if differing.peek().is_some() {
        page.heading("Settings that differ");
    }
    for (label, values) in differing {
        for (number, (value, hosts)) in values.iter().enumerate() {
            let label = if number == 0 { label } else { "" };
            let text = format!("{}: {value}", hosts_and_count(hosts));
            page.labelled(2, &format!("{label:<18}"), Tone::Quiet, Tone::Plain, &text);
        }
    }
}

fn settings(host: &Host) -> Settings {
    let mut all = ssh(host);
    all.extend(r#become(host));
    all.extend(kubernetes(host));
    all
}

fn ssh(host: &Host) -> Settings {
    let ssh = &host.ssh;
    let policy = match ssh.host_key_policy {
        HostKeyPolicy::Strict => "strict: an unknown host key is refused",
        HostKeyPolicy::AcceptNew => "accept-new: an unknown host key is recorded, a changed one refused",
    };
    let legacy = if ssh.legacy_algorithms {
        "offered (unsafe)"
    } else {
        "not offered"
    };
    vec![
        (
            "identity",
            paths(
                &ssh.identity,
                "by ssh_config, else the agent and the usual names in ~/.ssh",
            ),
        ),
        (
            "jump",
            match ssh.jump.as_deref() {
                None => BY_CONFIG.to_owned(),
                Some([]) => "none".to_owned(),
                Some(hops) => hops.join(", then "),
            },
        ),
        ("host keys", policy.to_owned()),
        (
            "known_hosts",
            paths(&ssh.known_hosts, "~/.ssh/known_hosts, /etc/ssh/ssh_known_hosts"),
        ),
        (
            "ssh_config",
            paths(ssh.config.as_slice(), "~/.ssh/config when there is one"),
        ),
        ("ssh password", password(ssh.password)),
        ("connect timeout", duration::display(ssh.connect_timeout)),
        ("keepalive", format!("every {}", duration::display(ssh.keepalive))),
        ("legacy algorithms", legacy.to_owned()),
    ]
}

fn r#become(host: &Host) -> Settings {
    let how = match host.r#become.method {
        BecomeMethod::Sudo => "sudo",
        BecomeMethod::Doas => "doas -n",
        BecomeMethod::Su => "su root -c",
        BecomeMethod::None => "no change of user: the login user must be root",
    };
    vec![
        ("become root by", how.to_owned()),
        ("become password", password(host.r#become.password)),
    ]
}

fn kubernetes(host: &Host) -> Settings {
    let kube = &host.kubernetes;
    let runtime = kube
        .runtime
        .map_or_else(|| "found out from the host".to_owned(), |r| r.to_string());
    let node = kube.node_name.clone().unwrap_or_else(|| "the host's name".to_owned());
    vec![
        ("cert-dir", kube.cert_dir.clone()),
        ("kubelet unit", kube.kubelet_unit.clone()),
        ("runtime", runtime),
        ("kubeadm", kube.kubeadm.clone()),
        ("kubectl", kube.kubectl.clone()),
        ("node name", node),
        ("CNI namespaces", kube.cni.namespaces.join(", ")),
        ("CNI labels", kube.cni.labels.join(", ")),
    ]
}

fn password(source: PasswordSource) -> String {
    match source {
        PasswordSource::None => "none: needing one is an error",
        PasswordSource::Prompt => "asked once for the fleet",
    }
    .to_owned()
}

fn paths(paths: &[PathBuf], otherwise: &str) -> String {
    if paths.is_empty() {
        return otherwise.to_owned();
    }
    let shown: Vec<String> = paths.iter().map(|p| p.display().to_string()).collect();
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::inventory;

    #[test]
    fn every_host_has_its_line_and_settings_are_said_once() {
        insta::assert_snapshot!(inventory_text(&inventory(), &Style::plain(80)));
        assert!(inventory_json(&inventory()).contains("\"schema_version\": 1"));
    }
}
