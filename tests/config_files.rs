//! What good files mean: merging, ranges, defaults; the files that ship with certfleet; the schemas.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use certfleet::config::{
    builtin_playbooks, inventory_schema, load_inventory, load_playbook, parse_inventory, parse_playbook,
    playbook_schema, resolved_inventory_text,
};
use certfleet::model::host::{BecomeMethod, HostKeyPolicy, PasswordSource, Role, SshSettings};
use certfleet::model::playbook::{CertificateNames, ServiceState, Share};
use certfleet::model::{Inventory, Operation, ProbeSpec};

fn inventory(text: &str) -> Inventory {
    let home = Path::new("/home/ops");
    parse_inventory(text, "prod.yaml", Path::new("/etc/certfleet"), Some(home)).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn host_wins_over_group_over_top_over_defaults() {
    let fleet = inventory(
        r#"
cluster: prod
ssh: { user: ops, port: 2222, identity: [~/.ssh/id, keys/fleet], jump: "a,b@c:22", host-key-policy: accept-new }
become: { method: doas, password: prompt }
kubernetes: { cert-dir: /srv/pki/, cni: { labels: [k8s-app=cilium] } }
workers:
  ssh: { user: node, keepalive: 1m }
  hosts:
    - "w[08-10]"
    - { name: "x[1-2]", address: "10.0.0.[5-6]", ssh: { user: root, jump: none }, become: { method: none } }
masters: { hosts: [m1] }
"#,
    );
    let names: Vec<&str> = fleet.hosts.iter().map(|h| h.name.as_str()).collect();
    assert_eq!(names, ["m1", "w08", "w09", "w10", "x1", "x2"], "masters come first");
    let (m1, w8, x2) = (&fleet.hosts[0], &fleet.hosts[1], &fleet.hosts[5]);
    let users: Vec<_> = [m1, w8, x2].iter().map(|h| h.ssh.user.as_deref()).collect();
    assert_eq!(users, [Some("ops"), Some("node"), Some("root")]);
    assert!(fleet.hosts.iter().all(|h| h.ssh.port == Some(2222)));
    assert_eq!(
        (m1.ssh.keepalive, w8.ssh.keepalive),
        (SshSettings::default().keepalive, Duration::from_secs(60))
    );
    let keys = ["/home/ops/.ssh/id", "/etc/certfleet/keys/fleet"].map(PathBuf::from);
    assert_eq!(m1.ssh.identity, keys);
    assert_eq!(w8.ssh.jump.as_deref(), Some(&["a".to_owned(), "b@c:22".to_owned()][..]));
    assert_eq!(x2.ssh.jump.as_deref(), Some(&[][..]));
    assert_eq!(m1.ssh.host_key_policy, HostKeyPolicy::AcceptNew);
    assert_eq!(
        (w8.r#become.method, x2.r#become.method),
        (BecomeMethod::Doas, BecomeMethod::None)
    );
    assert_eq!(x2.r#become.password, PasswordSource::Prompt, "blocks merge key by key");
    assert_eq!((m1.address.as_str(), x2.address.as_str()), ("m1", "10.0.0.6"));
    assert_eq!(m1.kubernetes.cert_dir, "/srv/pki");
    assert_eq!(m1.kubernetes.cni.labels, ["k8s-app=cilium"]);
    assert!(
        m1.kubernetes.cni.namespaces.iter().any(|n| n == "calico-system"),
        "a list not given keeps its default"
    );
}

#[test]
fn yaml_anchors_and_merge_keys_work() {
    let fleet = inventory(
        "cluster: prod\nssh: &ssh { user: ops }\nmasters: { hosts: [m1] }\nworkers:\n  ssh:\n    <<: *ssh\n    port: 23\n  hosts: [w1]\n",
    );
    let w1 = &fleet.hosts[1];
    assert_eq!((w1.ssh.user.as_deref(), w1.ssh.port), (Some("ops"), Some(23)));
}

#[test]
fn every_example_inventory_loads_and_comes_back_from_json() {
    let mut seen = 0;
    for entry in fs::read_dir("inventories").expect("examples").flatten() {
        let fleet = load_inventory(&entry.path(), Some(Path::new("/home/ops"))).unwrap_or_else(|e| panic!("{e}"));
        assert!(fleet.masters().next().is_some());
        let json = resolved_inventory_text(&fleet).expect("serialises");
        assert_eq!(serde_json::from_str::<Inventory>(&json).expect("reads back"), fleet);
        seen += 1;
    }
    assert!(seen >= 5, "only {seen} examples found");
    let ha = load_inventory(Path::new("inventories/ha-stacked.yaml"), Some(Path::new("/h"))).expect("loads");
    assert_eq!((ha.masters().count(), ha.with_role(Role::Worker).count()), (3, 44));
}

#[test]
fn a_playbook_has_defaults_and_bare_words() {
    let text = r"
name: x
phases:
  - name: a
    hosts: masters,!m3
    max-parallel: 25%
    max-failures: 2
    outage: accepted
    steps:
      - backup
      - backup: {}
      - renew-certificates
      - renew-certificates: { names: apiserver, force: true }
      - delete-pods: { grace: 1m }
      - run: { command: 'systemctl daemon-reload', as: login }
    gate: { probes: [nodes, unit: { name: runtime, state: inactive }] }
";
    let playbook = parse_playbook(text, "x.yaml").unwrap_or_else(|e| panic!("{e}"));
    let phase = &playbook.phases[0];
    assert_eq!(
        (phase.max_parallel, phase.max_failures),
        (Some(Share::Percent(25)), Share::Count(2))
    );
    assert!(phase.outage_accepted);
    assert_eq!(phase.steps[0], phase.steps[1]);
    assert_eq!(
        phase.steps[2],
        Operation::RenewCertificates {
            names: CertificateNames::All,
            force: false,
        }
    );
    let one = CertificateNames::Only(vec!["apiserver".to_owned()]);
    let forced = Operation::RenewCertificates {
        names: one,
        force: true,
    };
    assert_eq!(phase.steps[3], forced);
    assert!(phase.waves.is_empty() && !phase.only_needed);
    assert!(matches!(
        phase.steps[5],
        Operation::Run {
            as_login_user: true,
            unless: None,
            ..
        }
    ));
    let gate = phase.gate.as_ref().expect("a gate");
    let times = [gate.quiet, gate.interval, gate.timeout].map(|t| t.as_secs());
    assert_eq!(times, [10, 2, 300]);
    assert_eq!(gate.probes.len(), 2);
}

#[test]
fn the_built_in_playbooks_load_under_their_own_names() {
    for (name, _) in builtin_playbooks() {
        let playbook = load_playbook(name).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(playbook.name, *name);
        assert!(!playbook.description.is_empty());
    }
    let check = load_playbook("check").expect("loads");
    assert!(check.phases.iter().all(|p| p.steps.is_empty()), "check changes nothing");
}

/// The order of the story: everything stops before anything starts, kubelet before runtime, masters before workers.
#[test]
fn renew_and_restart_stop_all_before_starting_masters_before_workers() {
    for name in ["renew", "restart"] {
        let playbook = load_playbook(name).expect("loads");
        let services: Vec<(String, String, ServiceState)> = playbook
            .phases
            .iter()
            .flat_map(|p| p.steps.iter().map(move |s| (p, s)))
            .filter_map(|(p, step)| match step {
                Operation::Service { unit, state } => Some((p.hosts.to_string(), unit.clone(), *state)),
                _ => None,
            })
            .collect();
        let order: Vec<String> = services
            .iter()
            .map(|(hosts, unit, state)| format!("{hosts} {unit} {state:?}"))
            .collect();
        assert_eq!(
            order,
            [
                "all kubelet Stopped",
                "all runtime Stopped",
                "etcd runtime Started",
                "etcd kubelet Started",
                "masters runtime Started",
                "masters kubelet Started",
                "workers runtime Started",
                "workers kubelet Started",
            ],
            "{name}"
        );
        let kept = |op: &Operation| matches!(op, Operation::PruneBackups { .. });
        let changing = playbook.phases.iter().filter(|p| !p.steps.iter().all(kept));
        assert!(
            changing.clone().all(|p| p.gate.is_some()),
            "{name}: a change without a gate"
        );
        let workers = playbook
            .phases
            .iter()
            .find(|p| p.name == "start-workers")
            .expect("workers");
        let gate = workers.gate.as_ref().expect("a gate");
        assert!(gate.probes.contains(&ProbeSpec::KubeletJournal));
    }
}

#[test]
fn restart_is_renew_without_the_renewal() {
    let (renew, restart) = (
        load_playbook("renew").expect("loads").without_exceptions(),
        load_playbook("restart").expect("loads"),
    );
    let (last, rest) = renew.phases[1..].split_last().expect("phases");
    assert_eq!(rest, &restart.phases[1..]);
    assert!(restart.phases[0].steps.is_empty());
    assert_eq!(last.name, "old-backups", "without a renewal there is no new backup");
}

#[test]
fn the_checked_in_schemas_are_current() {
    for (file, schema) in [("inventory", inventory_schema()), ("playbook", playbook_schema())] {
        let path = format!("docs/reference/{file}.schema.json");
        if std::env::var_os("UPDATE_SCHEMA").is_some() {
            fs::write(&path, &schema).expect("written");
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            found, schema,
            "{path} is old; run UPDATE_SCHEMA=1 cargo test --test config_files"
        );
    }
}

/// Every key of a schema, with the keys of its definitions.
fn keys(schema: &serde_json::Value, found: &mut BTreeSet<String>) {
    if let Some(map) = schema.as_object() {
        if let Some(properties) = map.get("properties").and_then(|p| p.as_object()) {
            found.extend(properties.keys().cloned());
        }
        map.values().for_each(|v| keys(v, found));
    }
    for item in schema.as_array().into_iter().flatten() {
        keys(item, found);
    }
}

#[test]
fn the_reference_names_every_key() {
    for (page, schema) in [("inventory", inventory_schema()), ("playbook", playbook_schema())] {
        let text = fs::read_to_string(format!("docs/reference/{page}.md")).expect("a page");
        let mut found = BTreeSet::new();
        keys(&serde_json::from_str(&schema).expect("JSON"), &mut found);
        let missing: Vec<_> = found.iter().filter(|key| !text.contains(&format!("`{key}`"))).collect();
        assert!(
            found.len() > 10 && missing.is_empty(),
            "{page}.md does not describe {missing:?}"
        );
    }
}

#[test]
fn a_command_is_done_by_one_sign_alone() {
    let text = |run: &str| {
        format!(
            "name: x\nphases:\n  - name: a\n    hosts: masters\n    steps: [{{ run: {{ command: ls, {run} }} }}]\n    gate: {{ probes: [nodes] }}\n"
        )
    };
    let playbook = parse_playbook(&text("unless-served: 6443"), "x.yaml").unwrap_or_else(|e| panic!("{e}"));
    assert!(matches!(
        playbook.phases[0].steps[0],
        Operation::Run {
            unless_served: Some(6443),
            done_when_served: None,
            ..
        }
    ));
    for two in [
        "unless-served: 6443, unless: \"true\"",
        "unless-served: 6443, done-when-served: 6443",
    ] {
        let error = parse_playbook(&text(two), "x.yaml").expect_err("two signs");
        assert!(error.to_string().contains("keep one"), "{error}");
    }
}
