//! `k3s` and `rke2`: `certificate rotate`, `kubectl`; and `curl`, which asks a port of the host whether it can be trusted.

use crate::lab::context::Context;
use crate::lab::file_tree::{Content, Found};
use crate::lab::fleet::is_master;
use crate::lab::ports;
use crate::lab::rancher::{admin_kubeconfig, rotated, trigger};
use crate::lab::variety::Distribution;
use crate::model::ExitStatus;

use super::{kubectl, operands, option};

const FINE: ExitStatus = ExitStatus::Code(0);

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

/// `curl … --cacert FILE https://127.0.0.1:PORT/ping`: the supervisor answers anybody; curl minds its certificate.
pub(super) fn curl(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let words = operands(arguments, &["-o", "--output", "--max-time", "-m", "--cacert"]);
    let url = words.first().copied().unwrap_or_default();
    let authority = url.strip_prefix("https://").and_then(|rest| rest.split('/').next());
    let Some((address, port)) = authority.and_then(|a| a.rsplit_once(':')) else {
        return context.fail(3, "curl: (3) URL using bad/illegal format or missing URL");
    };
    let ca = option(arguments, &["--cacert"]).unwrap_or_default();
    if !context.node(|n| matches!(n.files.find(ca), Found::File(_))) {
        return context.fail(
            77,
            format!("curl: (77) error setting certificate verify locations: CAfile: {ca}"),
        );
    }
    let (host, number) = (context.host.clone(), port.parse().unwrap_or(0));
    let wall = context.change(|n, moment| n.wall(moment));
    let (host, address) = (host, address.to_owned());
    match context.with(|w| ports::served(w, &host, &address, number)) {
        None => context.fail(
            7,
            format!("curl: (7) Failed to connect to {address} port {port}: Connection refused"),
        ),
        Some((leaf, _)) if !leaf.valid(wall) => {
            context.fail(60, "curl: (60) SSL certificate problem: certificate has expired")
        }
        Some(_) => FINE,
    }
}
