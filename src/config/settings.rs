//! The settings blocks (`ssh`, `become`, `kubernetes`) applied onto resolved settings: top, then group, then host.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::error::ConfigError;
use super::inventory_file::{BecomeFile, CniFile, KubernetesFile, SshFile};
use super::located::{DurationText, Sp, Span, Texts};
use super::names::{self, Complaint};
use super::source::Source;
use crate::model::duration;
use crate::model::host::{BecomeSettings, CniSettings, KubernetesSettings, SshSettings};

/// What lowering needs to know, and the errors it collects.
#[derive(Debug)]
pub(super) struct Context<'a> {
    pub(super) source: &'a Source,
    /// Relative paths start here.
    pub(super) base_dir: &'a Path,
    /// What `~` means.
    pub(super) home: Option<&'a Path>,
    pub(super) errors: Vec<ConfigError>,
}

impl Context<'_> {
    /// Notes an error at a place.
    pub(super) fn complain(&mut self, at: Span, message: impl Into<String>, hint: impl Into<String>) {
        self.errors.push(self.source.error(at, message).with_hint(hint));
    }

    /// Notes what a check of `names` says, if it says anything.
    pub(super) fn check(&mut self, at: Span, result: Result<(), Complaint>) {
        if let Err((message, hint)) = result {
            self.complain(at, message, hint);
        }
    }

    /// A duration, or `fallback` when it is wrong and noted.
    pub(super) fn duration(&mut self, text: &Sp<DurationText>, fallback: Duration) -> Duration {
        match duration::parse(&text.0) {
            Ok(duration) => duration,
            Err(why) => {
                let (message, hint) = why.split_once("; ").unwrap_or((&why, "write for example `30s`"));
                self.complain(text.at, message, hint);
                fallback
            }
        }
    }

    fn positive(&mut self, text: &Sp<DurationText>, fallback: Duration) -> Duration {
        let found = self.duration(text, fallback);
        if found.is_zero() {
            self.complain(text.at, "this time cannot be zero", "write for example `15s`");
        }
        found
    }

    /// A local path: `~/x` below home, a relative one below the file's directory.
    fn path(&mut self, text: &Sp<String>) -> PathBuf {
        let home = self.home;
        match (text.strip_prefix('~'), home) {
            _ if text.is_empty() => self.complain(text.at, "an empty path", "write a path, or remove the key"),
            (Some(rest), Some(home)) if rest.is_empty() || rest.starts_with('/') => {
                return home.join(rest.trim_start_matches('/'));
            }
            (Some(rest), _) if !rest.is_empty() && !rest.starts_with('/') => self.complain(
                text.at,
                format!("`{}` names another user's home directory", text.value),
                "write the whole path",
            ),
            (Some(_), None) => self.complain(
                text.at,
                "`~` cannot be resolved: $HOME is not set",
                "write the whole path",
            ),
            _ => {}
        }
        self.base_dir.join(&text.value)
    }

    fn paths(&mut self, texts: &Texts) -> Vec<PathBuf> {
        texts.0.iter().map(|t| self.path(t)).collect()
    }
}

impl SshFile {
    /// Overwrites what this block sets.
    pub(super) fn apply(&self, cx: &mut Context<'_>, onto: &mut SshSettings) {
        if let Some(user) = &self.user {
            cx.check(user.at, names::check_user(user));
            onto.user = Some(user.value.clone());
        }
        if let Some(port) = &self.port {
            if port.value == 0 {
                cx.complain(
                    port.at,
                    "port 0 does not exist",
                    "write a number from 1 to 65535, or remove the key",
                );
            }
            onto.port = Some(port.value);
        }
        if let Some(jump) = &self.jump {
            onto.jump = Some(hops(cx, jump));
        }
        self.apply_paths(cx, onto);
        self.apply_times(cx, onto);
        onto.host_key_policy = self.host_key_policy.unwrap_or(onto.host_key_policy);
        onto.password = self.password.unwrap_or(onto.password);
        onto.legacy_algorithms = self.legacy_algorithms.unwrap_or(onto.legacy_algorithms);
    }

    fn apply_paths(&self, cx: &mut Context<'_>, onto: &mut SshSettings) {
        if let Some(identity) = &self.identity {
            onto.identity = cx.paths(identity);
        }
        if let Some(known_hosts) = &self.known_hosts {
            onto.known_hosts = cx.paths(known_hosts);
        }
        if let Some(config) = &self.config {
            // `none` is OpenSSH's word for "no file" (ssh_config(5), -F none).
            onto.config = Some(if config.value == "none" {
                PathBuf::from("none")
            } else {
                cx.path(config)
            });
        }
    }

    fn apply_times(&self, cx: &mut Context<'_>, onto: &mut SshSettings) {
        if let Some(text) = &self.connect_timeout {
            onto.connect_timeout = cx.positive(text, onto.connect_timeout);
        }
        if let Some(text) = &self.keepalive {
            onto.keepalive = cx.positive(text, onto.keepalive);
        }
    }
}

/// The hops of a `jump:`; `none` and an empty list mean a direct connection, also where `ssh_config` has a jump host.
fn hops(cx: &mut Context<'_>, texts: &Texts) -> Vec<String> {
    let mut hops = Vec::new();
    for text in &texts.0 {
        for hop in text.split(',').map(str::trim).filter(|hop| *hop != "none") {
            cx.check(text.at, names::parse_jump(hop).map(|_| ()));
            hops.push(hop.to_owned());
        }
    }
    hops
}

impl BecomeFile {
    /// Overwrites what this block sets.
    pub(super) fn apply(&self, onto: &mut BecomeSettings) {
        onto.method = self.method.unwrap_or(onto.method);
        onto.password = self.password.unwrap_or(onto.password);
    }
}

impl KubernetesFile {
    /// Overwrites what this block sets. `single` tells whether the block belongs to one host alone.
    pub(super) fn apply(&self, cx: &mut Context<'_>, single: bool, onto: &mut KubernetesSettings) {
        if let Some(dir) = &self.cert_dir {
            onto.cert_dir = host_path(cx, dir);
        }
        if let Some(unit) = &self.kubelet_unit {
            cx.check(unit.at, names::check_unit(unit));
            onto.kubelet_unit.clone_from(&unit.value);
        }
        if let Some(program) = &self.kubeadm {
            check_program(cx, program);
            onto.kubeadm.clone_from(&program.value);
        }
        if let Some(program) = &self.kubectl {
            check_program(cx, program);
            onto.kubectl.clone_from(&program.value);
        }
        self.apply_node_name(cx, single, onto);
        if let Some(paths) = &self.kubeconfigs {
            onto.kubeconfigs = paths.iter().map(|p| host_path(cx, p)).collect();
        }
        onto.runtime = self.runtime.or(onto.runtime);
        self.cni.apply(&mut onto.cni);
    }

    fn apply_node_name(&self, cx: &mut Context<'_>, single: bool, onto: &mut KubernetesSettings) {
        let Some(node) = &self.node_name else { return };
        cx.check(node.at, names::check_address(node));
        if !single {
            let hint = "write it at the host: `- { name: m1, kubernetes: { node-name: … } }`";
            cx.complain(node.at, "several hosts cannot share one `node-name`", hint);
        }
        onto.node_name = Some(node.value.clone());
    }
}

/// A path on the host, without a slash at its end.
fn host_path(cx: &mut Context<'_>, path: &Sp<String>) -> String {
    if !path.starts_with('/') {
        let message = format!("`{}` is not a path from the root of the host", path.value);
        cx.complain(path.at, message, "write for example `/etc/kubernetes/pki`");
    }
    path.trim_end_matches('/').to_owned()
}

impl CniFile {
    fn apply(&self, onto: &mut CniSettings) {
        if let Some(namespaces) = &self.namespaces {
            onto.namespaces.clone_from(namespaces);
        }
        if let Some(labels) = &self.labels {
            onto.labels.clone_from(labels);
        }
    }
}

/// One program, no arguments: it is a single word of a command.
fn check_program(cx: &mut Context<'_>, program: &Sp<String>) {
    let odd = program.is_empty() || program.starts_with('-') || program.chars().any(char::is_whitespace);
    let relative = program.contains('/') && !program.starts_with('/');
    if odd || relative {
        let message = format!("`{}` is not a program of the host", program.value);
        cx.complain(
            program.at,
            message,
            "write a name in PATH or a whole path, without arguments",
        );
    }
}
