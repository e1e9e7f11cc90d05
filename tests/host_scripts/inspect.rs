//! certfleet:inspect, read back by its own probe.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use certfleet::model::certificate::CertificateState;
use certfleet::model::scripts;
use certfleet::probes::surroundings::{self, CopyFacts, Surroundings};

use crate::tree::{Authority, Pair, Tree, assert_no_key, said, shells};

const PKI: &str = "/etc/kubernetes/pki";
const SECRET: &str = "c2lnbmF0dXJlLW9mLXRoZS10b2tlbg";

/// A host whose `ip`, `getent` and `getconf` are ours.
fn host() -> Tree {
    let tree = Tree::new();
    tree.stub(
        "ip",
        "printf '1: lo    inet 127.0.0.1/8 scope host lo\\n2: eth0    inet6 fd00::7/64 scope global\\n'",
    );
    tree.stub(
        "getent",
        "[ \"$2\" = ops ] && printf 'ops:x:1000:1000:a: person:/home/ops:/bin/bash\\n'",
    );
    tree.stub("getconf", "printf '100\\n'");
    tree
}

fn ask(tree: &Tree, arguments: &[&str], keys: &[&Pair]) -> Surroundings {
    let mut all = Vec::new();
    for shell in shells() {
        let output = tree.run(&shell, &scripts::INSPECT, arguments);
        assert_eq!(output.stderr_text(), "", "{shell:?}");
        assert_no_key(&said(&output), keys);
        assert!(!said(&output).contains(&SECRET[..12]), "a token was printed");
        all.push(surroundings::parse(&output).unwrap());
    }
    assert!(all.windows(2).all(|w| w[0] == w[1]), "shells disagree");
    all.pop().unwrap()
}

fn kubeconfig(pair: &Pair) -> String {
    format!(
        "apiVersion: v1\nkind: Config\nusers:\n- name: x\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n",
        STANDARD.encode(&pair.cert),
        STANDARD.encode(&pair.key)
    )
}

fn process(tree: &Tree, pid: u32, comm: &str, first: &str, ticks: u64) {
    tree.write(&format!("/proc/{pid}/comm"), format!("{comm}\n"));
    tree.write(&format!("/proc/{pid}/cmdline"), format!("{first}\0--flag\0"));
    let before = "S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 9 0";
    tree.write(
        &format!("/proc/{pid}/stat"),
        format!("{pid} ({comm} x) {before} {ticks} 1 2\n"),
    );
}

fn found<'a>(around: &'a Surroundings, source: &str) -> &'a CopyFacts {
    let copy = around.copies.iter().find(|c| c.source == source);
    copy.unwrap_or_else(|| panic!("no copy of {source}: {:#?}", around.copies))
}

#[test]
fn processes_are_told_by_their_program_and_addresses_by_ip() {
    let tree = host();
    tree.write("/proc/stat", "cpu 1 2 3\nbtime 1600000000\nprocesses 7\n");
    process(
        &tree,
        100,
        "kube-controller",
        "/usr/local/bin/kube-controller-manager",
        500_000,
    );
    process(&tree, 200, "kube-controller", "/usr/bin/kube-controllers", 1);
    process(&tree, 300, "etcd", "etcd", 250);
    process(&tree, 400, "bash", "etcd", 250);
    let around = ask(&tree, &[PKI, ""], &[]);
    let mut seen: Vec<(&str, u32, i64)> = around
        .processes
        .iter()
        .map(|p| (p.name.as_str(), p.pid, p.started.as_second()))
        .collect();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [
            ("etcd", 300, 1_600_000_002),
            ("kube-controller-manager", 100, 1_600_005_000)
        ]
    );
    assert_eq!(around.addresses, ["127.0.0.1", "fd00::7"]);
}

#[test]
fn copies_of_people_pods_and_the_inventory() {
    let (tree, ca) = (host(), Authority::new("kubernetes"));
    let [root, ops, vip] = ["root", "ops", "vip"].map(|n| ca.leaf(n));
    tree.write("/root/.kube/config", kubeconfig(&root));
    tree.write("/home/ops/.kube/ops.crt", &ops.cert);
    tree.write(
        "/home/ops/.kube/config",
        "kind: Config\nusers:\n- user: {}\n    client-certificate: ops.crt\n",
    );
    tree.write("/etc/kubernetes/admin.conf", kubeconfig(&root));
    tree.write("/etc/kubernetes/vip.conf", kubeconfig(&vip));
    tree.write(
        "/etc/kubernetes/manifests/kube-vip.yaml",
        "kind: Pod\nspec:\n  volumes:\n  - hostPath:\n      path: /etc/kubernetes/admin.conf\n  - hostPath:\n      path: \"/etc/kubernetes/vip.conf\"\n  - hostPath:\n      path: /etc/ssl\n",
    );
    tree.write("/srv/token.conf", "kind: Config\nusers:\n- user:\n    token: abc\n");
    tree.link("/srv/gone.conf", "/nowhere");
    let extra = ["/srv/token.conf", "/srv/gone.conf", "/srv/none.conf"];
    let arguments = [&[PKI, "ops"], &extra[..]].concat();
    let around = ask(&tree, &arguments, &[&root, &ops, &vip]);
    for (source, name) in [("root", "CN=root"), ("user ops", "CN=ops"), ("pod kube-vip", "CN=vip")] {
        let CertificateState::Present(x509) = &found(&around, source).state else {
            panic!("{:?}", found(&around, source));
        };
        assert!(x509.subject.contains(name), "{source}: {}", x509.subject);
        assert!(found(&around, source).modified.is_some());
    }
    let asked: Vec<String> = around
        .copies
        .iter()
        .filter(|c| c.source == "inventory")
        .map(|c| c.state.to_string())
        .collect();
    assert_eq!(
        asked,
        [
            "unreadable: holds no client certificate",
            "dangling symlink to /nowhere",
            "missing"
        ]
    );
    let mounts: Vec<(&str, &str)> = around
        .mounts
        .iter()
        .map(|m| (m.pod.as_str(), m.path.as_str()))
        .collect();
    assert_eq!(
        mounts,
        [
            ("kube-vip", "/etc/kubernetes/admin.conf"),
            ("kube-vip", "/etc/kubernetes/vip.conf")
        ]
    );
}

#[test]
fn tokens_are_decoded_there_and_settings_read() {
    let tree = host();
    let token = |claims: &str| format!("eyJhbGciOiJSUzI1NiJ9.{}.{SECRET}", URL_SAFE_NO_PAD.encode(claims));
    // Payloads of every length modulo 4.
    for (at, padding) in ["", "a", "ab", "abc"].iter().enumerate() {
        let claims = format!("{{\"aud\": [\"{padding}\"], \"exp\": 16000864{at:02}, \"iat\":1600000000}}");
        let text = format!("kind: Config\nusers:\n- user:\n    token: \"{}\"\n", token(&claims));
        tree.write(&format!("/etc/cni/net.d/{at}-kubeconfig"), text);
    }
    tree.write(
        "/etc/cni/net.d/old/x-kubeconfig",
        format!("    token: {}\n", token("{\"sub\":\"x\"}")),
    );
    tree.write(
        "/var/lib/kubelet/config.yaml",
        "kind: KubeletConfiguration\nrotateCertificates: true\nserverTLSBootstrap: false\n",
    );
    tree.write(
        "/var/lib/kubelet/kubeadm-flags.env",
        "KUBELET_KUBEADM_ARGS=\"--x=y --rotate-server-certificates=true --z\"\n",
    );
    tree.write(&format!("{PKI}/ca.crt"), "x");
    tree.write(&format!("{PKI}/etcd/ca.crt"), "x");
    tree.write(&format!("{PKI}/etcd/ca.key"), "x");
    let around = ask(&tree, &[PKI, "root"], &[]);
    let ends: Vec<Option<i64>> = around
        .tokens
        .iter()
        .map(|t| t.expires.map(jiff::Timestamp::as_second))
        .collect();
    let expected = [1_600_086_400, 1_600_086_401, 1_600_086_402, 1_600_086_403].map(Some);
    assert_eq!(ends, [&expected[..], &[None]].concat());
    assert!(around.tokens[0].issued.is_some());
    assert_eq!(
        (around.kubelet.rotates, around.kubelet.requests_serving),
        (Some(true), Some(true)),
        "a flag wins over the file"
    );
    assert_eq!(around.ca_keys, [("ca".to_owned(), false), ("etcd/ca".to_owned(), true)]);
}

#[test]
fn an_empty_host_has_little_to_say() {
    let tree = host();
    let around = ask(&tree, &[PKI], &[]);
    let expected = Surroundings {
        addresses: vec!["127.0.0.1".to_owned(), "fd00::7".to_owned()],
        ..Surroundings::default()
    };
    assert_eq!(around, expected);
}
