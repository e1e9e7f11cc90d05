//! Certificates that a process keeps in memory and shows to nobody who asks: only the ages of process and file can tell.

use jiff::{SignedDuration, Timestamp};

use crate::model::{CertificateFact, X509Facts};

use super::inspection::Inspection;
use super::level::Level;
use super::row::{Row, Subject, Verdict};

/// Process, and the certificates it loads at its start. What kube-vip and other static pods mount comes from their manifests.
const HELD: [(&str, &str); 5] = [
    ("kube-apiserver", "apiserver-kubelet-client"),
    ("kube-apiserver", "apiserver-etcd-client"),
    ("kube-apiserver", "front-proxy-client"),
    ("kube-controller-manager", "controller-manager.conf"),
    ("kube-scheduler", "scheduler.conf"),
];
/// /proc tells the start to the second, after rounding twice.
const ROUNDING: SignedDuration = SignedDuration::from_secs(2);

/// The rows of one host's processes.
pub(super) fn rows(host: &Inspection) -> Vec<Row> {
    let fixed = HELD
        .iter()
        .map(|(process, name)| ((*process).to_owned(), (*name).to_owned()));
    let pairs = fixed.chain(mounted(host));
    pairs.filter_map(|(process, name)| row(host, &process, &name)).collect()
}

/// kube-vip mounts admin.conf, or super-admin.conf from 1.29 on.
fn mounted(host: &Inspection) -> Vec<(String, String)> {
    let known = HELD.map(|(process, _)| process);
    let mounts = host.surroundings.iter().flat_map(|s| s.mounts.iter());
    let foreign = mounts.filter(|m| !known.contains(&m.pod.as_str()));
    let named = foreign.filter_map(|m| {
        Some((
            m.pod.clone(),
            host.facts.certificates.iter().find(|c| c.path == m.path)?.name.clone(),
        ))
    });
    named.collect()
}

fn row(host: &Inspection, process: &str, name: &str) -> Option<Row> {
    let file = host.file(name)?;
    let x509 = file.x509()?;
    let mut blank = Row::new(&host.facts.host, Subject::Held, name, &file.path);
    blank.process = Some(process.to_owned());
    blank.modified = file.modified;
    let Some(start) = start(host, process) else {
        let why = "it does not run, or its start is not known".to_owned();
        return Some(
            blank
                .resting_on("no process seen")
                .judged((Verdict::Unknown, Level::Unknown), Some(why)),
        );
    };
    let evidence = format!(
        "{} started {}, the file was written {}",
        start.what,
        short(start.at),
        file.modified.map_or_else(|| "at an unknown time".to_owned(), short)
    );
    Some(by_age(blank, &start, file, x509).resting_on(evidence))
}

#[derive(Debug)]
struct Start {
    at: Timestamp,
    what: &'static str,
    exact: bool,
}

/// The container's own start, else the oldest process of that name.
fn start(host: &Inspection, process: &str) -> Option<Start> {
    let container = host
        .facts
        .containers
        .iter()
        .find(|c| c.name == process)
        .and_then(|c| c.started);
    let container = container.map(|at| Start {
        at,
        what: "the container",
        exact: true,
    });
    let running = host
        .surroundings
        .iter()
        .flat_map(|s| s.processes.iter())
        .filter(|p| p.name == process);
    let oldest = running.map(|p| p.started).min();
    container.or_else(|| {
        oldest.map(|at| Start {
            at,
            what: "the process",
            exact: false,
        })
    })
}

fn by_age(row: Row, start: &Start, file: &CertificateFact, x509: &X509Facts) -> Row {
    let slack = if start.exact { SignedDuration::ZERO } else { ROUNDING };
    let before = |moment: Timestamp| moment.duration_since(start.at) > slack;
    // A file put back with its old times is given away by the certificate itself.
    let stale = file.modified.is_some_and(before) || before(x509.not_before);
    match (stale, file.modified) {
        (true, _) => {
            let why = "the process is older than the file, so it holds an earlier certificate";
            row.judged((Verdict::RenewedNotInUse, Level::Warning), Some(why.to_owned()))
        }
        (false, Some(_)) => row.judged((Verdict::Ok, Level::Ok), None),
        (false, None) => row.judged(
            (Verdict::Unknown, Level::Unknown),
            Some("the age of the file is not known".to_owned()),
        ),
    }
}

/// To the minute: `2020-03-16 10:00`.
fn short(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M").to_string()
}
