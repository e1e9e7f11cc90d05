//! The order of plans, for fleets of any size.

use std::collections::BTreeSet;

use certfleet::model::gate::ProbeSpec;
use certfleet::model::playbook::Share;
use certfleet::model::{HostName, Role};
use certfleet::plan::{Baseline, Plan, PlannedPhase};
use proptest::prelude::*;

use crate::fleet::{Fleet, built_in};

#[test]
fn equal_inputs_give_equal_plans() {
    let json = |p: &Plan| serde_json::to_string(p).expect("a plan is data");
    for name in ["renew", "restart", "rolling", "check"] {
        let (a, b) = (Fleet::new(3, 5), Fleet::new(3, 5));
        let (a, b) = (a.plan(&built_in(name), "all"), b.plan(&built_in(name), "all"));
        assert_eq!((json(&a), a.hash()), (json(&b), b.hash()));
        let back: Plan = serde_json::from_str(&json(&a)).expect("it is read back");
        assert_eq!(back.hash(), a.hash(), "{name}");
        let other = Fleet::new(3, 4).plan(&built_in(name), "all");
        assert_ne!(a.hash(), other.hash(), "{name}");
    }
}

#[test]
fn a_gate_compares_with_the_state_before_only_where_something_is_replaced() {
    let fleet = Fleet::new(1, 1);
    let baseline = |playbook: &str, phase: &str, host: &str, probe: &str| {
        let plan = fleet.plan(&built_in(playbook), "all");
        let phase = plan.phases.iter().find(|p| p.name == phase).expect("the phase");
        let gate = phase.gate.as_ref().expect("its gate");
        let found = gate
            .probes
            .iter()
            .find(|p| p.host.as_str() == host && p.probe.name() == probe);
        found.expect("the probe").baseline.clone()
    };
    let since = |b: Baseline| match b {
        Baseline::Unit { since_us, .. } => since_us,
        other => panic!("{other:?}"),
    };
    assert_eq!(since(baseline("renew", "start-workers", "w1", "unit")), Some(7_000_000));
    assert_eq!(
        since(baseline("rolling", "masters", "m1", "kubelet-journal")),
        Some(7_000_000)
    );
    assert_eq!(since(baseline("check", "workers", "w1", "unit")), None);
    let Baseline::Containers { before, .. } = baseline("renew", "start-masters", "m1", "static-pods") else {
        panic!("containers")
    };
    assert_eq!(before.len(), 4);
    let Baseline::Certificates { before } = baseline("renew", "renew", "m1", "certificates-on-disk") else {
        panic!("certificates")
    };
    assert_eq!(before.len(), 10);
}

/// Every command of a plan with its phase's number and its host.
fn commands(plan: &Plan) -> Vec<(usize, HostName, String)> {
    let of_phase = |(number, phase): (usize, &PlannedPhase)| {
        let steps = phase.steps.iter();
        let each = steps.flat_map(|s| s.planned.commands.iter().map(|c| (s.host.clone(), c.to_string())));
        each.map(|(host, line)| (number, host, line)).collect::<Vec<_>>()
    };
    plan.phases.iter().enumerate().flat_map(of_phase).collect()
}

fn phases_with(plan: &Plan, what: &str, role: impl Fn(&HostName) -> bool) -> Vec<usize> {
    let found = commands(plan)
        .into_iter()
        .filter(|(_, host, line)| line.contains(what) && role(host));
    found.map(|(number, ..)| number).collect()
}

fn any_fleet() -> impl Strategy<Value = (usize, usize)> {
    (prop_oneof![Just(1usize), Just(2), Just(3), Just(5)], 0usize..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_starts_before_everything_stopped_and_no_worker_before_proven_masters(
        (masters, workers) in any_fleet(),
        restart in any::<bool>(),
    ) {
        let name = if restart { "restart" } else { "renew" };
        let plan = Fleet::new(masters, workers).plan(&built_in(name), "all");
        let stops = phases_with(&plan, "systemctl stop", |_| true);
        let starts = phases_with(&plan, "systemctl start", |_| true);
        prop_assert!(stops.iter().max() < starts.iter().min());
        prop_assert_eq!(stops.len(), 2 * (masters + workers));
        let is_master = |h: &HostName| h.as_str().starts_with('m');
        let last_master = phases_with(&plan, "systemctl start", is_master).into_iter().max().expect("a master");
        let first_worker = phases_with(&plan, "systemctl start", |h| !is_master(h)).into_iter().min();
        prop_assert!(first_worker.is_none_or(|w| w > last_master), "a barrier lies between");
        let gate = plan.phases[last_master].gate.as_ref().expect("masters are proven");
        for wanted in [ProbeSpec::ApiServer, ProbeSpec::Etcd, ProbeSpec::CertificatesInUse, ProbeSpec::KubeletJournal] {
            let asked = gate.probes.iter().filter(|p| p.probe == wanted).count();
            prop_assert_eq!(asked, masters, "{:?}", wanted);
        }
    }

    #[test]
    fn every_host_is_once_in_its_phase_and_no_batch_is_too_big(
        (masters, workers) in any_fleet(),
        percent in 1u8..=100,
        count in 1u32..9,
        by_count in any::<bool>(),
        which in 0usize..4,
    ) {
        let mut playbook = built_in(["renew", "restart", "rolling", "check"][which]);
        let share = if by_count { Share::Count(count) } else { Share::Percent(percent) };
        for phase in &mut playbook.phases {
            phase.max_parallel = Some(share);
            phase.waves.clear();
        }
        let fleet = Fleet::new(masters, workers);
        let plan = fleet.plan(&playbook, "all");
        for phase in &plan.phases {
            let meant = &playbook.phases.iter().find(|p| p.name == phase.name).expect("its source").hosts;
            let wanted: Vec<HostName> =
                fleet.inventory.hosts.iter().filter(|h| meant.matches(h)).map(|h| h.name.clone()).collect();
            prop_assert_eq!(phase.hosts(), wanted.clone());
            let most = share.at_least_one_of(wanted.len());
            let works = |b: &&Vec<HostName>| {
                phase.steps.is_empty() || b.iter().any(|h| phase.steps_of(h).any(|s| s.planned.skip.is_none()))
            };
            prop_assert!(phase.batches.iter().filter(works).all(|b| !b.is_empty() && b.len() <= most));
            let ids: BTreeSet<&String> = phase.steps.iter().map(|s| &s.id).collect();
            prop_assert_eq!(ids.len(), phase.steps.len());
        }
    }

    #[test]
    fn a_limit_touches_no_other_host((masters, workers) in any_fleet(), pick in 0usize..45) {
        let fleet = Fleet::new(masters, workers);
        let host = &fleet.inventory.hosts[pick % fleet.inventory.hosts.len()];
        let plan = fleet.plan(&built_in("renew"), host.name.as_str());
        prop_assert!(commands(&plan).iter().all(|(_, h, _)| *h == host.name));
        let asked = plan.phases.iter().filter_map(|p| p.gate.as_ref()).flat_map(|g| &g.probes);
        let mut asked = asked.filter(|p| p.probe != ProbeSpec::Pods);
        prop_assert!(asked.all(|p| p.host == host.name));
        prop_assert!(host.role == Role::ControlPlane || phases_with(&plan, "renew", |_| true).is_empty());
    }
}
