//! Served against disk, and processes against the age of their files.

use serde::{Deserialize, Serialize};

use super::{Endpoint, ServedAnswer, ServedCertificate, Server};
use crate::model::facts::ContainerFacts;
use crate::model::{CertificateFact, HostFacts, X509Facts};
use crate::probes::verdict::Verdict;

/// One certificate of one process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct InUseRow {
    /// `kube-apiserver`
    pub process: String,
    /// Name of the certificate on disk; `None`: made in memory.
    pub certificate: Option<String>,
    pub verdict: InUse,
    pub evidence: Evidence,
    /// What is served, where a handshake showed it.
    pub served: Option<Box<X509Facts>>,
}

/// Whether the process uses what is on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InUse {
    /// The file is in use.
    Current,
    /// Renewed on disk, but not in use; what was seen.
    Stale(String),
    /// Not running now.
    Down,
    Unknown(String),
    /// There is no file to compare with.
    NotComparable,
}

/// What a verdict rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Evidence {
    /// A TLS handshake with this endpoint.
    Handshake(Endpoint),
    /// When the process was started, and when the file was written, both by the host's clock.
    ProcessAge,
}

/// Certificates that a process keeps in memory and shows to nobody who asks: process, certificate.
const HELD: [(&str, &str); 5] = [
    ("kube-apiserver", "apiserver-kubelet-client"),
    ("kube-apiserver", "apiserver-etcd-client"),
    ("kube-apiserver", "front-proxy-client"),
    ("kube-controller-manager", "controller-manager.conf"),
    ("kube-scheduler", "scheduler.conf"),
];

/// Certificates that a process shows to who asks.
const SHOWN: [(&str, &str); 3] = [
    ("kube-apiserver", "apiserver"),
    ("etcd", "etcd-server"),
    ("etcd", "etcd-peer"),
];

/// Whether no control-plane container was started before a file that it loads was written. What has no age proves nothing against it.
pub fn newer_than_files(containers: &[ContainerFacts], files: &[CertificateFact]) -> Verdict {
    let older = |(process, name): &(&str, &str)| {
        let container = containers.iter().find(|c| c.name == *process)?;
        let file = files.iter().find(|f| f.name == *name && f.x509().is_some())?;
        match by_age(Some(container), file) {
            InUse::Stale(seen) => Some(format!("{process} is older than {name}: {seen}")),
            _ => None,
        }
    };
    let old: Vec<String> = HELD.iter().chain(&SHOWN).filter_map(older).collect();
    if old.is_empty() {
        Verdict::pass("every process is newer than its files")
    } else {
        Verdict::wait(old.join("; "))
    }
}

/// Every certificate in use on a host: those that were served, then those that are only held.
pub fn in_use(facts: &HostFacts, served: &[ServedCertificate]) -> Vec<InUseRow> {
    let handshakes = served.iter().map(|s| handshake(facts, s));
    let held = HELD.iter().filter_map(|(process, name)| held(facts, process, name));
    handshakes.chain(held).collect()
}

fn handshake(facts: &HostFacts, served: &ServedCertificate) -> InUseRow {
    let who = served.endpoint.server;
    let x509 = match &served.answer {
        ServedAnswer::Certificate(x509) => Some(x509.clone()),
        _ => None,
    };
    let verdict = match &served.answer {
        ServedAnswer::Certificate(x509) => compare(facts, who, x509),
        ServedAnswer::Closed => InUse::Down,
        ServedAnswer::Unknown(why) => InUse::Unknown(why.clone()),
    };
    InUseRow {
        process: who.process().to_owned(),
        certificate: who.certificate().map(str::to_owned),
        verdict,
        evidence: Evidence::Handshake(served.endpoint.clone()),
        served: x509,
    }
}

fn compare(facts: &HostFacts, who: Server, served: &X509Facts) -> InUse {
    let Some(name) = who.certificate() else {
        return InUse::NotComparable;
    };
    let Some(disk) = facts.certificate(name).and_then(CertificateFact::x509) else {
        return InUse::Unknown(format!("{name} could not be read on disk"));
    };
    if disk.sha256 == served.sha256 {
        InUse::Current
    } else if who == Server::Endpoint {
        InUse::Unknown("another master may have answered".to_owned())
    } else {
        InUse::Stale(format!(
            "serves serial {} (expires {}), the file has serial {} (expires {})",
            served.serial, served.not_after, disk.serial, disk.not_after
        ))
    }
}

fn held(facts: &HostFacts, process: &str, name: &str) -> Option<InUseRow> {
    let certificate = facts.certificate(name).filter(|c| c.x509().is_some())?;
    let container = facts.containers.iter().find(|c| c.name == process);
    Some(InUseRow {
        process: process.to_owned(),
        certificate: Some(name.to_owned()),
        verdict: by_age(container, certificate),
        evidence: Evidence::ProcessAge,
        served: None,
    })
}

fn by_age(container: Option<&ContainerFacts>, certificate: &CertificateFact) -> InUse {
    let Some(container) = container else {
        return InUse::Down;
    };
    let (Some(started), Some(modified)) = (container.started, certificate.modified) else {
        return InUse::Unknown("the start of the process or the age of the file is not known".to_owned());
    };
    if started < modified {
        InUse::Stale(format!(
            "the process runs since {started}, the file was written at {modified}"
        ))
    } else {
        InUse::Current
    }
}

/// Whether everything that should be in use is. Nothing asked is nothing proven.
pub fn judge(rows: &[InUseRow]) -> Verdict {
    if rows.is_empty() {
        return Verdict::wait("no certificate in use could be looked at");
    }
    let bad: Vec<String> = rows.iter().filter_map(trouble).collect();
    if bad.is_empty() {
        return Verdict::pass(format!("{} certificates in use are those on disk", rows.len()));
    }
    Verdict::wait(bad.join("; "))
}

fn trouble(row: &InUseRow) -> Option<String> {
    let name = row.certificate.as_deref().unwrap_or("certificate");
    match &row.verdict {
        InUse::Current | InUse::NotComparable => None,
        InUse::Stale(seen) => Some(format!(
            "{}: {name} renewed on disk but not in use: {seen}",
            row.process
        )),
        InUse::Down => Some(format!("{} does not run", row.process)),
        InUse::Unknown(why) => Some(format!("{}: {name}: {why}", row.process)),
    }
}
