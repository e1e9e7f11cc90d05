//! The programs that the fleet knows, one file each. Any other answers 127, so that drift is noticed.

mod certificates;
mod component_health;
mod containers;
mod copies;
mod drain;
mod etcd_certificates;
mod etcd_health;
mod facts;
mod inspect;
mod journal_format;
mod journalctl;
mod kubeadm;
mod kubeadm_expiration;
mod kubeadm_names;
mod kubectl;
mod kubectl_json;
mod kubectl_more;
mod kubectl_table;
mod kubelet_client;
mod lock;
mod prune_backups;
mod rancher;
mod scripts;
mod small;
mod supervise;
mod systemctl;

use crate::model::ExitStatus;

use super::context::Context;
use super::shell::program;

pub(super) use scripts::script;

/// Runs one program.
pub(super) async fn dispatch(context: &mut Context, words: &[String]) -> ExitStatus {
    let Some((first, arguments)) = words.split_first() else {
        return ExitStatus::Code(0);
    };
    match program(first) {
        "systemctl" => systemctl::run(context, arguments).await,
        "journalctl" => journalctl::run(context, arguments).await,
        "kubeadm" => kubeadm::run(context, arguments).await,
        "kubectl" => kubectl::run(context, arguments).await,
        "crictl" => containers::crictl(context, arguments).await,
        name @ ("k3s" | "rke2") => rancher::run(context, name, arguments).await,
        "docker" => containers::docker(context, arguments).await,
        "kubelet" if arguments == ["--version"] => {
            let version = context.node(|n| n.kube);
            context.out(format!("Kubernetes {version}\n"));
            ExitStatus::Code(0)
        }
        name => small::run(context, name, arguments).await,
    }
}

/// An option's value: `--name=VALUE` or `--name VALUE`.
fn option<'a>(arguments: &'a [String], names: &[&str]) -> Option<&'a str> {
    arguments.iter().enumerate().find_map(|(at, word)| {
        if names.contains(&word.as_str()) {
            return arguments.get(at + 1).map(String::as_str);
        }
        let (name, value) = word.split_once('=')?;
        names.contains(&name).then_some(value)
    })
}

/// Words that are neither options nor the values of the options that take one.
fn operands<'a>(arguments: &'a [String], with_value: &[&str]) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        if with_value.contains(&word.as_str()) {
            rest.next();
        } else if !word.starts_with('-') {
            found.push(word.as_str());
        }
    }
    found
}

/// Columns side by side, three blanks apart, as tabwriter does for kubectl and kubeadm; no blanks at the end of a line.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|r| r.get(column))
            .map(String::len)
            .max()
            .unwrap_or(0)
            + 3
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text += cells.concat().trim_end();
        text += "\n";
    }
    text
}
