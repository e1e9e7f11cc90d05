//! certfleet's own scripts, answered by name.

use crate::lab::clock::Millis;
use crate::lab::context::Context;
use crate::lab::file_tree::{Content, File};
use crate::lab::node::Node;
use crate::model::ExitStatus;

use super::{certificates, containers, etcd_health, facts, inspect};

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
    if !context.node(|n| n.files.is_folder(&target)) {
        context.record(format!("certfleet:backup {run}"));
        context.change(|n, _| copy(n, &target));
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
