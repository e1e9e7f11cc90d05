//! Which probe asks which host, and what its answer is compared with.

use std::collections::BTreeSet;

use crate::model::facts::UnitFacts;
use crate::model::gate::{Gate, ProbeSpec, UnitState};
use crate::model::host_words::unit_name;
use crate::model::playbook::{Operation, ServiceState};
use crate::model::{Host, HostFacts, HostName, Role};
use crate::operations::types::Postcondition;
use crate::probes::endpoint;

use super::planner::{PlanInput, stops_the_runtime};
use super::types::{Baseline, PlannedGate, PlannedProbe, PlannedStep};

/// A phase, by its number in the playbook, and what is spared in the whole plan.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) phase: usize,
    /// Phases `when: needed` in which a host does nothing.
    pub(super) spared: &'a BTreeSet<(usize, HostName)>,
}

impl Place<'_> {
    /// What the playbook does on the host up to this phase.
    fn operations<'a>(&self, input: &PlanInput<'a>, host: &Host) -> Vec<&'a Operation> {
        let phases = input.playbook.phases[..=self.phase].iter().enumerate();
        let mine = phases.filter(|(i, p)| p.hosts.matches(host) && !self.spared.contains(&(*i, host.name.clone())));
        mine.flat_map(|(_, p)| &p.steps).collect()
    }
}

/// The gate of a phase for its hosts.
pub(super) fn plan_gate(
    input: &PlanInput<'_>,
    place: Place<'_>,
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
            baseline: baseline(input, place, spec, host, steps),
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
        ProbeSpec::ApiServer | ProbeSpec::ComponentHealth => host.role == Role::ControlPlane,
        ProbeSpec::StaticPods => host.role != Role::Worker,
        ProbeSpec::Etcd => has_etcd(host, facts),
        ProbeSpec::Endpoint => endpoint::target(facts).is_some(),
        ProbeSpec::Nodes => host.role != Role::Etcd,
        ProbeSpec::Pods => input.speaker().is_some_and(|s| s.name == host.name),
        ProbeSpec::KubeletJournal
        | ProbeSpec::Unit { .. }
        | ProbeSpec::Served { .. }
        | ProbeSpec::CertificatesOnDisk
        | ProbeSpec::CertificatesInUse => true,
    }
}

/// An etcd member of kubeadm is known to run here.
pub(super) fn has_etcd(host: &Host, facts: &HostFacts) -> bool {
    host.role == Role::Etcd || (host.role == Role::ControlPlane && facts.static_pods.iter().any(|p| p == "etcd"))
}

fn baseline(input: &PlanInput<'_>, place: Place<'_>, spec: &ProbeSpec, host: &Host, steps: &[PlannedStep]) -> Baseline {
    let facts = input.facts_of(host);
    match spec {
        ProbeSpec::Unit {
            name,
            state: UnitState::Active,
        } => started_unit(input, place, name, host, facts),
        ProbeSpec::Unit {
            name,
            state: UnitState::Inactive,
        } => Baseline::Unit {
            units: resolve_units(name, host, facts),
            since_us: None,
            boot_id: None,
        },
        ProbeSpec::KubeletJournal => started_unit(input, place, "kubelet", host, facts),
        ProbeSpec::StaticPods => Baseline::Containers {
            before: if recycled_before(input, place, host) {
                facts.containers.clone()
            } else {
                Vec::new()
            },
            static_pods: facts.static_pods.clone(),
        },
        ProbeSpec::CertificatesOnDisk => renewed(host, steps),
        ProbeSpec::Served { port } => Baseline::Served {
            before: facts.shape.served_on(*port).cloned(),
        },
        _ => Baseline::None,
    }
}

/// Another start than the one the facts know, if this playbook brings one about on this host up to this phase: it stops
/// the unit and starts it, or starts one that does not run. A start of what runs already changes nothing.
fn started_unit(input: &PlanInput<'_>, place: Place<'_>, name: &str, host: &Host, facts: &HostFacts) -> Baseline {
    let units = resolve_units(name, host, facts);
    let mine = place.operations(input, host);
    let has = |state| mine.iter().any(|op| is_service(op, name, state));
    let service = units.last().and_then(|u| facts.unit(u));
    let runs = service.is_some_and(UnitFacts::is_active);
    let since_us = if has(ServiceState::Started) && (has(ServiceState::Stopped) || !runs) {
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

fn is_service(operation: &Operation, name: &str, wanted: ServiceState) -> bool {
    matches!(operation, Operation::Service { unit, state } if *state == wanted && unit_name(unit) == unit_name(name))
}

/// A playbook stops or recycles this host's control-plane containers up to this phase.
fn recycled_before(input: &PlanInput<'_>, place: Place<'_>, host: &Host) -> bool {
    place
        .operations(input, host)
        .into_iter()
        .any(|op| matches!(op, Operation::RecycleStaticPods) || stops_the_runtime(op))
}

/// The unit names behind `kubelet` and `runtime`.
pub(super) fn resolve_units(name: &str, host: &Host, facts: &HostFacts) -> Vec<String> {
    match name {
        "kubelet" => vec![host.kubelet_service()],
        "runtime" => facts.runtime.or(host.kubernetes.runtime).map_or_else(Vec::new, |kind| {
            kind.units()
                .iter()
                .filter(|u| facts.unit(u).is_none_or(UnitFacts::exists))
                .map(|u| (*u).to_owned())
                .collect()
        }),
        other => vec![unit_name(other)],
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
