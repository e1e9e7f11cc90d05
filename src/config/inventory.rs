//! The inventory as written to the fleet as resolved: ranges expanded, settings merged, contradictions found.

use std::path::Path;

use super::error::{ConfigErrors, finish};
use super::fleet_checks::{self, Placed};
use super::inventory_file::{GroupFile, HostFile, HostItem, InventoryFile};
use super::located::{Sp, Span};
use super::names;
use super::settings::Context;
use super::source::Source;
use super::yaml;
use crate::model::host::{BecomeSettings, Host, KubernetesSettings, Role, SshSettings};
use crate::model::ranges::{self, MAX_NAMES};
use crate::model::{HostName, Inventory};

/// Reads an inventory file. `home` is what `~` means in its paths; relative paths start at the file's directory.
///
/// # Errors
/// The first error of syntax or shape, or else everything that is wrong with the values.
pub fn load_inventory(path: &Path, home: Option<&Path>) -> Result<Inventory, ConfigErrors> {
    let source = Source::read(path, "inventory")?;
    lower(&source, path.parent().unwrap_or(Path::new("")), home)
}

/// As [`load_inventory`], from a text that is already there: pure.
///
/// # Errors
/// As [`load_inventory`].
pub fn parse_inventory(
    text: &str,
    file_name: &str,
    base_dir: &Path,
    home: Option<&Path>,
) -> Result<Inventory, ConfigErrors> {
    lower(&Source::new(file_name, text), base_dir, home)
}

/// Every setting of every host as JSON, pretty: what `certfleet inventory --output json` prints.
///
/// # Errors
/// None in practice: an inventory holds texts, numbers and lists.
pub fn resolved_inventory_text(inventory: &Inventory) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(inventory)
}

/// The three blocks of settings, merged so far.
#[derive(Debug, Clone, Default)]
struct Merged {
    ssh: SshSettings,
    r#become: BecomeSettings,
    kubernetes: KubernetesSettings,
}

fn lower(source: &Source, base_dir: &Path, home: Option<&Path>) -> Result<Inventory, ConfigErrors> {
    let file: InventoryFile = yaml::parse(source, "inventory")?;
    let mut cx = Context {
        source,
        base_dir,
        home,
        errors: Vec::new(),
    };
    cx.check(file.cluster.at, names::check_word(&file.cluster, "cluster"));
    let mut top = Merged::default();
    file.ssh.apply(&mut cx, &mut top.ssh);
    file.r#become.apply(&mut top.r#become);
    file.kubernetes.apply(&mut cx, false, &mut top.kubernetes);
    if file.masters.is_none() {
        let hint = "add `masters: { hosts: [m1.example.com] }`";
        cx.complain(file.cluster.at, "the inventory has no `masters`", hint);
    }
    let hosts = lower_groups(&mut cx, &file, &top);
    fleet_checks::check(&mut cx, &hosts);
    let inventory = Inventory {
        cluster: file.cluster.value.clone(),
        hosts: hosts.into_iter().map(|placed| placed.host).collect(),
    };
    finish(inventory, cx.errors)
}

/// In the order of the model: masters, etcd, workers.
fn lower_groups(cx: &mut Context<'_>, file: &InventoryFile, top: &Merged) -> Vec<Placed> {
    let groups = [
        (&file.masters, Role::ControlPlane),
        (&file.etcd, Role::Etcd),
        (&file.workers, Role::Worker),
    ];
    let mut hosts = Vec::new();
    for (group, role) in groups {
        if let Some(group) = group {
            lower_group(cx, group, role, top, &mut hosts);
        }
    }
    hosts
}

fn lower_group(cx: &mut Context<'_>, group: &GroupFile, role: Role, top: &Merged, hosts: &mut Vec<Placed>) {
    let mut merged = top.clone();
    group.ssh.apply(cx, &mut merged.ssh);
    group.r#become.apply(&mut merged.r#become);
    group.kubernetes.apply(cx, false, &mut merged.kubernetes);
    if group.hosts.is_empty() {
        let hint = "name at least one host, or remove the whole group";
        cx.complain(group.hosts.at, "a group without hosts", hint);
    }
    for item in &group.hosts.value {
        lower_item(cx, item, role, &merged, hosts);
        if hosts.len() > MAX_NAMES {
            let hint = "split the fleet into several inventories; is a digit too many in a range?";
            cx.complain(item.at, format!("more than {MAX_NAMES} hosts in one inventory"), hint);
            return;
        }
    }
}

fn lower_item(cx: &mut Context<'_>, item: &Sp<HostItem>, role: Role, group: &Merged, hosts: &mut Vec<Placed>) {
    match &item.value {
        HostItem::Name(name) => {
            let names = expand(cx, name, item.at);
            let pairs = names.into_iter().map(|name| (name.clone(), name));
            hosts.extend(pairs.map(|pair| place(pair, item.at, role, group)));
        }
        HostItem::Map(map) => {
            let names = expand(cx, &map.name, map.name.at);
            let mut merged = group.clone();
            map.ssh.apply(cx, &mut merged.ssh);
            map.r#become.apply(&mut merged.r#become);
            map.kubernetes.apply(cx, names.len() <= 1, &mut merged.kubernetes);
            let pairs = pair_addresses(cx, map, names);
            hosts.extend(pairs.into_iter().map(|pair| place(pair, map.name.at, role, &merged)));
        }
    }
}

fn place((name, address): (String, String), at: Span, role: Role, merged: &Merged) -> Placed {
    let host = Host {
        name: HostName::new(name),
        address,
        role,
        ssh: merged.ssh.clone(),
        r#become: merged.r#become.clone(),
        kubernetes: merged.kubernetes.clone(),
    };
    Placed { host, at }
}

/// The names of a pattern, each checked; none when the pattern is wrong.
fn expand(cx: &mut Context<'_>, pattern: &str, at: Span) -> Vec<String> {
    match ranges::expand(pattern) {
        Ok(names) => {
            if let Some(complaint) = names.iter().find_map(|name| names::check_host(name).err()) {
                cx.check(at, Err(complaint));
            }
            names
        }
        Err(error) => {
            cx.complain(at, format!("`{pattern}`: {error}"), error.hint());
            Vec::new()
        }
    }
}

/// Each name with its address: the name itself, or the address at the same position.
fn pair_addresses(cx: &mut Context<'_>, map: &HostFile, names: Vec<String>) -> Vec<(String, String)> {
    let Some(address) = &map.address else {
        return names.into_iter().map(|name| (name.clone(), name)).collect();
    };
    let addresses = expand(cx, address, address.at);
    if !names.is_empty() && !addresses.is_empty() && names.len() != addresses.len() {
        let message = format!("{} addresses for {} names", addresses.len(), names.len());
        let hint = "the ranges of `name` and `address` must have the same size";
        cx.complain(address.at, message, hint);
    }
    names.into_iter().zip(addresses).collect()
}
