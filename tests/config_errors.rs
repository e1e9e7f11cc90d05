//! Every error that an inventory or a playbook can cause, as its author sees it.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use certfleet::config::{ConfigErrors, ErrorStyle, load_inventory, load_playbook, parse_inventory, parse_playbook};

/// What `any_text_is_answered` is made of.
const PIECES: &str = "cluster: a\n|masters: |workers:\n|  hosts: |\\[m1, \"w\\[1-3\\]\"\\]\n|ssh: \\{|\\}|name: x\n|phases:\n|  - name: a\n|    hosts: all\n|    steps: \\[backup|\\]\n|\t|\n|: |é|&a |\\*a |\"|---\n|[^a]{1,3}";

/// (what it shows, the file)
type Case = (&'static str, &'static str);

const HOME: &str = "/home/ops";

fn inventory_error(text: &str) -> ConfigErrors {
    let found = parse_inventory(text, "prod.yaml", Path::new("/etc/certfleet"), Some(Path::new(HOME)));
    let Err(errors) = found else {
        panic!("no error in {text}")
    };
    errors
}

const INVENTORIES: [Case; 38] = [
    (
        "unknown_key",
        "cluster: prod\nssh: { prot: 22 }\nmasters: { hosts: [m1] }\n",
    ),
    (
        "unknown_key_underscores",
        "cluster: prod\nssh:\n  host_key_policy: strict\nmasters: { hosts: [m1] }\n",
    ),
    (
        "unknown_key_wrong_level",
        "cluster: prod\nuser: ops\nmasters: { hosts: [m1] }\n",
    ),
    (
        "unknown_key_in_host",
        "cluster: prod\nmasters:\n  hosts:\n    - { name: m1, adress: 10.0.0.1 }\n",
    ),
    (
        "unknown_key_stranger",
        "cluster: prod\ncolour: red\nmasters: { hosts: [m1] }\n",
    ),
    (
        "unknown_word",
        "cluster: prod\nbecome: { method: sudoo }\nmasters: { hosts: [m1] }\n",
    ),
    (
        "duplicate_host",
        "cluster: prod\nmasters:\n  hosts:\n    - m1\nworkers:\n  hosts:\n    - w1\n    - \"w[1-3]\"\n",
    ),
    (
        "duplicate_host_one_line",
        "cluster: prod\nmasters: { hosts: [m1, m2, M1] }\n",
    ),
    (
        "duplicate_host_ranges",
        "cluster: prod\nmasters: { hosts: [m1] }\nworkers:\n  hosts:\n    - \"w[01-40]\"\n    - \"w[30-35]\"\n",
    ),
    (
        "two_groups",
        "cluster: prod\nmasters:\n  hosts: [m1, m2]\nworkers:\n  hosts: [w1, m2]\n",
    ),
    (
        "same_machine",
        "cluster: prod\nmasters:\n  hosts:\n    - { name: m1, address: 10.0.0.1 }\n    - { name: m2, address: 10.0.0.1 }\n",
    ),
    (
        "duplicate_key",
        "cluster: prod\nmasters: { hosts: [m1] }\nworkers: { hosts: [w1] }\nworkers: { hosts: [w2] }\n",
    ),
    (
        "empty_group",
        "cluster: prod\nmasters: { hosts: [m1] }\nworkers:\n  hosts: []\n",
    ),
    ("null_group", "cluster: prod\nmasters: { hosts: [m1] }\nworkers:\n"),
    (
        "group_without_hosts",
        "cluster: prod\nmasters: { hosts: [m1] }\nworkers:\n  ssh: { user: node }\n",
    ),
    ("no_masters", "cluster: prod\nworkers: { hosts: [w1] }\n"),
    (
        "range_explosion",
        "cluster: prod\nmasters: { hosts: [m1] }\nworkers:\n  hosts: [\"w[1-1000000]\"]\n",
    ),
    ("range_reversed", "cluster: prod\nmasters: { hosts: [\"m[3-1]\"] }\n"),
    ("range_padding", "cluster: prod\nmasters: { hosts: [\"m[01-100]\"] }\n"),
    ("range_unclosed", "cluster: prod\nmasters: { hosts: [\"m[1-3\"] }\n"),
    ("range_letters", "cluster: prod\nmasters: { hosts: [\"m[a-c]\"] }\n"),
    ("range_unquoted", "cluster: prod\nmasters: { hosts: [m[1-3]] }\n"),
    (
        "range_sizes_differ",
        "cluster: prod\nmasters:\n  hosts:\n    - { name: \"m[1-3]\", address: \"10.0.0.[1-2]\" }\n",
    ),
    ("wrong_type_list", "cluster: prod\nmasters:\n  hosts: m1\n"),
    (
        "wrong_type_number",
        "cluster: prod\nssh: { port: twenty-two }\nmasters: { hosts: [m1] }\n",
    ),
    ("wrong_type_host", "cluster: prod\nmasters: { hosts: [1.5] }\n"),
    ("wrong_type_group", "cluster: prod\nmasters: [m1, m2]\n"),
    ("missing_cluster", "masters: { hosts: [m1] }\n"),
    ("empty_file", "# nothing yet\n---\n"),
    ("tabs", "cluster: prod\nmasters:\n\thosts: [m1]\n"),
    (
        "bad_durations",
        "cluster: prod\nssh: { connect-timeout: 30, keepalive: soon }\nmasters: { hosts: [m1] }\n",
    ),
    (
        "port_zero",
        "cluster: prod\nssh: { port: 0 }\nmasters: { hosts: [m1] }\n",
    ),
    (
        "port_too_large",
        "cluster: prod\nssh: { port: 70000 }\nmasters: { hosts: [m1] }\n",
    ),
    (
        "no_host_names",
        "cluster: prod\nmasters:\n  hosts:\n    - -oProxyCommand=sh\n    - m 1\n    - m1;reboot\n    - m1..example.com\n    - workers\n    - \"m1:2222\"\n",
    ),
    (
        "jump_to_itself",
        "cluster: prod\nssh: { jump: ops@m1 }\nmasters: { hosts: [m1, m2] }\n",
    ),
    (
        "bad_jump",
        "cluster: prod\nssh: { jump: [\"bastion:x\", \"a b\"] }\nmasters: { hosts: [m1] }\n",
    ),
    (
        "paths_and_programs",
        "cluster: prod\nssh: { identity: ~root/key }\nkubernetes: { cert-dir: pki, kubeadm: \"kubeadm -v\", kubelet-unit: \"a b\", node-name: n1 }\nmasters: { hosts: [m1] }\n",
    ),
    (
        "two_documents",
        "cluster: prod\nmasters: { hosts: [m1] }\n---\ncluster: test\n",
    ),
];

#[test]
fn inventories() {
    for (name, text) in INVENTORIES {
        insta::assert_snapshot!(format!("inventory_{name}"), inventory_error(text), text);
    }
}

const PLAYBOOKS: [Case; 24] = [
    (
        "on_key",
        "name: x\nphases:\n  - name: a\n    on: masters\n    steps: [backup]\n",
    ),
    (
        "unknown_step",
        "name: x\nphases:\n  - name: a\n    hosts: all\n    steps: [bakup]\n",
    ),
    (
        "unknown_probe",
        "name: x\nphases:\n  - name: a\n    hosts: all\n    gate: { probes: [certificates-ondisk] }\n",
    ),
    (
        "unknown_certificate",
        "name: x\nphases:\n  - name: a\n    hosts: masters\n    steps:\n      - renew-certificates: { names: [apiserver, apisever-etcd-client, ca] }\n",
    ),
    (
        "step_needs_settings",
        "name: x\nphases:\n  - name: a\n    hosts: all\n    steps:\n      - service\n",
    ),
    (
        "step_half_indented",
        "name: x\nphases:\n  - name: a\n    hosts: all\n    steps:\n      - service:\n        unit: kubelet\n        state: stopped\n",
    ),
    (
        "two_steps_in_one",
        "name: x\nphases:\n  - name: a\n    hosts: all\n    steps:\n      - backup: {}\n        run: { command: ls }\n",
    ),
    (
        "step_unknown_key",
        "name: x\nphases:\n  - name: a\n    hosts: all\n    steps:\n      - service: { unit: kubelet, status: stopped }\n",
    ),
    (
        "bad_state",
        "name: x\nphases:\n  - name: a\n    hosts: all\n    steps:\n      - service: { unit: kubelet, state: restarted }\n",
    ),
    (
        "duplicate_phase",
        "name: x\nphases:\n  - name: a\n    hosts: all\n    steps: [backup]\n  - name: a\n    hosts: all\n    steps: [backup]\n",
    ),
    ("no_phases", "name: x\nphases: []\n"),
    ("empty_phase", "name: x\nphases:\n  - name: a\n    hosts: all\n"),
    ("missing_hosts", "name: x\nphases:\n  - name: a\n    steps: [backup]\n"),
    (
        "empty_selector",
        "name: x\nphases:\n  - name: a\n    hosts: \" \"\n    steps: [backup]\n",
    ),
    (
        "gate_times",
        "name: x\nphases:\n  - name: a\n    hosts: all\n    gate: { probes: [nodes], quiet: 5m, timeout: 1m }\n  - name: b\n    hosts: all\n    gate: { probes: [], timeout: 0s }\n",
    ),
    (
        "gate_probe_twice",
        "name: x\nphases:\n  - name: a\n    hosts: all\n    gate: { probes: [nodes, nodes] }\n",
    ),
    (
        "workers_only",
        "name: x\nphases:\n  - name: a\n    hosts: workers\n    steps: [renew-certificates, delete-pods]\n    gate: { probes: [etcd] }\n",
    ),
    (
        "shares",
        "name: x\nphases:\n  - name: a\n    hosts: all\n    max-parallel: 0\n    max-failures: 120%\n    steps: [backup]\n",
    ),
    (
        "waves",
        "name: x\nphases:\n  - name: a\n    hosts: all\n    max-parallel: [1, 25%, 5%, 0, x]\n    when: always\n    steps: [backup]\n",
    ),
    (
        "waves_shrink",
        "name: x\nphases:\n  - name: a\n    hosts: all\n    max-parallel: [1, 25%, 5%, 0, x]\n    steps: [backup]\n  - name: b\n    hosts: all\n    max-parallel: []\n    steps: [backup]\n",
    ),
    (
        "outage_word",
        "name: x\nphases:\n  - name: a\n    hosts: all\n    outage: yes\n    steps: [backup]\n",
    ),
    (
        "bad_names",
        "name: my playbook\nphases:\n  - name: ../a\n    hosts: all\n    steps: [{ service: { unit: \"a b\", state: stopped } }]\n",
    ),
    (
        "empty_command",
        "name: x\nphases:\n  - name: a\n    hosts: all\n    steps: [{ run: { command: \" \", timeout: 5 } }]\n",
    ),
    ("empty_file", "\n"),
];

#[test]
fn playbooks() {
    for (name, text) in PLAYBOOKS {
        let error = parse_playbook(text, "my.yaml").expect_err(text);
        insta::assert_snapshot!(format!("playbook_{name}"), error, text);
    }
    insta::assert_snapshot!(
        "playbook_unknown_name",
        load_playbook("renw").expect_err("no such playbook")
    );
}

#[test]
fn files_that_cannot_be_read() {
    let dir = tempfile::tempdir().expect("a directory");
    let shown = |e: ConfigErrors| e.to_string().replace(&dir.path().display().to_string(), "DIR");
    let missing = load_inventory(&dir.path().join("no.yaml"), None).expect_err("missing");
    insta::assert_snapshot!("file_missing", shown(missing));
    let folder = load_inventory(dir.path(), None).expect_err("a directory");
    insta::assert_snapshot!("file_directory", shown(folder));
    let latin1 = dir.path().join("latin1.yaml");
    fs::write(&latin1, b"cluster: prod\n# ma\xeetre\nmasters: { hosts: [m1] }\n").expect("written");
    let error = load_inventory(&latin1, None).expect_err("not UTF-8");
    insta::assert_snapshot!("file_not_utf8", shown(error));
}

#[test]
fn an_error_knows_its_place_and_can_be_coloured() {
    let errors = inventory_error("cluster: prod\nssh: { prot: 22 }\nmasters: { hosts: [m1] }\n");
    let place = errors.0[0].place.as_ref().expect("a place");
    assert_eq!(
        (place.line, place.column, place.source_line.as_str()),
        (2, 8, "ssh: { prot: 22 }")
    );
    assert!(errors.render(ErrorStyle::Coloured).contains("\u{1b}["));
    assert!(!errors.render(ErrorStyle::Plain).contains('\u{1b}'));
}

#[test]
fn a_home_that_is_not_known_is_an_error_only_where_it_is_needed() {
    let text = "cluster: prod\nssh: { identity: ~/.ssh/id }\nmasters: { hosts: [m1] }\n";
    let error = parse_inventory(text, "prod.yaml", Path::new("."), None).expect_err("no home");
    assert!(error.to_string().contains("$HOME is not set"), "{error}");
    assert!(parse_inventory(text, "prod.yaml", Path::new("."), Some(Path::new(HOME))).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Pieces of real files in any order: an answer or an error that can be drawn, never a panic.
    #[test]
    fn any_text_is_answered(pieces in proptest::collection::vec(PIECES, 0..14)) {
        let text = pieces.concat();
        if let Err(errors) = parse_inventory(&text, "x.yaml", Path::new("."), None) {
            prop_assert!(errors.to_string().contains("error:"));
        }
        if let Err(errors) = parse_playbook(&text, "x.yaml") {
            prop_assert!(errors.render(ErrorStyle::Coloured).contains("error"));
        }
    }
}
