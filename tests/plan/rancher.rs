//! k3s and RKE2: servers before agents, one at a time where they are well, and what is refused.

use certfleet::config::parse_playbook;
use certfleet::model::shape::ServedFacts;
use certfleet::model::{HostFacts, UnitFacts};
use certfleet::plan::{Plan, Postcondition, Severity};
use jiff::ToSpan;

use crate::fleet::{Fleet, built_in, notes};

/// As k3s is found: no kubeadm, no static pods, no unit that we know.
fn of(distribution: &str, masters: usize, workers: usize) -> Fleet {
    let mut fleet = Fleet::new(masters, workers);
    for (name, facts) in &mut fleet.facts {
        *facts = HostFacts {
            root: Some(true),
            clock: facts.clock,
            disk_free: facts.disk_free,
            ..HostFacts::unknown(name.clone())
        };
        facts.shape.distribution = Some(distribution.to_owned());
    }
    fleet
}

fn lines(plan: &Plan) -> Vec<String> {
    let steps = plan.phases.iter().flat_map(|p| &p.steps);
    steps
        .flat_map(|s| s.planned.commands.iter().map(move |c| format!("{} {c}", s.host)))
        .collect()
}

#[test]
fn k3s_and_rke2_rotate_servers_before_agents() {
    for (name, server, agent) in [("k3s", "k3s", "k3s-agent"), ("rke2", "rke2-server", "rke2-agent")] {
        let plan = of(name, 3, 4).plan(&built_in(name), "all");
        let loud: Vec<_> = plan.notes.iter().filter(|n| n.severity != Severity::Info).collect();
        assert!(loud.is_empty(), "{name}: {loud:?}");
        let lines = lines(&plan);
        let last = |what: &str| lines.iter().rposition(|l| l.contains(what)).expect("it is planned");
        let first = |what: &str| lines.iter().position(|l| l.contains(what)).expect("it is planned");
        let rotate = format!(
            "systemctl stop {server} && {name} certificate rotate; s=$?; systemctl restart --no-block {server} && exit $s'"
        );
        let nodes = last("wait --for=condition=Ready nodes");
        assert!(
            last(&rotate) < first(&format!("restart --no-block {agent}'")),
            "{lines:#?}"
        );
        assert!(last(&format!("restart --no-block {agent}'")) < nodes, "{lines:#?}");
        assert!(plan.has_outage());
        assert!(
            plan.phases
                .iter()
                .all(|p| p.gate.as_ref().is_some_and(|g| !g.probes.is_empty()))
        );
        let agents = plan.phases.iter().find(|p| p.name == "agents").expect("the phase");
        assert_eq!(
            agents.batches.iter().map(Vec::len).collect::<Vec<_>>(),
            [1, 3],
            "a canary, then the rest"
        );
        // Without agents their phase is passed over.
        let alone = of(name, 1, 0).plan(&built_in(name), "all");
        assert!(alone.errors().next().is_none() && alone.phases.iter().all(|p| p.name != "agents"));
    }
}

/// Servers that are well: every one active, every port with a certificate of another fifty days.
fn well(distribution: &str) -> Fleet {
    let mut fleet = of(distribution, 3, 1);
    for host in &fleet.inventory.hosts {
        let facts = fleet.facts.get_mut(&host.name).expect("its facts");
        let active = UnitFacts {
            load: "loaded".to_owned(),
            active: "active".to_owned(),
            ..UnitFacts::default()
        };
        let unit = facts.shape.unit(host.role).expect("a distribution");
        facts.units.insert(unit.to_owned(), active);
        let served = |port: &u16| ServedFacts {
            port: *port,
            sha256: format!("{}-{port}", host.name),
            not_after: crate::fleet::now() + (50 * 24).hours(),
        };
        facts.shape.served = facts.shape.ports(host.role).iter().map(served).collect();
    }
    fleet
}

#[test]
fn servers_that_are_well_are_taken_one_at_a_time_without_an_outage() {
    for name in ["k3s", "rke2"] {
        let batches = |fleet: &Fleet| {
            let plan = fleet.plan(&built_in(name), "all");
            let order = plan.notes.iter().find(|n| n.code == "servers-order").expect("the note");
            let servers = plan.phases.iter().find(|p| p.name == "servers").expect("the phase");
            (servers.batches.len(), servers.outage, order.message.clone())
        };
        let (number, outage, note) = batches(&well(name));
        assert_eq!((number, outage), (3, false), "{name}: {note}");
        let ended = well(name).with("m2", |f| f.shape.served[0].not_after = crate::fleet::now() - 1.hours());
        let (number, outage, note) = batches(&ended);
        assert_eq!((number, outage), (1, true), "{name}: {note}");
        assert!(
            note.contains("m2: port 6443 serves a certificate that expired"),
            "{note}"
        );
        let silent = well(name).with("m3", |f| f.shape.served.clear());
        assert_eq!(batches(&silent).0, 1, "what is not known is no health");
        let stopped = well(name).with("m1", |f| f.units.clear());
        assert_eq!(batches(&stopped).0, 1);
        assert_eq!(batches(&of(name, 1, 1)).0, 1);
        // The listener and the kubelet renew themselves: what counts is the API server's own.
        let own = if name == "k3s" { 6444 } else { 6443 };
        let behind = well(name).with("m2", |f| {
            for served in f.shape.served.iter_mut().filter(|s| s.port == own) {
                served.not_after = crate::fleet::now() - 1.hours();
            }
        });
        let (number, outage, note) = batches(&behind);
        assert_eq!((number, outage), (1, true), "{name}: {note}");
        assert!(note.contains(&format!("m2: port {own} serves a certificate that expired")));
        let agentless = well(name).with("m3", |f| f.shape.served.retain(|s| s.port != 10250));
        assert_eq!(batches(&agentless).0, 3, "a server without an agent has no kubelet");
    }
}

#[test]
fn a_step_of_servers_is_proven_by_what_a_restart_alone_does_not_change() {
    for (name, own, listener) in [("k3s", 6444, 6443), ("rke2", 6443, 9345)] {
        let plan = well(name).plan(&built_in(name), "all");
        let of = |phase: &str| {
            let steps = plan.phases.iter().filter(|p| p.name == phase).flat_map(|p| &p.steps);
            steps.map(|s| s.planned.postcondition.clone()).collect::<Vec<_>>()
        };
        let before = |port: u16| move |served: &Option<ServedFacts>| served.as_ref().is_some_and(|s| s.port == port);
        assert!(
            of("servers")
                .iter()
                .all(|p| matches!(p, Postcondition::ServedAnew { port, before: b } if *port == own && before(own)(b))),
            "{name}: {:?}",
            of("servers")
        );
        assert!(
            of("listener").iter().all(
                |p| matches!(p, Postcondition::Served { port, before: b } if *port == listener && before(listener)(b))
            ),
            "{name}: {:?}",
            of("listener")
        );
    }
}

#[test]
fn a_port_of_which_nothing_is_known_tells_nothing() {
    let book = |hosts: &str, port: u16| {
        let text = format!(
            "name: mine\nphases:\n  - name: one\n    hosts: {hosts}\n    steps:\n      - run: {{ command: \"true\", done-when-served: {port} }}\n    gate: {{ probes: [nodes] }}\n"
        );
        parse_playbook(&text, "mine.yaml").unwrap_or_else(|e| panic!("{e}"))
    };
    let said = |fleet: &Fleet, hosts: &str, port: u16| notes(&fleet.plan(&book(hosts, port), "all"));
    let refused = |notes: &[String]| notes.iter().any(|n| n.starts_with("error port-not-asked"));
    let k3s = well("k3s");
    assert!(!refused(&said(&k3s, "masters", 6444)));
    assert!(!refused(&said(&k3s, "all", 10250)));
    assert!(refused(&said(&k3s, "all", 6443)), "agents have no such port");
    assert!(refused(&said(&k3s, "masters", 8443)));
    assert!(refused(&said(&Fleet::new(3, 2).alive(), "masters", 6443)), "kubeadm's");
}

#[test]
fn servers_that_share_the_work_are_refused() {
    let split = |playbook: &str, told: &str| {
        let fleet = well("rke2").with("m2", |f| f.shape.left_to_others = vec![told.to_owned()]);
        fleet.plan(&built_in(playbook), "all")
    };
    for told in ["disable-etcd", "disable-apiserver"] {
        let plan = split("rke2", told);
        let note = plan.errors().next().expect("an error");
        assert_eq!(note.code, "split-roles");
        assert!(
            note.message.contains(told) && note.host == Some("m2".into()),
            "{note:?}"
        );
    }
    assert!(
        !notes(&split("check", "disable-etcd"))
            .iter()
            .any(|n| n.contains("split-roles"))
    );
}

#[test]
fn kubeadms_playbooks_are_refused_on_k3s() {
    for playbook in ["renew", "restart", "rolling"] {
        let plan = of("k3s", 3, 1).plan(&built_in(playbook), "all");
        let found = notes(&plan);
        assert!(
            found.iter().any(|n| n == "error not-kubeadm m1"),
            "{playbook}: {found:?}"
        );
        let note = plan.notes.iter().find(|n| n.code == "not-kubeadm").expect("the note");
        assert!(note.remedy.contains("certfleet run k3s"), "{}", note.remedy);
    }
}
