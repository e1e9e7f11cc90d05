//! Whether a line only repeats what others said: their output is no statement of the kubelet's.

use super::class::Effect;
use super::classify::{Line, scope_of};
use super::facts::FACTS;
use super::scopes::Scope;

/// Whether a statement with this effect opens or ends a gate by itself.
pub(super) fn decides(effect: Effect) -> bool {
    matches!(effect, Effect::Positive | Effect::Block | Effect::Fail)
}

/// Whether what the line says is somebody else's output: a probe's, a plugin's, a registry's, a volume driver's, a caller's.
///
/// The source file tells; the text only where there is none, since a line about the kubelet's own start may name pods.
pub(super) fn only_quotes(line: &Line<'_>) -> bool {
    let (scope, rule) = scope_of(line);
    match line.klog.map(|klog| klog.file) {
        Some("dynamic_serving_content.go") => true,
        Some("log.go") => line.text.contains("rpc error"),
        Some(file) => scope == Scope::Serving || FACTS.scope_of_file(file).is_some_and(Scope::quotes),
        None => scope.quotes() && rule != "pod-network-product" && !FACTS.has_scope(&line.facts, "fatal"),
    }
}

/// Whether a gRPC peer answered: a driver, a plugin, a collector of traces. The kubelet never speaks gRPC to the API server.
///
/// What it says of its node, lease and pods stays its own: the API server may pass on what its etcd answered.
pub(super) fn answered_by_grpc(line: &Line<'_>, rule: &str) -> bool {
    let own = matches!(rule, "own-statement" | "node-status");
    let driver = line
        .klog
        .and_then(|klog| FACTS.scope_of_file(klog.file))
        .is_some_and(Scope::is_foreign);
    let marks = ["rpc error: code", "grpc: addrConn", "traces export"];
    (driver || !own) && marks.iter().any(|mark| line.text.contains(mark))
}
