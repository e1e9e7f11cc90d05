//! certfleet's own scripts, answered by name.

use crate::lab::clock::Millis;
use crate::lab::context::Context;
use crate::lab::file_tree::{Content, File};
use crate::lab::node::Node;
use crate::lab::scenario_files::kubeadm_config;
use crate::model::ExitStatus;

use super::{
    certificates, component_health, containers, copies, drain, etcd_certificates, etcd_health, facts, inspect, kubeadm,
    kubelet_client, lock, prune_backups, supervise,
};

/// Runs `certfleet:NAME ARGS…`.
pub(in crate::lab) async fn script(context: &mut Context, name: &str, arguments: &[String]) -> ExitStatus {
    match name {
        "facts" => facts::run(context, arguments),
        "read-certificates" => certificates::run(context, arguments),
        "containers" => containers::list(context, arguments),
        "stop-static-pods" => containers::stop_static_pods(context, arguments).await,
        "etcd-health" => etcd_health::run(context).await,
        "inspect" => inspect::inspect(context, arguments),
        "served" => inspect::served(context, arguments),
        "backup" => backup(context, arguments).await,
        "supervise" => supervise::run(context, arguments).await,
        "lock" => lock::run(context, arguments),
        "restore" => restore(context, arguments).await,
        "kubelet-client" => kubelet_client::run(context, arguments).await,
        "sign-kubelet-client" => kubelet_client::sign(context, arguments).await,
        "etcd-certificates" => etcd_certificates::run(context, arguments).await,
        "sign-etcd-certificates" => etcd_certificates::sign(context, arguments).await,
        "refresh-copies" => copies::refresh(context, arguments),
        "drain" => drain::run(context, arguments).await,
        "component-health" => component_health::run(context),
        "prune-backups" => prune_backups::run(context, arguments),
        other => context.fail(127, format!("sh: 1: certfleet:{other}: not found")),
    }
}

/// How long a copy takes.
const COPY: Millis = 60;

/// `certfleet:backup RUN DIRECTORY CERT_DIR`: a copy below DIRECTORY/RUN; a second call verifies it.
async fn backup(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let [run, directory, ..] = arguments else {
        return context.fail(2, "certfleet: backup needs RUN DIRECTORY CERT_DIR");
    };
    let target = format!("{}/{run}", directory.trim_end_matches('/'));
    if !context.root {
        return context.fail(
            1,
            format!("mkdir: cannot create directory '{target}': Permission denied"),
        );
    }
    if target.starts_with("/etc/kubernetes/manifests") {
        return context.fail(
            1,
            format!("certfleet: {target} is read by the kubelet; a backup there would be run"),
        );
    }
    context.pause(COPY).await;
    if context.node(|n| n.disk_full) {
        return context.fail(
            1,
            format!("cannot copy /etc/kubernetes to {target}: No space left on device"),
        );
    }
    if !context.node(|n| n.files.is_folder(&target)) {
        context.record(format!("certfleet:backup {run}"));
        let config = kubeadm::api_answers(context)
            .then(|| context.with(|w| kubeadm_config(&w.config.cert_dir, w.config.validity_days)));
        context.change(|n, moment| {
            copy(n, &target);
            let now = n.wall(moment);
            if let Some(text) = config {
                n.files
                    .put(format!("{target}/kubeadm-config.yaml"), Content::Text(text), now);
            }
        });
    }
    let (files, bytes) = context.node(|n| measure(n, &target));
    context.out(format!("backup\t{target}\t{files}\t{bytes}\n"));
    ExitStatus::Code(0)
}

fn copy(node: &mut Node, target: &str) {
    let mut saved: Vec<(String, File)> = Vec::new();
    for folder in ["/etc/kubernetes", "/var/lib/kubelet/pki"] {
        let inside = node
            .files
            .below(folder)
            .map(|(path, file)| (path.clone(), file.clone()));
        saved.extend(inside);
    }
    let config = node.files.entry("/var/lib/kubelet/config.yaml").cloned();
    saved.extend(config.map(|file| ("/var/lib/kubelet/config.yaml".to_owned(), file)));
    for (path, file) in saved {
        node.files.insert(format!("{target}{path}"), file);
    }
}

/// `certfleet:restore RUN DIRECTORY CERT_DIR`: the copy back in its place.
async fn restore(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let [run, directory, ..] = arguments else {
        return context.fail(2, "certfleet: restore needs RUN DIRECTORY CERT_DIR");
    };
    let source = format!("{}/{run}", directory.trim_end_matches('/'));
    if !context.node(|n| n.files.is_folder(&source)) {
        return context.fail(3, format!("{source} is not there"));
    }
    context.pause(COPY).await;
    context.record(format!("certfleet:restore {run}"));
    let files = context.change(|n, _| {
        let kept = |path: &str| !(path.ends_with("/kubeadm-config.yaml") || of_the_kubelet(path));
        let saved = n.files.below(&source).filter(|(p, _)| kept(p));
        let saved: Vec<(String, File)> = saved.map(|(p, f)| (p.clone(), f.clone())).collect();
        let files = saved.len();
        for (path, file) in saved {
            let target = path.trim_start_matches(source.as_str()).to_owned();
            n.files.insert(target, file);
        }
        files
    });
    context.out(format!("restored\t{source}\t{files}\n"));
    ExitStatus::Code(0)
}

/// Its own certificates are not put back.
fn of_the_kubelet(path: &str) -> bool {
    path.contains("/var/lib/kubelet/") || path.ends_with("/etc/kubernetes/kubelet.conf")
}

/// Files and bytes of a backup, links not counted.
fn measure(node: &Node, target: &str) -> (usize, usize) {
    let real = node
        .files
        .below(target)
        .filter(|(_, f)| !matches!(f.content, Content::Link(_)));
    real.fold((0, 0), |(files, bytes), (_, f)| {
        (files + 1, bytes + f.content.text().len())
    })
}
