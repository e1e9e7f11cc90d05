//! Which probe asks which host, and what its answer is compared with.

use crate::model::facts::UnitFacts;
use crate::model::gate::{Gate, ProbeSpec, UnitState};
use crate::model::playbook::{Operation, ServiceState};
use crate::model::{Host, HostFacts, Role};
use crate::operations::types::Postcondition;

use super::planner::{PlanInput, stops_the_runtime};
use super::types::{Baseline, PlannedGate, PlannedProbe, PlannedStep};

/// The gate of a phase for its hosts.
pub(super) fn plan_gate(
    input: &PlanInput<'_>,
    phase: usize,
    gate: &Gate,
    hosts: &[&Host],
    steps: &[PlannedStep],
) -> PlannedGate {
    let mut probes = Vec::new();
    for spec in &gate.probes {
        let asked = hosts.iter().filter(|h| concerns(spec, h, input));
        probes.extend(asked.map(|host| PlannedProbe {
            host: host.name.clone(),
            probe: spec.clone(),
            baseline: baseline(input, phase, spec, host, steps),
        }));
    }
    PlannedGate {
        probes,
        quiet: gate.quiet,
        interval: gate.interval,
        timeout: gate.timeout,
    }
}

/// Whether the question makes sense on this host.
fn concerns(spec: &ProbeSpec, host: &Host, input: &PlanInput<'_>) -> bool {
    let facts = input.facts_of(host);
    match spec {
        ProbeSpec::ApiServer | ProbeSpec::StaticPods => host.role == Role::ControlPlane,
        ProbeSpec::Etcd => has_etcd(host, facts),
        ProbeSpec::Nodes => host.role != Role::Etcd,
        ProbeSpec::Pods => input.speaker().is_some_and(|s| s.name == host.name),
        ProbeSpec::KubeletJournal
        | ProbeSpec::Unit { .. }
        | ProbeSpec::CertificatesOnDisk
        | ProbeSpec::CertificatesInUse => true,
    }
}

/// An etcd member of kubeadm runs here.
pub(super) fn has_etcd(host: &Host, facts: &HostFacts) -> bool {
    host.role == Role::Etcd || (host.role == Role::ControlPlane && facts.static_pods.iter().any(|p| p == "etcd"))
}

fn baseline(input: &PlanInput<'_>, phase: usize, spec: &ProbeSpec, host: &Host, steps: &[PlannedStep]) -> Baseline {
    let facts = input.facts_of(host);
    match spec {
        ProbeSpec::Unit {
            name,
            state: UnitState::Active,
        } => started_unit(input, phase, name, host, facts),
        ProbeSpec::Unit {
            name,
            state: UnitState::Inactive,
        } => Baseline::Unit {
            units: resolve_units(name, host, facts),
            since_us: None,
            boot_id: None,
        },
        ProbeSpec::KubeletJournal => started_unit(input, phase, "kubelet", host, facts),
        ProbeSpec::StaticPods => Baseline::Containers {
            before: if recycled_before(input, phase, host) { facts.containers.clone() } else { Vec::new() },
            static_pods: facts.static_pods.clone(),
        },
        ProbeSpec::CertificatesOnDisk => renewed(host, steps),
        _ => Baseline::None,
    }
}

/// Active since after the facts were gathered, if this playbook starts the unit on this host up to this phase.
fn started_unit(input: &PlanInput<'_>, phase: usize, name: &str, host: &Host, facts: &HostFacts) -> Baseline {
    let units = resolve_units(name, host, facts);
    let starts = input.playbook.phases[..=phase]
        .iter()
        .filter(|p| p.hosts.matches(host))
        .flat_map(|p| &p.steps)
        .any(|op| starts_unit(op, name));
    let service = units.last().and_then(|u| facts.unit(u));
    let since_us = if starts {
        Some(service.map_or(0, |u: &UnitFacts| u.active_since_us))
    } else {
        None
    };
    Baseline::Unit {
        units,
        since_us,
        boot_id: facts.boot_id.clone(),
    }
}

fn starts_unit(operation: &Operation, name: &str) -> bool {
    matches!(operation, Operation::Service { unit, state: ServiceState::Started } if unit == name)
}

/// A playbook stops or recycles this host's control-plane containers up to this phase.
fn recycled_before(input: &PlanInput<'_>, phase: usize, host: &Host) -> bool {
    let operations = input.playbook.phases[..=phase]
        .iter()
        .filter(|p| p.hosts.matches(host))
        .flat_map(|p| &p.steps);
    operations
        .into_iter()
        .any(|op| matches!(op, Operation::RecycleStaticPods) || stops_the_runtime(op))
}

/// The unit names behind `kubelet` and `runtime`.
pub(super) fn resolve_units(name: &str, host: &Host, facts: &HostFacts) -> Vec<String> {
    match name {
        "kubelet" => vec![with_suffix(&host.kubernetes.kubelet_unit)],
        "runtime" => facts.runtime.or(host.kubernetes.runtime).map_or_else(Vec::new, |kind| {
            kind.units()
                .iter()
                .filter(|u| facts.unit(u).is_none_or(UnitFacts::exists))
                .map(|u| (*u).to_owned())
                .collect()
        }),
        other => vec![with_suffix(other)],
    }
}

fn with_suffix(unit: &str) -> String {
    if unit.contains('.') {
        unit.to_owned()
    } else {
        format!("{unit}.service")
    }
}

/// What the renewal steps of this host found before.
fn renewed(host: &Host, steps: &[PlannedStep]) -> Baseline {
    let mine = steps.iter().filter(|s| s.host == host.name);
    let before = mine.filter_map(|s| match &s.planned.postcondition {
        Postcondition::CertificatesRenewed { before } => Some(before.clone()),
        _ => None,
    });
    Baseline::Certificates {
        before: before.flatten().collect(),
    }
}
