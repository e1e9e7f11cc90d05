//! `kubectl wait`, `kubectl certificate approve`, and the few secrets that the fleet has.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::lab::context::Context;
use crate::model::ExitStatus;

use super::option;

const FINE: ExitStatus = ExitStatus::Code(0);

/// `wait --for=condition=Ready nodes --all --timeout=5m`.
pub(super) async fn wait_for_nodes(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let patience = seconds(option(arguments, &["--timeout"]).unwrap_or("30s"));
    let mut missing = Vec::new();
    for _ in 0..patience.max(1) {
        missing = context.with(|w| {
            let silent = w.nodes.iter().filter(|n| !w.node_ready(n));
            silent.map(|n| n.name.to_string()).collect::<Vec<_>>()
        });
        if missing.is_empty() {
            context.out("condition met\n");
            return FINE;
        }
        context.pause(1000).await;
    }
    let lines: Vec<String> = missing
        .iter()
        .map(|n| format!("error: timed out waiting for the condition on nodes/{n}"))
        .collect();
    context.fail(1, lines.join("\n"))
}

/// `5m`, `90s`.
fn seconds(text: &str) -> u32 {
    let (number, factor) = match (text.strip_suffix('m'), text.strip_suffix('s')) {
        (Some(minutes), _) => (minutes, 60),
        (_, Some(seconds)) => (seconds, 1),
        _ => (text, 1),
    };
    number.parse::<u32>().map_or(30, |n| n * factor)
}

/// The public half of what calico-node and typha know each other by, as a jsonpath shows it.
pub(super) fn get_secret(context: &mut Context, arguments: &[String], name: &str) -> ExitStatus {
    let namespace = option(arguments, &["-n", "--namespace"]).unwrap_or("default");
    let calicos = namespace == "calico-system" && matches!(name, "typha-certs" | "node-certs");
    let leaf = context.with(|w| w.typha.clone()).filter(|_| calicos);
    match leaf {
        Some(leaf) => context.out(BASE64.encode(&leaf.pem)),
        None if forgiving(arguments) => {}
        None => return not_found(context, name),
    }
    FINE
}

/// The listener's certificate of k3s or RKE2, as the cluster keeps it.
pub(super) fn delete_secret(context: &mut Context, arguments: &[String], name: &str) -> ExitStatus {
    let known = context.with(|w| w.config.distribution.map(|d| format!("{}-serving", d.name())));
    let gone = known.as_deref() == Some(name) && context.with(|w| w.serving_secret.take().is_some());
    if !gone && !forgiving(arguments) {
        return not_found(context, name);
    }
    context.record(format!("kubectl delete secret {name}"));
    if gone {
        context.out(format!("secret \"{name}\" deleted\n"));
    }
    FINE
}

fn forgiving(arguments: &[String]) -> bool {
    arguments.iter().any(|a| a.starts_with("--ignore-not-found"))
}

fn not_found(context: &mut Context, name: &str) -> ExitStatus {
    context.fail(1, format!("Error from server (NotFound): secrets \"{name}\" not found"))
}

/// `certificate approve NAME`.
pub(super) fn approve(context: &mut Context, name: &str) -> ExitStatus {
    match context.with(|w| w.approve_serving(name)) {
        Ok(true) => {
            context.record(format!("kubectl certificate approve {name}"));
            context.out(format!(
                "certificatesigningrequest.certificates.k8s.io/{name} approved\n"
            ));
            FINE
        }
        Ok(false) => context.fail(
            1,
            format!(
                "Error from server (NotFound): certificatesigningrequests.certificates.k8s.io \"{name}\" not found"
            ),
        ),
        Err(error) => context.fail(1, error.to_string()),
    }
}
