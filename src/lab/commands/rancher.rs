//! `k3s` and `rke2`: `certificate rotate` and `kubectl`.

use crate::lab::context::Context;
use crate::lab::file_tree::Content;
use crate::lab::fleet::is_master;
use crate::lab::rancher::{admin_kubeconfig, rotated, trigger};
use crate::lab::variety::Distribution;
use crate::model::ExitStatus;

use super::kubectl;

const FINE: ExitStatus = ExitStatus::Code(0);
/// Before this minor version `certificate rotate` looked for a server's files on agents, too (mended in 1.27.13, 1.28.9, 1.29.4).
const KNOWS_AGENTS: u32 = 30;

/// Runs `k3s …` or `rke2 …`.
pub(super) async fn run(context: &mut Context, name: &str, arguments: &[String]) -> ExitStatus {
    let kind = context.node(|n| n.rancher.as_ref().map(|r| r.kind));
    let Some(kind) = kind.filter(|k| k.name() == name) else {
        return context.fail(127, format!("sh: 1: {name}: not found"));
    };
    match arguments {
        [first, rest @ ..] if first == "kubectl" => {
            let admin = admin_kubeconfig(kind);
            context.environment.entry("KUBECONFIG".to_owned()).or_insert(admin);
            kubectl::run(context, rest).await
        }
        [first, second] if first == "certificate" && second == "rotate" => rotate(context, kind),
        _ => context.fail(1, format!("the lab's {name} knows `certificate rotate` and `kubectl`")),
    }
}

/// Moves the files away; the next start makes new ones.
fn rotate(context: &mut Context, kind: Distribution) -> ExitStatus {
    if !context.root {
        return context.fail(1, "level=fatal msg=\"open /var/lib/rancher: permission denied\"");
    }
    if context.node(|n| n.disk_full) {
        return context.fail(1, "level=fatal msg=\"mkdir tls: no space left on device\"");
    }
    let name = kind.name();
    if context.node(|n| !is_master(n) && n.kube.minor < KNOWS_AGENTS) {
        let folder = format!("/var/lib/rancher/{name}/server/tls");
        return context.fail(
            1,
            format!("level=fatal msg=\"stat {folder}: no such file or directory\""),
        );
    }
    context.record(format!("{name} certificate rotate"));
    let copy = context.change(|n, moment| {
        let (now, server) = (n.wall(moment), is_master(n));
        let part = if server { "server" } else { "agent" };
        let copy = format!("/var/lib/rancher/{name}/{part}/tls-{}", now.as_second());
        for path in rotated(kind, n.role) {
            for path in [path.replace(".crt", ".key"), path] {
                if let Some(file) = n.files.remove(&path) {
                    let last = path.rsplit('/').next().unwrap_or_default();
                    n.files.insert(format!("{copy}/{last}"), file);
                }
            }
        }
        if server {
            n.files.put(trigger(kind), Content::Text(String::new()), now);
        }
        copy
    });
    context.err(format!(
        "level=info msg=\"Successfully backed up certificates to {copy}, please restart {name} server or agent to rotate certificates\"\n"
    ));
    FINE
}
