//! Contradictions between hosts: listed twice, in two groups, the same machine under two names, a jump to itself.

use std::collections::{BTreeMap, HashMap};
use std::hash::Hash;

use super::located::Span;
use super::names::parse_jump;
use super::settings::Context;
use crate::model::host::{Host, Role};

/// A resolved host and where its file names it.
#[derive(Debug)]
pub(super) struct Placed {
    pub(super) host: Host,
    pub(super) at: Span,
}

/// Notes every contradiction.
pub(super) fn check(cx: &mut Context<'_>, hosts: &[Placed]) {
    let names = clashes(hosts, |host| host.name.as_str().to_lowercase());
    for clash in &names {
        report_duplicate(cx, clash);
    }
    for clash in clashes(hosts, connection).iter().filter(|c| !c.same_name()) {
        report_same_machine(cx, clash);
    }
    check_jumps(cx, hosts);
}

/// Two entries of the file that mean the same, and how many more of their hosts do.
#[derive(Debug)]
struct Clash<'a> {
    first: &'a Placed,
    second: &'a Placed,
    more: usize,
}

impl Clash<'_> {
    fn same_name(&self) -> bool {
        self.first
            .host
            .name
            .as_str()
            .eq_ignore_ascii_case(self.second.host.name.as_str())
    }

    fn and_more(&self) -> String {
        match self.more {
            0 => String::new(),
            n => format!(", and {n} more of the range"),
        }
    }
}

/// Hosts with the same key, one clash for every pair of entries.
fn clashes<K: Eq + Hash>(hosts: &[Placed], key: impl Fn(&Host) -> K) -> Vec<Clash<'_>> {
    let mut seen: HashMap<K, &Placed> = HashMap::new();
    let mut found: BTreeMap<(usize, usize, usize, usize), Clash<'_>> = BTreeMap::new();
    for second in hosts {
        let key = key(&second.host);
        let Some(first) = seen.get(&key) else {
            seen.insert(key, second);
            continue;
        };
        let entry = (second.at.line, second.at.column, first.at.line, first.at.column);
        let fresh = Clash { first, second, more: 0 };
        found.entry(entry).and_modify(|c| c.more += 1).or_insert(fresh);
    }
    found.into_values().collect()
}

/// What is connected to: the same address behind another jump host is another machine.
fn connection(host: &Host) -> (String, u16, Vec<String>) {
    let ssh = &host.ssh;
    let jump = ssh.jump.clone().unwrap_or_default();
    (host.address.to_lowercase(), ssh.port.unwrap_or(22), jump)
}

fn report_duplicate(cx: &mut Context<'_>, clash: &Clash<'_>) {
    let (first, second) = (&clash.first.host, &clash.second.host);
    let (message, hint) = if first.role == second.role {
        (
            format!("host `{}` is listed twice{}", second.name, clash.and_more()),
            "remove one of the two".to_owned(),
        )
    } else {
        (
            format!(
                "host `{}` is in `{}` and in `{}`{}",
                second.name,
                group(first.role),
                group(second.role),
                clash.and_more()
            ),
            "a host has one role; a master that also runs workloads, or a stacked etcd member, stands under `masters` only"
                .to_owned(),
        )
    };
    push(cx, clash, message, hint);
}

fn report_same_machine(cx: &mut Context<'_>, clash: &Clash<'_>) {
    let (first, second) = (&clash.first.host, &clash.second.host);
    let message = format!(
        "hosts `{}` and `{}` are the same machine: address `{}`{}",
        first.name,
        second.name,
        second.address,
        clash.and_more()
    );
    push(cx, clash, message, "correct one of the addresses or ports".to_owned());
}

fn push(cx: &mut Context<'_>, clash: &Clash<'_>, message: String, hint: String) {
    let mut error = cx.source.error(clash.second.at, message).with_hint(hint);
    error.earlier = cx
        .source
        .place(clash.first.at)
        .filter(|_| clash.first.at != clash.second.at);
    cx.errors.push(error);
}

fn group(role: Role) -> &'static str {
    match role {
        Role::ControlPlane => "masters",
        Role::Etcd => "etcd",
        Role::Worker => "workers",
    }
}

/// A host that is reached through itself is never reached.
fn check_jumps(cx: &mut Context<'_>, hosts: &[Placed]) {
    let mut reported: Option<Span> = None;
    for Placed { host, at } in hosts {
        let is_self = |hop: &str| {
            parse_jump(hop).is_ok_and(|jump| {
                let same_name = jump.host == host.address || jump.host == host.name.as_str();
                same_name && jump.port.unwrap_or("22") == port(host)
            })
        };
        if host.ssh.jump.iter().flatten().any(|hop| is_self(hop)) && reported != Some(*at) {
            let message = format!("host `{}` is its own jump host", host.name);
            let hint = format!("write it as `{{ name: {}, ssh: {{ jump: none }} }}`", host.name);
            cx.complain(*at, message, hint);
            reported = Some(*at);
        }
    }
}

fn port(host: &Host) -> String {
    host.ssh.port.unwrap_or(22).to_string()
}
