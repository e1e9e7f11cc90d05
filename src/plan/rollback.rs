//! A rollback is a restart with the old files put back first. Expired certificates are never brought back.

use std::collections::BTreeMap;

use crate::model::certificate::RENEWABLE;
use crate::model::{CertificateFact, Command, Host, HostName, Role, RunId};
use crate::operations::{backup, restore};

use super::planner::PlanInput;
use super::types::{Note, Plan, PlannedPhase, PlannedStep};

/// A certificate that ends within this is as good as expired: the restart itself takes minutes.
const MARGIN_SECONDS: i64 = 3600;

/// What lies in the backup of a host, or why that cannot be said.
pub type BackupContent = BTreeMap<HostName, Result<Vec<CertificateFact>, String>>;

/// The question that fills [`BackupContent`].
pub fn backup_look(host: &Host, run: &RunId) -> Command {
    restore::look_command(host, run)
}

/// The plan of a restart, with a first phase that keeps the present files and puts those of `run` back.
pub fn with_restore(mut plan: Plan, input: &PlanInput<'_>, run: &RunId, kept: &BackupContent) -> Plan {
    "rollback".clone_into(&mut plan.playbook);
    let hosts: Vec<&Host> = input.reachable().filter(|h| h.role != Role::Worker).collect();
    for host in &hosts {
        plan.notes.extend(refusals(input, host, run, kept));
    }
    if hosts.is_empty() {
        let remedy = "Leave `--limit` away, or name masters.";
        plan.notes
            .push(Note::error("nothing-to-restore", None, "no master takes part", remedy));
    }
    plan.notes.sort();
    plan.phases.insert(0, phase(&hosts, run));
    plan
}

fn phase(hosts: &[&Host], run: &RunId) -> PlannedPhase {
    let steps = hosts.iter().flat_map(|host| {
        let planned = [
            ("1-backup", "backup", backup::plan(host)),
            ("2-restore", "restore", restore::plan(host, run)),
        ];
        planned.map(|(number, operation, planned)| PlannedStep {
            id: format!("restore/{}/{number}", host.name),
            host: host.name.clone(),
            operation: operation.to_owned(),
            after_gate: false,
            planned,
        })
    });
    PlannedPhase {
        name: "restore".to_owned(),
        outage: false,
        max_failures: 0,
        missing: BTreeMap::new(),
        quorum: Vec::new(),
        batches: vec![hosts.iter().map(|h| h.name.clone()).collect()],
        steps: steps.collect(),
        gate: None,
    }
}

fn refusals(input: &PlanInput<'_>, host: &Host, run: &RunId, kept: &BackupContent) -> Vec<Note> {
    let certificates = match kept.get(&host.name) {
        Some(Ok(certificates)) => certificates,
        Some(Err(why)) => return vec![no_backup(host, run, why)],
        None => return vec![no_backup(host, run, "it was not asked")],
    };
    // Where a flag names another file, kubeadm's is one that nobody uses.
    let unused = |name: &str| {
        let live = input.facts_of(host).certificate(name);
        live.is_some_and(|c| c.is_own(&host.kubernetes.cert_dir))
    };
    let used = certificates
        .iter()
        .filter(|c| RENEWABLE.contains(&c.name.as_str()) && !unused(&c.name));
    let there: Vec<_> = used.filter_map(|c| Some((&c.name, c.x509()?))).collect();
    if there.is_empty() {
        return vec![no_backup(host, run, "it holds no certificate that kubeadm renews")];
    }
    let deadline = input
        .now
        .checked_add(jiff::SignedDuration::from_secs(MARGIN_SECONDS))
        .unwrap_or(input.now);
    let ended: Vec<String> = there
        .iter()
        .filter(|(_, x509)| x509.expired(deadline))
        .map(|(name, x509)| format!("{name} ({})", x509.not_after.strftime("%F")))
        .collect();
    if ended.is_empty() {
        return Vec::new();
    }
    let message = format!("the backup of {run} holds expired certificates: {}", ended.join(", "));
    let remedy = "Expired certificates are not put back. Renew instead: `certfleet renew`; the same CA signs again.";
    vec![Note::error("backup-expired", Some(&host.name), message, remedy)]
}

fn no_backup(host: &Host, run: &RunId, why: &str) -> Note {
    let message = format!("the backup of {run} cannot be used: {why}");
    let remedy = format!(
        "Look at {}/ on the host; `--limit` leaves it out.",
        backup::BACKUP_DIRECTORY
    );
    Note::error("backup-missing", Some(&host.name), message, remedy)
}
