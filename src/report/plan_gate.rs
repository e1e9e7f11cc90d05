//! The gate of a phase in a plan: what must be proven, in plain words, and with how much patience.

use crate::model::gate::UnitState;
use crate::model::{HostName, ProbeSpec, duration};
use crate::plan::{Baseline, PlannedGate, PlannedPhase, PlannedProbe};

use super::fold::fold_hosts;
use super::style::Tone;
use super::table::{Cell, cell, row, widths};
use super::text::Page;

/// What a yes of every probe means; `last` phases are followed by the end of the run.
pub(super) fn gate(page: &mut Page<'_>, phase: &PlannedPhase, last: bool) {
    let text = phase.gate.as_ref().map_or_else(
        || "none: the phase is over when every step is done".to_owned(),
        |gate| patience(gate, phase.batches.len() > 1, last),
    );
    page.labelled(2, "gate  ", Tone::Heading, Tone::Plain, &text);
    let Some(gate) = &phase.gate else { return };
    let everybody = phase.hosts().len();
    let rows: Vec<Vec<Cell>> = asked(gate)
        .into_iter()
        .map(|(probe, who)| {
            let place = if who.len() == everybody {
                String::new()
            } else {
                fold_hosts(&who)
            };
            vec![cell(probe.probe.name()), cell(proves(probe)), (place, Tone::Host)]
        })
        .collect();
    let columns = widths(rows.iter().map(Vec::as_slice));
    let fits = columns.iter().sum::<usize>() + 12 <= page.style.measure();
    for cells in &rows {
        probe_row(page, &columns, cells, fits);
    }
}

fn probe_row(page: &mut Page<'_>, columns: &[usize], cells: &[Cell], fits: bool) {
    if fits {
        let text = row(page.style, columns, cells);
        page.line(&format!("      {text}"));
        return;
    }
    let place = if cells[2].0.is_empty() {
        String::new()
    } else {
        format!(" ({})", cells[2].0)
    };
    let text = format!("{}: {}{place}", cells[0].0, cells[1].0);
    page.labelled(8, page.style.pick("• ", "- "), Tone::Plain, Tone::Plain, &text);
}

fn patience(gate: &PlannedGate, batched: bool, last: bool) -> String {
    let before = match (batched, last) {
        (true, false) => "the next batch or phase starts",
        (true, true) => "the next batch starts, and before the run is called good",
        (false, false) => "the next phase starts",
        (false, true) => "the run is called good",
    };
    let quiet = if gate.quiet.is_zero() {
        String::new()
    } else {
        format!(" for {}", duration::display(gate.quiet))
    };
    let (interval, timeout) = (duration::display(gate.interval), duration::display(gate.timeout));
    format!("must hold{quiet} before {before}; asked every {interval}, fails after {timeout}")
}

/// Each question once, with the hosts it is asked about.
fn asked(gate: &PlannedGate) -> Vec<(&PlannedProbe, Vec<HostName>)> {
    let mut seen: Vec<(&PlannedProbe, Vec<HostName>)> = Vec::new();
    for probe in &gate.probes {
        match seen
            .iter_mut()
            .find(|(p, _)| p.probe == probe.probe && proves(p) == proves(probe))
        {
            Some((_, hosts)) => hosts.push(probe.host.clone()),
            None => seen.push((probe, vec![probe.host.clone()])),
        }
    }
    seen
}

/// What a yes means, in plain words.
fn proves(probe: &PlannedProbe) -> String {
    let text = match &probe.probe {
        ProbeSpec::CertificatesOnDisk => "every renewed certificate has a new serial and ends no earlier",
        ProbeSpec::CertificatesInUse => "every certificate served is the one on disk",
        ProbeSpec::KubeletJournal => "kubelet restarted, no certificate error, a sign of success",
        ProbeSpec::ApiServer => "the API server on this very host says it is ready",
        ProbeSpec::Endpoint => "where this kubelet connects to, a valid certificate is served",
        ProbeSpec::Etcd => "the etcd member answers and has quorum",
        ProbeSpec::Nodes => "the node is Ready",
        ProbeSpec::Pods => "CNI DaemonSets are ready, no pod is stuck",
        ProbeSpec::StaticPods => "control-plane containers run, none of them an old one",
        ProbeSpec::Served { port } => return served_proof(*port, &probe.baseline),
        ProbeSpec::ComponentHealth => "controller-manager and scheduler say that they are well",
        ProbeSpec::Unit { name, state } => return unit_proof(name, *state, &probe.baseline),
    };
    text.to_owned()
}

fn served_proof(port: u16, baseline: &Baseline) -> String {
    match baseline {
        Baseline::Served { before: Some(_) } => format!("port {port} serves a new certificate, valid now"),
        _ => format!("port {port} serves a certificate that is valid now"),
    }
}

fn unit_proof(name: &str, state: UnitState, baseline: &Baseline) -> String {
    match (state, baseline) {
        (UnitState::Inactive, _) => format!("{name} is stopped"),
        (UnitState::Active, Baseline::Unit { since_us: Some(_), .. }) => {
            format!("{name} is active, and was started by this run")
        }
        (UnitState::Active, _) => format!("{name} is active"),
    }
}
