//! Files: what each certificate of `domain` says of itself, its key, its signer and its host.

use crate::model::certificate::CertificateState;
use crate::model::{CertificateFact, KeyMatch, Role, X509Facts};

use super::View;
use super::inspection::Inspection;
use super::level::{Level, Thresholds};
use super::names;
use super::row::{Row, Subject, Verdict};

/// Certificates that a server shows under its host's own names.
const NAMED: [&str; 3] = ["apiserver", "etcd-server", "etcd-peer"];
/// Who should have signed what. What the kubelet serves may be self-signed.
const SIGNERS: [(&str, &str); 12] = [
    ("admin.conf", "ca"),
    ("apiserver", "ca"),
    ("apiserver-kubelet-client", "ca"),
    ("controller-manager.conf", "ca"),
    ("scheduler.conf", "ca"),
    ("super-admin.conf", "ca"),
    ("kubelet-client", "ca"),
    ("front-proxy-client", "front-proxy-ca"),
    ("apiserver-etcd-client", "etcd-ca"),
    ("etcd-server", "etcd-ca"),
    ("etcd-peer", "etcd-ca"),
    ("etcd-healthcheck-client", "etcd-ca"),
];

/// The rows of one host's files.
pub(super) fn rows(view: &View<'_>, host: &Inspection) -> Vec<Row> {
    host.facts
        .certificates
        .iter()
        .filter_map(|fact| row(view, host, fact))
        .collect()
}

fn row(view: &View<'_>, host: &Inspection, fact: &CertificateFact) -> Option<Row> {
    let mut blank = Row::new(&host.facts.host, Subject::File, &fact.name, &fact.path).resting_on("the file on disk");
    blank.modified = fact.modified;
    Some(match &fact.state {
        CertificateState::Present(x509) => {
            let (judgement, detail) = judge(view, host, fact, x509);
            blank.with_x509(x509).judged(judgement, detail)
        }
        CertificateState::Missing => blank.judged((Verdict::Missing, absence(host, &fact.name)?), None),
        CertificateState::Dangling(target) => {
            let level = absence(host, &fact.name).unwrap_or(Level::Warning);
            blank.judged(
                (Verdict::Missing, level),
                Some(format!("a symlink to {target}, which is not there")),
            )
        }
        CertificateState::Unreadable(why) => blank.judged((Verdict::Unknown, Level::Unknown), Some(why.clone())),
    })
}

/// How bad it is that a file is not there; `None`: a host of this kind does not need it.
fn absence(host: &Inspection, name: &str) -> Option<Level> {
    match (name, host.role) {
        // An etcd-only host may run a kubelet that never talks to an API server.
        ("kubelet-client" | "kubelet-serving", Role::Etcd) => None,
        // The kubelet makes one at its start, or is still waiting for the approval of its request.
        ("kubelet-serving", _) => Some(Level::Warning),
        _ => Some(Level::Critical),
    }
}

fn judge(
    view: &View<'_>,
    host: &Inspection,
    fact: &CertificateFact,
    x509: &X509Facts,
) -> ((Verdict, Level), Option<String>) {
    let now = view.now(host);
    let mine = thresholds(view, &fact.name, x509);
    let (mut verdict, mut level) = mine.judge(x509, now);
    let strange = || foreign(view, host, &fact.name, x509).filter(|_| !host.is_own(fact));
    if let Some(why) = mismatch(host, fact, x509).or_else(strange) {
        let worst = if fact.name == "kubelet-serving" {
            Level::Warning
        } else {
            Level::Critical
        };
        return ((Verdict::Mismatch, worst), Some(why));
    }
    let mut detail = None;
    let signer = SIGNERS
        .iter()
        .find(|(name, _)| *name == fact.name)
        .and_then(|(_, ca)| host.x509(ca).map(|x| (*ca, x)));
    if let Some((ca, authority)) = signer
        && authority.not_after < x509.not_after
    {
        let (by_signer, worse) = mine.judge_end(authority.not_after, now);
        if worse > level {
            (verdict, level) = (by_signer, worse);
        }
        detail = Some(format!(
            "worth nothing after {}, when {ca} expires",
            authority.not_after.strftime("%Y-%m-%d")
        ));
    }
    if fact.name == "kubelet-serving" {
        // Nobody checks it unless told to; an expired one costs logs and metrics, not the node.
        level = level.min(Level::Warning);
    }
    ((verdict, level), detail)
}

fn thresholds(view: &View<'_>, name: &str, x509: &X509Facts) -> Thresholds {
    if name.starts_with("kubelet") {
        view.thresholds
            .for_rotating(x509.not_after.duration_since(x509.not_before))
    } else {
        view.thresholds
    }
}

/// Its key, or its signer, is another.
fn mismatch(host: &Inspection, fact: &CertificateFact, x509: &X509Facts) -> Option<String> {
    match fact.key {
        KeyMatch::Mismatch => return Some("the private key belongs to another certificate".to_owned()),
        // A CA without its key is an external CA, not a mistake.
        KeyMatch::Absent if !x509.is_ca => return Some("the private key is not there".to_owned()),
        _ => {}
    }
    let (_, expected) = SIGNERS
        .iter()
        .find(|(name, _)| *name == fact.name && !host.is_own(fact))?;
    let authority = host.x509(expected)?;
    let signed = x509.signed_by.as_deref() == Some(expected);
    (!signed).then(|| {
        format!(
            "not signed by this host's {expected} ({}), but by {}",
            authority.subject, x509.issuer
        )
    })
}

/// Its names are those of another host.
fn foreign(view: &View<'_>, host: &Inspection, name: &str, x509: &X509Facts) -> Option<String> {
    let names = if NAMED.contains(&name) {
        x509.sans.clone()
    } else if name == "kubelet-client" {
        vec![
            x509.subject
                .split("CN=system:node:")
                .nth(1)?
                .split(',')
                .next()?
                .trim()
                .to_owned(),
        ]
    } else {
        return None;
    };
    if names.is_empty() || names::any_means(&names, &names::own(host)) {
        return None;
    }
    let other = view
        .fleet
        .hosts
        .iter()
        .find(|h| h.facts.host != host.facts.host && names::any_means(&names, &names::own(h)));
    // Without the host's addresses only another host's claim is proof; a node's name may differ from its host's name.
    let sure = other.is_some()
        || (name != "kubelet-client" && host.surroundings.as_ref().is_some_and(|s| !s.addresses.is_empty()));
    let whose = other.map_or(String::new(), |o| format!("; it is {}'s", o.facts.host));
    sure.then(|| format!("made for {}, not for this host{whose}", names.join(", ")))
}
