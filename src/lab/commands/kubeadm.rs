//! `kubeadm`: version, `[alpha] certs renew`, `[alpha] certs check-expiration`. Wordings of kubeadm 1.15 to 1.33.

use std::sync::Arc;

use crate::lab::clock::{DAY, shift};
use crate::lab::context::Context;
use crate::lab::file_tree::Content;
use crate::lab::kubelet::balance;
use crate::lab::node::Node;
use crate::lab::pki::{LabError, Leaf, Signer};
use crate::lab::world::World;
use crate::model::ExitStatus;
use crate::model::facts::KubeVersion;

use super::kubeadm_names::{CERTIFICATES, Renewable};
use super::{kubeadm_expiration as check_expiration, operands, option};

const FINE: ExitStatus = ExitStatus::Code(0);

/// Runs kubeadm.
pub(super) async fn run(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let version = context.node(|n| n.kube);
    let words = operands(arguments, &["-o", "--output", "--cert-dir", "--config", "--kubeconfig"]);
    match words.as_slice() {
        ["version"] => show_version(context, arguments, version),
        ["alpha", "certs", ..] if version.minor >= 21 => {
            context.fail(1, "invalid subcommand \"certs\"\nTo see the stack trace of this error execute with --v=5 or higher")
        }
        ["certs", ..] if version.minor < 20 => {
            context.fail(1, "unknown command \"certs\" for \"kubeadm\"\nTo see the stack trace of this error execute with --v=5 or higher")
        }
        ["alpha", "certs", verb, rest @ ..] | ["certs", verb, rest @ ..] => {
            if version.minor == 20 && words[0] == "alpha" {
                let command = rest.first().unwrap_or(verb);
                context.out(format!("Command \"{command}\" is deprecated, please use the same command under \"kubeadm certs\"\n"));
            }
            certs(context, arguments, verb, rest).await
        }
        _ => context.fail(1, format!("unknown command \"{}\" for \"kubeadm\"\nTo see the stack trace of this error execute with --v=5 or higher", words.join(" "))),
    }
}

fn show_version(context: &mut Context, arguments: &[String], version: KubeVersion) -> ExitStatus {
    let short = option(arguments, &["-o", "--output"]) == Some("short");
    let minor = version.minor;
    context.out(if short {
        format!("{version}\n")
    } else {
        format!("kubeadm version: &version.Info{{Major:\"1\", Minor:\"{minor}\", GitVersion:\"{version}\", GitTreeState:\"clean\", Platform:\"linux/amd64\"}}\n")
    });
    FINE
}

async fn certs(context: &mut Context, arguments: &[String], verb: &str, rest: &[&str]) -> ExitStatus {
    let cert_dir = cert_dir(context, arguments);
    if let Some(path) = option(arguments, &["--config"])
        && context.node(|n| n.files.entry(path).is_none())
    {
        return context.fail(1, format!("unable to read config from \"{path}\" : open {path}: no such file or directory\nTo see the stack trace of this error execute with --v=5 or higher"));
    }
    match (verb, rest) {
        ("check-expiration", []) => check_expiration::run(context, arguments, &cert_dir),
        ("renew", [name]) => renew(context, arguments, name, &cert_dir).await,
        ("renew", []) => context.fail(1, "missing subcommand; \"renew\" is not meant to be run on its own"),
        _ => context.fail(1, format!("unknown command \"{verb}\" for \"kubeadm certs\"")),
    }
}

/// kubeadm's configuration names an external etcd: then kubeadm knows nothing of what its CA signs.
pub(super) fn told_of_external_etcd(context: &Context, arguments: &[String]) -> bool {
    let told = option(arguments, &["--config"]).is_some() || api_answers(context);
    told && context.with(|w| w.config.etcd > 0)
}

/// `--config` decides, then the cluster, then `--cert-dir`, then the default.
fn cert_dir(context: &Context, arguments: &[String]) -> String {
    let told = option(arguments, &["--config"]).is_some() || api_answers(context);
    if told {
        return context.node(|n| n.cert_dir.clone());
    }
    let given = option(arguments, &["--cert-dir"]).unwrap_or("/etc/kubernetes/pki");
    given.trim_end_matches('/').to_owned()
}

/// The newest configuration kept by a backup.
pub(super) fn kept_config(node: &Node) -> Option<String> {
    let kept = node.files.below("/var/lib/certfleet/backups").map(|(path, _)| path);
    kept.filter(|path| path.ends_with("/kubeadm-config.yaml"))
        .last()
        .cloned()
}

/// What `[renew]` or `[check-expiration]` says about the configuration; nothing with `--config`.
pub(super) fn preamble(context: &mut Context, tag: &str, version: KubeVersion) {
    let api = api_answers(context);
    let flag = if version.minor < 19 { "-oyaml" } else { "-o yaml" };
    let mut text = if version.minor >= 31 {
        format!(
            "[{tag}] Reading configuration from the \"kubeadm-config\" ConfigMap in namespace \"kube-system\"...\n[{tag}] Use 'kubeadm init phase upload-config --config your-config-file' to re-upload it.\n"
        )
    } else if version.minor >= 16 {
        format!(
            "[{tag}] Reading configuration from the cluster...\n[{tag}] FYI: You can look at this config file with 'kubectl -n kube-system get cm kubeadm-config {flag}'\n"
        )
    } else {
        return;
    };
    if !api {
        let fallback = format!(
            "[{tag}] Error reading configuration from the Cluster. Falling back to default configuration
"
        );
        text += &fallback;
    }
    context.out(format!("{text}\n"));
}

/// kubeadm asks with admin.conf.
pub(super) fn api_answers(context: &Context) -> bool {
    let index = context.index;
    context.with(|w| {
        let moment = w.moment();
        let node = &w.nodes[index];
        let wall = node.wall(&moment);
        let admin = node.files.leaf("/etc/kubernetes/admin.conf");
        let api = balance(&moment, index).filter(|api| api.ready && api.serving.valid(wall));
        api.is_some_and(|api| admin.is_some_and(|leaf| leaf.valid(api.wall)))
    })
}

async fn renew(context: &mut Context, arguments: &[String], name: &str, cert_dir: &str) -> ExitStatus {
    let version = context.node(|n| n.kube);
    let known = |c: &&Renewable| c.known_to(version) && (name == "all" || c.name == name);
    let mut chosen: Vec<&Renewable> = CERTIFICATES.iter().filter(known).collect();
    if told_of_external_etcd(context, arguments) {
        chosen.retain(|c| c.signer != Signer::EtcdCa);
        if chosen.is_empty() {
            return context.fail(1, format!("{name} is not a valid certificate for this cluster\nTo see the stack trace of this error execute with --v=5 or higher"));
        }
    }
    if chosen.is_empty() {
        return context.fail(1, format!("unknown command \"{name}\" for \"kubeadm certs renew\""));
    }
    if !context.root {
        return context.fail(1, "failed to load existing certificate: open /etc/kubernetes/pki/apiserver.key: permission denied\nTo see the stack trace of this error execute with --v=5 or higher");
    }
    let alpha = if version.minor < 20 { "alpha " } else { "" };
    let config = option(arguments, &["--config"]);
    let told = config.map_or_else(String::new, |c| format!(" --config={c}"));
    context.record(format!("kubeadm {alpha}certs renew {name}{told}"));
    let days = if config.is_some() || api_answers(context) {
        context.with(|w| w.config.validity_days)
    } else {
        365
    };
    if option(arguments, &["--config"]).is_none() {
        preamble(context, "renew", version);
    }
    for certificate in chosen {
        context.pause(context.with(|w| w.config.timings.renew)).await;
        let line = renew_one(context, certificate, (cert_dir, days), version);
        context.out(format!("{line}\n"));
    }
    if name == "all" && version.minor >= 20 {
        context.out("\nDone renewing certificates. You must restart the kube-apiserver, kube-controller-manager, kube-scheduler and etcd, so that they can use the new certificates.\n");
    }
    FINE
}

fn renew_one(
    context: &mut Context,
    certificate: &Renewable,
    (cert_dir, days): (&str, i64),
    version: KubeVersion,
) -> String {
    let (index, path) = (context.index, certificate.path(cert_dir));
    let what = certificate.words(version);
    let ca_key = match certificate.signer {
        Signer::EtcdCa => format!("{cert_dir}/etcd/ca.key"),
        Signer::FrontProxyCa => format!("{cert_dir}/front-proxy-ca.key"),
        Signer::Ca | Signer::Own => format!("{cert_dir}/ca.key"),
    };
    let (old, external) = context.node(|n| (n.files.leaf(&path), n.files.entry(&ca_key).is_none()));
    let Some(old) = old else {
        return format!("MISSING! {what}");
    };
    if external {
        return format!(
            "Detected external {}, {what} can't be renewed",
            certificate.signer.name()
        );
    }
    match context.with(|w| replace(w, (index, &path), &old, days)) {
        Ok(()) => format!("{what} renewed"),
        Err(error) => format!("failed to renew certificate {}: {error}", certificate.name),
    }
}

/// New key, same subject and SANs, `days` from five minutes ago.
fn replace(world: &mut World, (index, path): (usize, &str), old: &Leaf, days: i64) -> Result<(), LabError> {
    let now = world.clock.wall(world.now + world.nodes[index].offset);
    let leaf = world.issue(old.spec.clone(), shift(now, -300), shift(now, days * DAY))?;
    let files = &mut world.nodes[index].files;
    let kubeconfig = match files.entry(path).map(|f| f.content.clone()) {
        Some(Content::Kubeconfig { server, ca, .. }) => Some(Content::Kubeconfig {
            server,
            ca,
            leaf: Arc::clone(&leaf),
        }),
        _ => None,
    };
    if let Some(content) = kubeconfig {
        files.put(path, content, now);
        return Ok(());
    }
    files.put(path.replace(".crt", ".key"), Content::Key(Arc::clone(&leaf)), now);
    files.put(path, Content::Certificate(leaf), now);
    Ok(())
}
