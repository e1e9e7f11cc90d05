//! Least disruption: in a phase `when: needed`, what the facts show to be needless is skipped, with the reason.
//!
//! Masters of a phase that handles them together are restarted together: half of a quorum proves nothing.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{CertificateFact, CertificateState, Health, Host, HostFacts, HostName, LiveFacts, Role, Use};
use crate::operations::types::{Planned, Postcondition};

use super::leftovers::left_cordoned;
use super::planner::{Draft, PlanInput};
use super::types::PlannedStep;

/// Steps after which processes must load other files.
const CHANGES_FILES: [&str; 4] = [
    "renew-certificates",
    "reissue-etcd-certificates",
    "reissue-kubelet-client",
    "restore",
];

/// Steps that look after what a restart leaves behind; alone, they are done where something is known to wait for them.
const AFTERWARDS: [&str; 2] = ["delete-pods", "approve-kubelet-serving"];

/// Skips what is not needed, and leaves out gates of a plan that changes nothing.
pub(super) fn spare(input: &PlanInput<'_>, drafts: &mut Vec<Draft<'_>>) {
    let needs = Needs::of(input, drafts);
    let sparing = |draft: &Draft<'_>| input.playbook.phases[draft.index].only_needed;
    for draft in drafts.iter_mut().filter(|d| sparing(d)) {
        let one_by_one = one_by_one(input, draft);
        for step in draft.steps.iter_mut().filter(|s| s.planned.skip.is_none()) {
            if let Some(host) = input.inventory.host(&step.host) {
                settle(step, needs.verdict(host, input.facts_of(host), one_by_one, step));
            }
        }
    }
    let works = |s: &PlannedStep| s.planned.skip.is_none() && !AFTERWARDS.contains(&s.operation.as_str());
    if drafts.iter().flat_map(|d| &d.steps).any(works) {
        return;
    }
    for draft in drafts.iter_mut().filter(|d| sparing(d)) {
        leave_alone(input, &mut draft.steps);
    }
    if !drafts.iter().flat_map(|d| &d.steps).any(|s| s.planned.skip.is_none()) {
        drafts.retain(|d| !(sparing(d) && d.steps.is_empty()));
    }
}

/// Never two masters at the same time.
fn one_by_one(input: &PlanInput<'_>, draft: &Draft<'_>) -> bool {
    let phase = &input.playbook.phases[draft.index];
    let most = |share: crate::model::playbook::Share| share.at_least_one_of(draft.hosts.len());
    phase.max_parallel.is_some_and(|share| most(share) == 1)
}

/// Stuck pods and waiting requests are the last reasons to do anything.
fn leave_alone(input: &PlanInput<'_>, steps: &mut [PlannedStep]) {
    for step in steps.iter_mut().filter(|s| s.planned.skip.is_none()) {
        let live = input.facts.get(&step.host).and_then(|f| f.live.as_ref());
        let well = |health: fn(&LiveFacts) -> Option<&Health>| live.and_then(health).is_some_and(Health::is_well);
        let why = match step.operation.as_str() {
            "delete-pods" if well(|l| l.network.as_ref()) => "no pod of the network plugin is stuck",
            "approve-kubelet-serving" if well(|l| l.requests.as_ref()) => {
                "no kubelet waits for its serving certificate"
            }
            _ => continue,
        };
        settle(step, Verdict::Needless(why.to_owned()));
    }
}

/// Whether a step is done, and why.
enum Verdict {
    Needed(String),
    Needless(String),
    /// Not a step that facts could spare.
    Always,
}

fn settle(step: &mut PlannedStep, verdict: Verdict) {
    match verdict {
        Verdict::Needless(why) => step.planned = Planned::skipped(step.planned.title.clone(), why),
        Verdict::Needed(why) if step.planned.forecast.is_none() => {
            step.planned.forecast = Some(format!("needed: {why}"));
        }
        Verdict::Needed(_) | Verdict::Always => {}
    }
}

/// Why each host needs a restart of something; a host that is not named needs none.
struct Needs {
    changed: BTreeSet<HostName>,
    /// Masters and etcd hosts whose control plane must be started anew.
    control_plane: BTreeMap<HostName, (Role, String)>,
    kubelet: BTreeMap<HostName, String>,
    runtime: BTreeMap<HostName, String>,
}

impl Needs {
    fn of(input: &PlanInput<'_>, drafts: &[Draft<'_>]) -> Self {
        let changes = |s: &&PlannedStep| s.planned.skip.is_none() && CHANGES_FILES.contains(&s.operation.as_str());
        let changed: BTreeSet<HostName> = drafts
            .iter()
            .flat_map(|d| &d.steps)
            .filter(changes)
            .map(|s| s.host.clone())
            .collect();
        let mut needs = Self {
            changed,
            control_plane: BTreeMap::new(),
            kubelet: BTreeMap::new(),
            runtime: BTreeMap::new(),
        };
        for host in input.reachable() {
            needs.look_at(input, host);
        }
        needs
    }

    fn look_at(&mut self, input: &PlanInput<'_>, host: &Host) {
        let facts = input.facts_of(host);
        let renewed = || {
            self.changed
                .contains(&host.name)
                .then(|| "its certificates are made anew".to_owned())
        };
        let kubelet = renewed().or_else(|| kubelet(input, host, facts));
        let runtime = runtime(host, facts);
        if host.role != Role::Worker {
            let why = kubelet
                .clone()
                .or_else(|| runtime.clone())
                .or_else(|| control_plane(facts));
            self.control_plane
                .extend(why.map(|w| (host.name.clone(), (host.role, w))));
        }
        self.kubelet.extend(kubelet.map(|w| (host.name.clone(), w)));
        self.runtime.extend(runtime.map(|w| (host.name.clone(), w)));
    }

    fn verdict(&self, host: &Host, facts: &HostFacts, one_by_one: bool, step: &PlannedStep) -> Verdict {
        let worker = host.role == Role::Worker;
        let part = part(host, facts, step);
        let (why, otherwise) = match (part, worker) {
            (Part::Backup, _) => (
                self.changed.contains(&host.name).then_some(""),
                "nothing is renewed on this host",
            ),
            (Part::Kubelet, true) => (
                self.kubelet.get(&host.name).map(String::as_str),
                "its certificate is valid, its API server answers, and its node is Ready",
            ),
            (Part::Runtime, true) => (
                self.runtime.get(&host.name).map(String::as_str),
                "it runs, and no container of a worker holds a certificate of the cluster",
            ),
            (Part::Kubelet | Part::Runtime | Part::ControlPlane, _) => (
                self.master(host, one_by_one),
                "every process here uses the certificates on disk, and answers",
            ),
            (Part::Other, _) => return Verdict::Always,
        };
        match why {
            Some("") => Verdict::Always,
            Some(why) => Verdict::Needed(why.to_owned()),
            None => Verdict::Needless(otherwise.to_owned()),
        }
    }

    /// Its own need, or that of any of its kind where all are restarted together.
    fn master(&self, host: &Host, one_by_one: bool) -> Option<&str> {
        if let Some((_, why)) = self.control_plane.get(&host.name) {
            return Some(why);
        }
        let any = !one_by_one && self.control_plane.values().any(|(role, _)| *role == host.role);
        any.then_some(if host.role == Role::Etcd {
            "all etcd hosts are restarted together"
        } else {
            "all masters are restarted together"
        })
    }
}

/// What a step is about.
#[derive(Clone, Copy)]
enum Part {
    Backup,
    Kubelet,
    Runtime,
    ControlPlane,
    Other,
}

fn part(host: &Host, facts: &HostFacts, step: &PlannedStep) -> Part {
    let of_unit = |unit: &str| {
        let runtime = facts.runtime.or(host.kubernetes.runtime);
        if unit == host.kubelet_service() {
            Part::Kubelet
        } else if runtime.is_some_and(|kind| kind.service() == unit) {
            Part::Runtime
        } else {
            Part::Other
        }
    };
    match (step.operation.as_str(), &step.planned.postcondition) {
        ("backup" | "prune-backups" | "refresh-kubeconfig-copies", _) => Part::Backup,
        ("recycle-static-pods", _) => Part::ControlPlane,
        ("service", Postcondition::UnitState { unit, .. }) => of_unit(unit),
        ("service", Postcondition::UnitsStopped { units }) => units.last().map_or(Part::Other, |u| of_unit(u)),
        _ => Part::Other,
    }
}

/// Why the kubelet of a host must be started anew.
fn kubelet(input: &PlanInput<'_>, host: &Host, facts: &HostFacts) -> Option<String> {
    if let Some(why) = stopped(facts, &host.kubelet_service()) {
        return Some(why);
    }
    let Some(live) = &facts.live else {
        return Some("what runs there was not looked at".to_owned());
    };
    if host.role == Role::Etcd {
        return None;
    }
    client_trouble(input, facts)
        .or_else(|| ill("where its kubelet finds the API", live.endpoint.as_ref()))
        .or_else(|| ill("whether its node is Ready", live.node.as_ref()))
        .or_else(|| left_cordoned(input, host).map(|run| format!("run {run} cordoned its node and never proved it")))
}

fn client_trouble(input: &PlanInput<'_>, facts: &HostFacts) -> Option<String> {
    let client = facts.certificate("kubelet-client")?;
    let valid = |c: &CertificateFact| {
        c.x509()
            .is_none_or(|x| !x.expired(input.now) && !x.not_yet_valid(input.now))
    };
    let there = !matches!(
        client.state,
        CertificateState::Dangling(_) | CertificateState::Unreadable(_)
    );
    (!there || !valid(client)).then(|| format!("its kubelet's certificate: {}", client.state))
}

/// Not known is no health.
fn ill(what: &str, health: Option<&Health>) -> Option<String> {
    match health {
        Some(Health::Well) => None,
        Some(Health::Ill(why)) => Some(why.clone()),
        None => Some(format!("{what} is not known")),
    }
}

fn stopped(facts: &HostFacts, unit: &str) -> Option<String> {
    match facts.unit(unit) {
        Some(found) if found.is_active() => None,
        Some(found) => Some(format!("{unit} is {}", found.active)),
        None => Some(format!("the state of {unit} is not known")),
    }
}

/// Why a runtime must be stopped and started: on a worker it has nothing to load.
fn runtime(host: &Host, facts: &HostFacts) -> Option<String> {
    let known = facts
        .runtime
        .or(host.kubernetes.runtime)
        .filter(|_| facts.live.is_some());
    match known {
        Some(kind) => stopped(facts, kind.service()),
        None => Some("what runs there is not known".to_owned()),
    }
}

/// Why the control plane of a master must be started anew although nothing is renewed there.
fn control_plane(facts: &HostFacts) -> Option<String> {
    let live = facts.live.as_ref()?;
    let unused = live.in_use.iter().find_map(|c| match &c.state {
        Use::Current => None,
        Use::Stale(why) | Use::Unknown(why) => Some(format!("{}: {}: {why}", c.process, c.certificate)),
    });
    let nothing = || {
        live.in_use
            .is_empty()
            .then(|| "no certificate in use could be looked at".to_owned())
    };
    let well = |health: &Option<Health>| match health {
        Some(Health::Ill(why)) => Some(why.clone()),
        _ => None,
    };
    unused
        .or_else(nothing)
        .or_else(|| well(&live.api))
        .or_else(|| well(&live.etcd))
}
