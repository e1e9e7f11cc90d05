//! Lines of other speakers (other units, event rows, other components) and of those who call the kubelet.
//!
//! They say nothing about the kubelet's own way to its API.

use super::causes::Cause;
use super::class::{Class, Clears, Effect, Verdict};
use super::classify::{Line, cause_class, cause_of, foreign, is_trust, scope_of, severity, unexplained, verdict};
use super::scopes::Scope;

/// Whether a line without severity begins like a failure.
pub(super) fn looks_bad(text: &str) -> bool {
    ["error", "Error", "ERROR", "fatal", "FATAL", "failed", "Failed"]
        .iter()
        .any(|start| text.starts_with(start))
}

/// systemd or journald, about another unit than the kubelet's.
pub(super) fn systemd(line: &Line<'_>) -> Verdict {
    let bad = ["ailed with result", "ain process exited", "ailed to start"]
        .iter()
        .any(|mark| line.text.contains(mark));
    if bad {
        verdict(Class::OtherError, Effect::Foreign, Clears::Maybe, None, "other-unit")
    } else {
        Verdict::neutral("systemd")
    }
}

/// Somebody knocks at the kubelet's door: says nothing about its own way to the API server.
pub(super) fn serving(cause: Option<&'static Cause>) -> Verdict {
    match cause {
        Some(cause) if is_trust(cause) => {
            let effect = if cause.class == Class::Expired {
                Effect::Foreign
            } else {
                Effect::Neutral
            };
            Verdict {
                ambiguous_with: cause.ambiguous_with,
                ..verdict(cause.class, effect, Clears::Maybe, None, "serving")
            }
        }
        _ => Verdict::neutral("serving"),
    }
}

/// A caller's exec, attach or port-forward: what it could not reach is not the API server; that it went away is nothing.
pub(super) fn stream(line: &Line<'_>, cause: Option<&'static Cause>, rule: &'static str) -> Verdict {
    match cause {
        Some(reason) if is_trust(reason) || reason.class.is_unreachable() => foreign(line, Scope::Stream, cause, rule),
        _ => unexplained(line, Scope::General, cause, rule),
    }
}

/// A row of `kubectl describe`: `Normal` says nothing, `Warning` tells of a pod.
pub(super) fn event(line: &Line<'_>) -> Verdict {
    if line.text.starts_with("Normal") {
        return Verdict::neutral("event");
    }
    let (scope, _) = scope_of(line);
    foreign(line, scope, cause_of(line), "event")
}

/// Another component.
pub(super) fn other(line: &Line<'_>) -> Verdict {
    let cause = cause_of(line);
    let noise = is_chatter(line.text) && !cause.is_some_and(is_trust);
    if noise || (cause.is_none() && !is_error(line)) {
        return Verdict::neutral("other-component");
    }
    let clears = if cause.is_some_and(is_trust) {
        Clears::No
    } else {
        Clears::Maybe
    };
    Verdict {
        ambiguous_with: cause.and_then(|cause| cause.ambiguous_with),
        ..verdict(cause_class(cause), Effect::Foreign, clears, None, "other-component")
    }
}

/// What every server and every client logs all day.
fn is_chatter(text: &str) -> bool {
    text.contains("TLS handshake error") || (text.contains("watch of ") && text.contains(" ended with"))
}

fn is_error(line: &Line<'_>) -> bool {
    const LEVELS: [&str; 15] = [
        "[kubelet-check]",
        "level=err",
        "level=warn",
        "level=fatal",
        "level=panic",
        "[ERROR]",
        "[FATAL]",
        "[WARNING]",
        " E | ",
        " W | ",
        " C | ",
        "ERRO[",
        "FATA[",
        "WARN[",
        "fatal",
    ];
    match severity(line) {
        Some(letter) => letter != b'I',
        None => looks_bad(line.text) || line.klog.is_some() || LEVELS.iter().any(|level| line.text.contains(level)),
    }
}
