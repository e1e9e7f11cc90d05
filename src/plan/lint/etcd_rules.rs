//! Rules about an etcd that does not run on the masters: who signs for it, and what is somebody else's.

use jiff::{SignedDuration, Timestamp};

use crate::model::playbook::Operation;
use crate::model::{CertificateFact, Health, Host, KeyMatch, ServedElsewhere};
use crate::operations::etcd_ca;
use crate::operations::reissue_etcd_certificates::{Decision, decide};

use super::super::planner::PlanInput;
use super::super::types::{Note, Plan};
use super::shape_rules::has_step;

/// Sooner than this, the next renewal would come too late.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

/// kubeadm leaves these certificates out, and says nothing.
pub(super) fn signed_elsewhere(input: &PlanInput<'_>, plan: &Plan) -> Vec<Note> {
    let renews = |op: &Operation| matches!(op, Operation::RenewCertificates { .. });
    let hosts = input.reachable().filter(|h| has_step(input, h, renews));
    hosts.flat_map(|host| of_host(input, plan, host)).collect()
}

fn of_host(input: &PlanInput<'_>, plan: &Plan, host: &Host) -> Vec<Note> {
    let (facts, context) = (input.facts_of(host), input.context(0, 0, host));
    match decide(host, facts, context, false) {
        Decision::Nothing { .. } if etcd_ca::is_foreign(host, facts, context) => foreign(input, host),
        Decision::Nothing { .. } => Vec::new(),
        Decision::Impossible {
            certificates,
            obstacle,
            remedy,
        } => vec![impossible(host, &certificates, input.now, &obstacle, &remedy)],
        Decision::Reissue { .. } if has_step(input, host, reissues) => Vec::new(),
        Decision::Reissue {
            certificates, signer, ..
        } => not_planned(input, plan, host, &certificates, signer),
    }
}

/// As long as all of them are valid the rest can be renewed; a restart with one that is not would not come back.
fn impossible(host: &Host, certificates: &[&CertificateFact], now: Timestamp, obstacle: &str, remedy: &str) -> Note {
    let name = Some(&host.name);
    let paired = |c: &CertificateFact| !matches!(c.key, KeyMatch::Mismatch | KeyMatch::Absent);
    let end = |c: &CertificateFact| c.x509().filter(|_| paired(c)).map(|x| x.not_after);
    // One that cannot be used comes first.
    match certificates.iter().map(|c| end(c)).min().flatten() {
        Some(end) if end >= now => {
            let message = format!(
                "{}: {obstacle}; left as they are, and the first of them expires on {end}",
                names(certificates)
            );
            Note::warning("etcd-ca-key-missing", name, message, remedy)
        }
        _ => {
            let message = format!("{}: {obstacle}", names(certificates));
            Note::error("etcd-ca-key-missing", name, message, remedy)
        }
    }
}

fn reissues(operation: &Operation) -> bool {
    matches!(operation, Operation::ReissueEtcdCertificates { .. })
}

fn names(certificates: &[&CertificateFact]) -> String {
    let names: Vec<&str> = certificates.iter().map(|c| c.name.as_str()).collect();
    names.join(", ")
}

/// A playbook of somebody's own that does not know the step.
fn not_planned(
    input: &PlanInput<'_>,
    plan: &Plan,
    host: &Host,
    certificates: &[&CertificateFact],
    signer: &Host,
) -> Vec<Note> {
    let remedy = "Add `- reissue-etcd-certificates` after `renew-certificates`, or use `certfleet renew`.";
    let ends = certificates.iter().filter_map(|c| c.x509()).map(|x| x.not_after);
    let end = ends.min().unwrap_or(input.now);
    let message = format!(
        "{} can be signed on {}, but `{}` does not renew what etcd's CA signs; the first of them {} on {end}",
        names(certificates),
        signer.name,
        plan.playbook,
        verb(end, input.now),
    );
    vec![by_end(host, (end, input.now), message, remedy)]
}

/// Left alone; that it ends is said.
fn foreign(input: &PlanInput<'_>, host: &Host) -> Vec<Note> {
    let facts = input.facts_of(host);
    let client = facts.certificate(etcd_ca::CLIENT).and_then(|c| {
        let end = c.x509()?.not_after;
        let message = format!(
            "{} ({}) is signed by an etcd that is not in this inventory; it is left alone, and {} on {end}",
            c.name,
            c.path,
            verb(end, input.now),
        );
        let remedy = "Whoever runs that etcd signs a new one for the same subject; put certificate and key in place on this master, then \
                      `certfleet restart`.";
        Some(by_end(host, (end, input.now), message, remedy))
    });
    let live = facts.live.iter().flat_map(|l| &l.etcd_elsewhere);
    client
        .into_iter()
        .chain(live.map(|server| server_note(input, host, server)))
        .collect()
}

fn server_note(input: &PlanInput<'_>, host: &Host, server: &ServedElsewhere) -> Note {
    let place = &server.place;
    let Some(end) = server.until else {
        let why = match &server.health {
            Health::Ill(why) => why.as_str(),
            Health::Well => "its certificate was not shown",
        };
        let message = format!("etcd at {place}, which is not in this inventory, could not be looked at: {why}");
        return Note::info("etcd-elsewhere", Some(&host.name), message);
    };
    let message = format!(
        "etcd at {place}, which is not in this inventory and is left alone, shows a certificate that {} on {end}",
        verb(end, input.now)
    );
    let remedy = "Whoever runs that etcd renews it there. Without it no API server works.";
    if end < input.now {
        return Note::error("etcd-elsewhere-expired", Some(&host.name), message, remedy);
    }
    if end.duration_since(input.now) < SOON {
        return Note::warning("etcd-elsewhere", Some(&host.name), message, remedy);
    }
    Note::info("etcd-elsewhere", Some(&host.name), message)
}

fn verb(end: Timestamp, now: Timestamp) -> &'static str {
    if end < now { "expired" } else { "expires" }
}

fn by_end(host: &Host, (end, now): (Timestamp, Timestamp), message: String, remedy: &str) -> Note {
    let name = Some(&host.name);
    if end < now {
        Note::error("etcd-client-expired", name, message, remedy)
    } else if end.duration_since(now) < SOON {
        Note::warning("etcd-client-not-renewed", name, message, remedy)
    } else {
        Note::info("etcd-client-not-renewed", name, message)
    }
}
