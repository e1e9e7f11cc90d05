//! Draining in plans: who is drained, who is not and why, and what lint says.

use certfleet::config::parse_playbook;
use certfleet::model::gate::ProbeSpec;
use certfleet::model::{Health, Playbook};
use certfleet::plan::{Plan, Severity};

use crate::fleet::{Fleet, built_in, notes};

/// Phases, each `name hosts more`, that stop and start kubelets.
fn book(phases: &str) -> Playbook {
    parse_playbook(&format!("name: test\nphases:\n{phases}"), "test").unwrap_or_else(|e| panic!("{e}"))
}

const RESTART: &str = "  - name: workers\n    hosts: workers\n    max-parallel: 1\n    drain: true\n    steps:\n      - service: { unit: kubelet, state: stopped }\n      - service: { unit: kubelet, state: started }\n    gate: { probes: [kubelet-journal] }\n";

fn plan(fleet: &Fleet, playbook: &Playbook) -> Plan {
    fleet.plan(playbook, "all")
}

/// `HOST: REASON` of every drain that is skipped.
fn skipped(plan: &Plan) -> Vec<String> {
    let steps = plan
        .phases
        .iter()
        .flat_map(|p| &p.steps)
        .filter(|s| s.operation == "drain");
    steps
        .filter_map(|s| Some(format!("{}: {}", s.host, s.planned.skip.as_ref()?.0)))
        .collect()
}

/// Ids of the steps of draining that are done, in order.
fn done(plan: &Plan) -> Vec<&str> {
    let ours = |o: &str| o == "drain" || o == "uncordon";
    plan.work()
        .filter(|s| ours(&s.operation))
        .map(|s| s.id.as_str())
        .collect()
}

#[test]
fn each_worker_is_drained_first_and_let_back_after_its_gate_and_its_node() {
    let plan = plan(&Fleet::new(1, 2).alive(), &book(RESTART));
    assert_eq!(
        done(&plan),
        [
            "workers/w1/0-drain",
            "workers/w1/3-uncordon",
            "workers/w2/0-drain",
            "workers/w2/3-uncordon"
        ]
    );
    let (phase, w1) = (&plan.phases[0], "w1".into());
    let first: Vec<&str> = phase.steps_of(&w1).map(|s| s.operation.as_str()).collect();
    assert_eq!(first, ["drain", "service", "service", "uncordon"]);
    let after: Vec<bool> = phase.steps_of(&w1).map(|s| s.after_gate).collect();
    assert_eq!(after, [false, false, false, true]);
    let gate = phase.gate.as_ref().expect("a gate");
    let ready = gate.probes.iter().filter(|p| p.probe == ProbeSpec::Nodes);
    assert_eq!(ready.count(), 2, "a node is let back when it is Ready");
    assert!(plan.notes.is_empty(), "{:?}", plan.notes);
}

#[test]
fn what_cannot_be_drained_is_said_with_the_reason() {
    let well = || Fleet::new(1, 2).alive();
    let why = |fleet: Fleet| skipped(&plan(&fleet, &book(RESTART)));
    let away = Some(Health::Ill("refused".to_owned()));
    assert!(why(well().with_live("m1", |l| l.api = away.clone()))[0].contains("the API is not known to answer"));
    assert!(
        why(Fleet::new(1, 2))[0].contains("the API is not known to answer"),
        "nobody looked"
    );
    assert_eq!(
        why(well().with_live("w1", |l| l.node = away.clone())),
        ["w1: its node is not Ready: nobody there would end a pod that is evicted"]
    );
    assert_eq!(
        why(well().with_live("w2", |l| l.object = None)),
        ["w2: the API knows no node of this host"]
    );
    let spared = RESTART.replace("drain: true", "drain: true\n    when: needed");
    let plan = plan(&well(), &book(&spared));
    assert_eq!(skipped(&plan).len(), 2);
    assert!(skipped(&plan)[0].contains("nothing is stopped on this host"));
}

/// `stop-all`: every kubelet stops together, so nobody can evict; where the masters are spared, the workers are drained
/// in the first phase and let back in the last.
#[test]
fn phases_that_take_the_api_away_drain_nobody() {
    let all = "  - name: stop\n    hosts: all\n    outage: accepted\n    drain: true\n    steps: [service: { unit: kubelet, state: stopped }]\n    gate: { probes: [unit: { name: kubelet, state: inactive }] }\n";
    let start = "  - name: start-masters\n    hosts: masters\n    steps: [service: { unit: kubelet, state: started }]\n    gate: { probes: [api-server] }\n  - name: start-workers\n    hosts: workers\n    steps: [service: { unit: kubelet, state: started }]\n    gate: { probes: [kubelet-journal] }\n";
    let fleet = Fleet::new(1, 2).alive();
    let stopped = plan(&fleet, &book(&format!("{all}{start}")));
    assert_eq!(done(&stopped), Vec::<&str>::new());
    assert!(
        skipped(&stopped)[0].contains("the API is away from `stop` on"),
        "{:?}",
        skipped(&stopped)
    );

    let workers = all.replace("hosts: all", "hosts: workers");
    let later = plan(&fleet, &book(&format!("{workers}{start}")));
    assert_eq!(
        done(&later),
        [
            "stop/w1/0-drain",
            "stop/w2/0-drain",
            "start-workers/w1/2-uncordon",
            "start-workers/w2/2-uncordon"
        ],
        "let back where they are proven to run again"
    );
    let never = fleet.notes(&book(&workers));
    assert!(never.contains(&"error drain-without-proof".to_owned()), "{never:?}");
}

/// The phase that takes the API away brings it back by its own gate: later phases can drain; it can not.
#[test]
fn a_phase_that_proves_the_api_back_itself_is_no_obstacle_to_later_ones() {
    let masters = "  - name: masters\n    hosts: masters\n    outage: accepted\n    steps:\n      - service: { unit: kubelet, state: stopped }\n      - recycle-static-pods\n      - service: { unit: kubelet, state: started }\n    gate: { probes: [api-server] }\n";
    let fleet = Fleet::new(1, 2).alive();
    let after = plan(&fleet, &book(&format!("{masters}{RESTART}")));
    assert_eq!(skipped(&after), Vec::<String>::new());
    assert_eq!(done(&after).len(), 4);

    let unproven = masters.replace("api-server", "kubelet-journal");
    let away = skipped(&plan(&fleet, &book(&format!("{unproven}{RESTART}"))));
    assert!(away[0].contains("the API is away from `masters` on"), "{away:?}");
    let everybody = masters.replace("hosts: masters", "hosts: all\n    drain: true");
    let together = skipped(&plan(&fleet, &book(&everybody)));
    assert!(
        together[0].contains("the API is away from `masters` on"),
        "{together:?}"
    );
}

#[test]
fn a_mark_on_an_open_node_is_cleared_and_asks_for_nothing_else() {
    let fleet = || {
        Fleet::new(3, 2).fresh().alive().with_live("w2", |l| {
            l.object.as_mut().expect("a node").cordoned_by = Some("r1".to_owned());
        })
    };
    let rolling = plan(&fleet(), &built_in("rolling"));
    let work: Vec<&str> = rolling.work().map(|s| s.id.as_str()).collect();
    assert_eq!(work, ["workers/w2/5-unmark"]);
    let workers = rolling.phases.iter().find(|p| p.name == "workers").expect("the phase");
    assert!(workers.gate.is_none(), "nothing was changed that could be proven");
    assert_eq!(rolling.errors().count(), 0, "{:?}", rolling.notes);

    // Beside real work elsewhere in the phase, its host is still not asked.
    let busy = fleet().with_live("w1", |l| l.endpoint = Some(Health::Ill("refused".to_owned())));
    let busy = plan(&busy, &built_in("rolling"));
    let workers = busy.phases.iter().find(|p| p.name == "workers").expect("the phase");
    let asked = workers
        .gate
        .iter()
        .flat_map(|g| &g.probes)
        .filter(|p| p.host.as_str() == "w2");
    assert_eq!(asked.count(), 0);

    let check = plan(&fleet(), &built_in("check"));
    assert_eq!(notes(&check), ["warning left-marked w2"]);
}

#[test]
fn lint_knows_what_draining_is_for() {
    let fleet = Fleet::new(3, 4).alive();
    let of = |text: &str| fleet.notes(&book(text));
    assert!(of(&RESTART.replace("hosts: workers", "hosts: m1")).contains(&"error drain-masters".to_owned()));
    let mixed = of(&RESTART.replace("hosts: workers", "hosts: m1,w1"));
    assert!(mixed.contains(&"info drain-masters".to_owned()), "{mixed:?}");
    let nothing = "  - name: look\n    hosts: workers\n    drain: true\n    gate: { probes: [nodes] }\n";
    assert!(of(nothing).contains(&"warning drain-for-nothing".to_owned()));
    let crowd = of(&RESTART.replace("max-parallel: 1", "max-parallel: 75%"));
    assert!(crowd.contains(&"warning drain-too-many".to_owned()), "{crowd:?}");
    let half = of(&RESTART.replace("max-parallel: 1", "max-parallel: 50%"));
    assert!(!half.iter().any(|n| n.contains("drain")), "{half:?}");
}

#[test]
fn what_an_earlier_run_left_closed_is_proven_and_let_back() {
    let left = |fleet: Fleet, by: Option<&str>| {
        fleet.with_live("w2", |l| {
            let object = l.object.as_mut().expect("a node");
            (object.cordoned, object.cordoned_by) = (true, by.map(str::to_owned));
        })
    };
    let fleet = || Fleet::new(3, 2).fresh().alive();
    let rolling = plan(&left(fleet(), Some("r1")), &built_in("rolling"));
    assert_eq!(done(&rolling), ["workers/w2/5-uncordon"]);
    let kubelets: Vec<&str> = rolling
        .work()
        .filter(|s| s.operation == "service")
        .map(|s| s.host.as_str())
        .collect();
    assert_eq!(kubelets, ["w2", "w2"], "its kubelet alone is started anew");

    let theirs = plan(&left(fleet(), None), &built_in("rolling"));
    assert_eq!(
        theirs.work().count(),
        0,
        "a person's cordon is no reason to do anything"
    );
    let drained = plan(&left(fleet(), Some("r1")), &book(RESTART));
    let forecast = drained.work().find(|s| s.id == "workers/w2/0-drain");
    assert_eq!(
        forecast.and_then(|s| s.planned.forecast.as_deref()),
        Some("run r1 left it cordoned; it is let back")
    );

    let restart = plan(&left(fleet(), Some("r1")), &built_in("restart"));
    assert_eq!(
        done(&restart),
        ["start-workers/w2/3-uncordon"],
        "also behind a rollback"
    );

    let stop = "  - name: stop\n    hosts: workers\n    steps: [service: { unit: kubelet, state: stopped }]\n    gate: { probes: [unit: { name: kubelet, state: inactive }] }\n";
    let stopped = plan(&left(fleet(), Some("r1")), &book(stop));
    assert_eq!(done(&stopped), Vec::<&str>::new(), "a stopped node is not let back");

    let check = plan(&left(fleet(), Some("r1")), &built_in("check"));
    assert_eq!(notes(&check), ["warning left-cordoned w2"]);
    let remedy = &check.notes[0].remedy;
    for words in [
        "`kubectl uncordon w2`",
        "`kubectl annotate node w2 certfleet.io/cordoned-by- certfleet.io/drained-by-`",
    ] {
        assert!(remedy.contains(words), "{remedy}");
    }
    assert!(check.notes.iter().all(|n| n.severity != Severity::Error));
}
