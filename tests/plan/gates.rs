//! What each phase of the built-in playbooks must prove, and how many hosts it takes at a time: a probe that is lost from a
//! playbook is lost from every run. k3s and rke2 are proven in `shapes.rs`.

use certfleet::model::Phase;
use certfleet::model::gate::{ProbeSpec, UnitState};
use certfleet::model::playbook::Share;

use crate::fleet::built_in;

/// Phase, hosts at a time (`all` unless the playbook says less), what its gate asks, and how long that must stay good, in seconds.
type Row = (&'static str, &'static str, &'static str, u64);

const WAVES: &str = "1 5% 25% 100%";
const STOPPED: &str = "kubelet=inactive";
const ETCD: &str = "kubelet=active static-pods etcd certificates-in-use kubelet-journal";
const MASTERS: &str =
    "kubelet=active static-pods etcd api-server component-health endpoint certificates-in-use kubelet-journal";
const WORKERS: &str = "kubelet=active endpoint kubelet-journal";

/// What `renew` and `restart` have in common.
const RECOVERY: [Row; 11] = [
    ("stop-kubelet", "all", STOPPED, 2),
    ("reissue-kubelet-client", "all", STOPPED, 0),
    ("recycle-static-pods", "all", STOPPED, 0),
    ("recycle-etcd", "all", STOPPED, 0),
    ("stop-runtime", "all", "runtime=inactive", 0),
    ("start-etcd", "all", ETCD, 10),
    ("start-masters", "all", MASTERS, 20),
    ("start-workers", WAVES, WORKERS, 20),
    ("kubelet-serving", "all", "api-server", 0),
    ("nodes-ready", "all", "nodes", 0),
    ("delete-stuck-pods", "all", "pods", 10),
];

const ROLLING: [Row; 8] = [
    ("healthy-before", "all", "etcd api-server", 10),
    (
        "etcd",
        "1",
        "certificates-on-disk kubelet=active static-pods etcd certificates-in-use kubelet-journal",
        20,
    ),
    (
        "masters",
        "1",
        "certificates-on-disk kubelet=active static-pods etcd api-server component-health endpoint certificates-in-use \
         kubelet-journal nodes",
        20,
    ),
    ("workers", WAVES, WORKERS, 20),
    ("kubelet-serving", "all", "api-server", 0),
    ("workers-ready", "all", "kubelet=active endpoint nodes", 20),
    ("delete-stuck-pods", "all", "pods", 10),
    ("old-backups", "all", "", 0),
];

fn probe(spec: &ProbeSpec) -> String {
    match spec {
        ProbeSpec::Unit { name, state } => {
            let state = match state {
                UnitState::Active => "active",
                UnitState::Inactive => "inactive",
            };
            format!("{name}={state}")
        }
        ProbeSpec::Served { port } => format!("served={port}"),
        other => other.name().to_owned(),
    }
}

fn share(share: Share) -> String {
    match share {
        Share::Count(number) => number.to_string(),
        Share::Percent(part) => format!("{part}%"),
    }
}

fn told(phase: &Phase) -> (String, String, String, u64) {
    let pace: Vec<String> = phase
        .waves
        .iter()
        .chain(&phase.max_parallel)
        .copied()
        .map(share)
        .collect();
    let pace = if pace.is_empty() {
        "all".to_owned()
    } else {
        pace.join(" ")
    };
    let probes: Vec<String> = phase.gate.iter().flat_map(|g| &g.probes).map(probe).collect();
    let quiet = phase.gate.as_ref().map_or(0, |g| g.quiet.as_secs());
    (phase.name.clone(), pace, probes.join(" "), quiet)
}

#[test]
fn every_phase_proves_what_it_is_there_for() {
    let certificates = [("certificates", "all", "certificates-on-disk", 0)];
    let (renew, kept) = (
        [("renew", "all", "certificates-on-disk", 0)],
        [("old-backups", "all", "", 0)],
    );
    let table: [(&str, Vec<Row>); 3] = [
        ("renew", [&renew[..], &RECOVERY, &kept].concat()),
        ("restart", [&certificates[..], &RECOVERY].concat()),
        ("rolling", ROLLING.to_vec()),
    ];
    for (name, rows) in table {
        let found: Vec<_> = built_in(name).phases.iter().map(told).collect();
        let wanted = rows
            .into_iter()
            .map(|(phase, pace, probes, quiet)| (phase.to_owned(), pace.to_owned(), probes.to_owned(), quiet));
        assert_eq!(found, wanted.collect::<Vec<_>>(), "{name}");
    }
}
