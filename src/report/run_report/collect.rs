//! From the events, the plan and the facts of a run to its report.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::event::{Event, EventKind, RunState};
use crate::model::exit::RunEnd;
use crate::model::{HostFacts, HostName};

use super::pages::{Pages, millis};
use super::types::{CertificateReport, CordonedReport, LeftBehindReport, RunReport};

const REPORT_FORMAT: u32 = 1;

/// What lies in the directory of a run. Facts that are missing leave the certificates out.
#[derive(Debug)]
pub struct RunFiles<'a> {
    pub events: &'a [Event],
    pub before: Option<&'a BTreeMap<HostName, HostFacts>>,
    pub after: Option<&'a BTreeMap<HostName, HostFacts>>,
    /// What could not be read, one sentence each.
    pub missing: Vec<String>,
}

/// Everything that is known of a run.
pub fn run_report(files: &RunFiles<'_>) -> RunReport {
    let state = RunState::fold(files.events);
    let mut report = head(&state);
    let mut pages = Pages::default();
    for event in files.events {
        if let EventKind::RunStarted {
            plan,
            version,
            operator,
            hosts,
            ..
        } = &event.kind
        {
            (report.plan, report.version, report.operator) = (plan.clone(), version.clone(), operator.clone());
            report.untouched = untouched(hosts, &state);
        }
        pages.take(event);
    }
    report.phases = state.phases.iter().map(|p| pages.phase(p, &state)).collect();
    report.certificates = certificates(files.before, files.after);
    report.missing.clone_from(&files.missing);
    report
}

fn head(state: &RunState) -> RunReport {
    let wall = match (state.started, state.last) {
        (Some(from), Some(to)) => Duration::try_from(to.duration_since(from)).unwrap_or_default(),
        _ => Duration::ZERO,
    };
    RunReport {
        format: REPORT_FORMAT,
        run: state.run.as_ref().map_or_else(String::new, ToString::to_string),
        cluster: state.cluster.clone(),
        playbook: state.playbook.clone(),
        plan: String::new(),
        version: String::new(),
        operator: String::new(),
        started: state.started,
        last: state.last,
        end: state.end,
        verdict: verdict(state.end).to_owned(),
        resumed: state.resumed,
        elapsed_ms: millis(wall),
        outage_ms: state.outage.map(millis),
        tally: state.tally,
        next: state.next.clone(),
        left_behind: left_behind(state),
        untouched: Vec::new(),
        cordoned: cordoned(state),
        phases: Vec::new(),
        certificates: Vec::new(),
        missing: Vec::new(),
    }
}

fn left_behind(state: &RunState) -> Vec<LeftBehindReport> {
    let told = |(host, why): (&HostName, &String)| LeftBehindReport {
        host: host.clone(),
        why: why.clone(),
    };
    state.excluded.iter().map(told).collect()
}

fn untouched(hosts: &[HostName], state: &RunState) -> Vec<HostName> {
    let reached = |h: &HostName| state.excluded.contains_key(h) || state.phases.iter().any(|p| p.hosts.contains_key(h));
    hosts.iter().filter(|h| !reached(h)).cloned().collect()
}

fn cordoned(state: &RunState) -> Vec<CordonedReport> {
    let told = |(host, (node, _)): (&HostName, &(String, HostName))| CordonedReport {
        host: host.clone(),
        node: node.clone(),
    };
    state.cordoned.iter().map(told).collect()
}

/// The end in words.
pub(in crate::report) fn verdict(end: Option<RunEnd>) -> &'static str {
    match end {
        Some(RunEnd::Succeeded) => "succeeded",
        Some(RunEnd::NothingToDo) => "nothing to do",
        Some(RunEnd::LeftBehind) => "succeeded, without some hosts",
        Some(RunEnd::StepFailed) => "a step failed",
        Some(RunEnd::GateFailed) => "a gate failed",
        Some(RunEnd::Unreachable) => "a host is unreachable",
        Some(RunEnd::Aborted) => "aborted",
        Some(RunEnd::Stuck) => "stuck",
        None => "not finished",
    }
}

fn certificates(
    before: Option<&BTreeMap<HostName, HostFacts>>,
    after: Option<&BTreeMap<HostName, HostFacts>>,
) -> Vec<CertificateReport> {
    let Some(before) = before else { return Vec::new() };
    let mut rows = Vec::new();
    for (host, facts) in before {
        let later = after.and_then(|a| a.get(host));
        for certificate in &facts.certificates {
            let old = certificate.x509();
            let new = later
                .and_then(|f| f.certificate(&certificate.name))
                .and_then(|c| c.x509());
            if old.is_none() && new.is_none() {
                continue;
            }
            rows.push(CertificateReport {
                host: host.clone(),
                name: certificate.name.clone(),
                serial_before: old.map(|x| x.serial.clone()),
                not_after_before: old.map(|x| x.not_after),
                serial_after: new.map(|x| x.serial.clone()),
                not_after_after: new.map(|x| x.not_after),
                renewed: matches!((old, new), (Some(o), Some(n)) if o.serial != n.serial),
            });
        }
    }
    rows
}
