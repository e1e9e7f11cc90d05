//! One message to one verdict: who speaks, whole statements, whose trouble, cause; then a small matrix.

use super::causes::Cause;
use super::class::{Class, Clears, Effect, Verdict};
use super::component::{Who, who};
use super::elsewhere::{event, looks_bad, other, serving, stream, systemd};
use super::facts::{FACTS, Found};
use super::klog::{self, Klog};
use super::quotes::{answered_by_grpc, decides, only_quotes};
use super::record::{Kind, Record};
use super::remedy;
use super::scopes::Scope;
use super::text;

/// Judges a message without its syslog prefix, as from a kubelet journal of which nothing else is known.
pub fn classify(message: &str) -> Verdict {
    judge(None, message.trim())
}

/// Judges a record with what its prefix tells (identifier).
pub fn classify_record(record: &Record) -> Verdict {
    match record.kind {
        Kind::Blank => Verdict::neutral("blank"),
        Kind::Notice => Verdict::neutral("notice"),
        Kind::Record | Kind::Continuation => judge(record.ident.as_deref(), record.message.trim()),
    }
}

/// Worst first when two records share a line.
pub(super) fn rank(verdict: &Verdict) -> u8 {
    match verdict.effect {
        Effect::Neutral => 0,
        Effect::Positive => 1,
        Effect::Foreign => 2,
        Effect::Hold => 3,
        Effect::Fail => 4,
        Effect::Block => 5,
    }
}

fn judge(ident: Option<&str>, message: &str) -> Verdict {
    let klog = klog::parse(message);
    let Some(at) = text::second_record(message, klog.map_or(message, |klog| klog.body)) else {
        return judge_one(ident, message, klog);
    };
    let (first, second) = message.split_at(at);
    let (first, second) = (judge_one(ident, first, klog::parse(first)), judge(ident, second));
    if rank(&second) > rank(&first) { second } else { first }
}

/// A message taken apart.
#[derive(Debug)]
pub(super) struct Line<'a> {
    who: Who,
    /// Whether no identifier stands before it: then it need not come from the kubelet's unit at all.
    anonymous: bool,
    pub(super) klog: Option<Klog<'a>>,
    pub(super) facts: Found,
    pub(super) text: &'a str,
}

fn judge_one(ident: Option<&str>, message: &str, klog: Option<Klog<'_>>) -> Verdict {
    let text = text::telling(klog.map_or(message, |klog| klog.body), klog.map(|klog| klog.file));
    let line = Line {
        who: who(ident, klog.as_ref(), message),
        anonymous: ident.is_none(),
        klog,
        facts: FACTS.of(&text),
        text: &text,
    };
    by_phrase(&line).unwrap_or_else(|| match line.who {
        Who::Kubelet => kubelet(&line),
        Who::Unknown => unknown(&line),
        Who::Systemd | Who::Journald => systemd(&line),
        Who::Event => event(&line),
        Who::Other => other(&line),
    })
}

fn by_phrase(line: &Line<'_>) -> Option<Verdict> {
    let rows = FACTS.phrases(&line.facts).filter(|row| row.by.admits(line.who));
    let row = rows
        .into_iter()
        .find(|row| !decides(row.effect) || !only_quotes(line))?;
    Some(Verdict {
        class: row.class,
        effect: row.effect,
        clears: row.clears,
        ambiguous_with: None,
        remedy: row.remedy,
        rule: row.rule,
    })
}

pub(super) fn cause_of(line: &Line<'_>) -> Option<&'static Cause> {
    FACTS.cause(&line.facts)
}

pub(super) fn scope_of(line: &Line<'_>) -> (Scope, &'static str) {
    let file = line.klog.map_or("", |klog| klog.file);
    FACTS
        .scope(&line.facts, file)
        .map_or((Scope::General, "general"), |row| (row.scope, row.rule))
}

pub(super) fn severity(line: &Line<'_>) -> Option<u8> {
    line.klog.and_then(|klog| klog.severity)
}

/// A line of the kubelet itself.
fn kubelet(line: &Line<'_>) -> Verdict {
    let cause = cause_of(line);
    let (scope, rule) = scope_of(line);
    match scope {
        _ if panicked(line) => verdict(
            Class::OtherError,
            Effect::Fail,
            Clears::Maybe,
            Some(remedy::DIED),
            "panicked",
        ),
        Scope::Serving => serving(cause),
        Scope::Stream => stream(line, cause, rule),
        Scope::Runtime => verdict(
            cause_class(cause),
            Effect::Hold,
            Clears::Yes,
            Some(remedy::RUNTIME),
            rule,
        ),
        _ if scope.is_foreign() => foreign(line, scope, cause, rule),
        _ => own(line, scope, cause, rule),
    }
}

/// The Go runtime's last words, from a process that its identifier names.
fn panicked(line: &Line<'_>) -> bool {
    let starts = |words: &&str| line.text.starts_with(*words);
    let words = ["panic: ", "fatal error: ", "runtime: out of memory"];
    line.klog.is_none() && !line.anonymous && words.iter().any(starts)
}

pub(super) fn verdict(
    class: Class,
    effect: Effect,
    clears: Clears,
    remedy: Option<&'static str>,
    rule: &'static str,
) -> Verdict {
    Verdict {
        class,
        effect,
        clears,
        ambiguous_with: None,
        remedy,
        rule,
    }
}

pub(super) fn cause_class(cause: Option<&Cause>) -> Class {
    cause.map_or(Class::OtherError, |cause| cause.class)
}

/// Whether the cause is a certificate or a credential.
pub(super) fn is_trust(cause: &Cause) -> bool {
    matches!(
        cause.class,
        Class::Expired
            | Class::NotYetValid
            | Class::UnknownAuthority
            | Class::SanMismatch
            | Class::Unauthorized
            | Class::RejectedByPeer
    ) || cause.rule == "x509-other"
}

/// Between the kubelet and its API server.
fn own(line: &Line<'_>, scope: Scope, cause: Option<&'static Cause>, rule: &'static str) -> Verdict {
    let chatter = scope == Scope::General && severity(line) == Some(b'I');
    match cause {
        Some(cause) if is_trust(cause) && answered_by_grpc(line, rule) => {
            foreign(line, Scope::Workload, Some(cause), "grpc-answer")
        }
        Some(cause) if is_trust(cause) => Verdict {
            ambiguous_with: cause.ambiguous_with,
            ..verdict(
                cause.class,
                Effect::Block,
                clears(cause),
                remedy::of(cause.class),
                cause.rule,
            )
        },
        Some(cause) if cause.class.is_unreachable() && !chatter => {
            verdict(cause.class, Effect::Hold, Clears::Yes, None, cause.rule)
        }
        _ => unexplained(line, scope, cause, rule),
    }
}

fn clears(cause: &Cause) -> Clears {
    match cause.class {
        Class::Expired | Class::OtherError => Clears::Maybe,
        _ => Clears::No,
    }
}

pub(super) fn unexplained(line: &Line<'_>, scope: Scope, cause: Option<&'static Cause>, rule: &'static str) -> Verdict {
    let severity = severity(line);
    if scope == Scope::ApiRequest && severity == Some(b'F') && cause.is_some_and(|cause| cause.rule == "network") {
        return verdict(Class::OtherError, Effect::Hold, Clears::Yes, None, rule);
    }
    if severity == Some(b'F') || (scope == Scope::Fatal && cause.is_none()) {
        return verdict(Class::OtherError, Effect::Fail, Clears::No, Some(remedy::CONFIG), rule);
    }
    let failed = match severity {
        None => complains(line.text),
        Some(b'I') => line.text.trim_start_matches('"').starts_with("Failed to "),
        Some(_) => true,
    };
    match scope {
        Scope::ApiRequest | Scope::Fatal if failed => {
            verdict(Class::OtherError, Effect::Hold, Clears::Maybe, None, rule)
        }
        _ if matches!(severity, Some(b'E')) => verdict(Class::OtherError, Effect::Neutral, Clears::Maybe, None, rule),
        _ => Verdict::neutral(rule),
    }
}

/// Whether a line without severity reads like a failure.
fn complains(text: &str) -> bool {
    ["ail", "rror", "nable to", "annot", "ejected", "exceeds"]
        .iter()
        .any(|word| text.contains(word))
}

pub(super) fn foreign(line: &Line<'_>, scope: Scope, cause: Option<&'static Cause>, rule: &'static str) -> Verdict {
    let quiet = matches!(severity(line), Some(b'I')) || (line.klog.is_none() && line.who == Who::Kubelet);
    if quiet && cause.is_none() {
        return Verdict::neutral(rule);
    }
    let stale = scope == Scope::PodNetwork && cause.is_some_and(is_trust);
    let clears = if cause.is_some_and(is_trust) {
        Clears::No
    } else {
        Clears::Maybe
    };
    Verdict {
        ambiguous_with: cause.and_then(|cause| cause.ambiguous_with),
        ..verdict(
            cause_class(cause),
            Effect::Foreign,
            clears,
            stale.then_some(remedy::CNI),
            rule,
        )
    }
}

/// A line that does not say who speaks: the kubelet's if its text is, else somebody else's.
fn unknown(line: &Line<'_>) -> Verdict {
    let (scope, rule) = scope_of(line);
    let cause = cause_of(line);
    match (scope, cause) {
        (Scope::General, Some(cause)) if cause.class == Class::NodeNotFound => own(line, scope, Some(cause), rule),
        (Scope::General, None) if line.klog.is_some() => kubelet(line),
        (Scope::General, None) if looks_bad(line.text) => {
            verdict(Class::OtherError, Effect::Foreign, Clears::Maybe, None, rule)
        }
        (Scope::General, None) => Verdict::neutral(rule),
        (Scope::General | Scope::Stream, Some(_)) => other(line),
        _ if line.anonymous && rule == "api-url" && !is_own_request(line) => other(line),
        _ => kubelet(line),
    }
}

/// Whether a request is one that only a kubelet makes, by its statement or its path: its node, its pods, its lease.
fn is_own_request(line: &Line<'_>) -> bool {
    FACTS.has_scope(&line.facts, "api-request") || FACTS.has_scope(&line.facts, "own-path")
}
