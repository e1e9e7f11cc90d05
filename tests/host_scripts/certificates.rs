//! certfleet:read-certificates, read back by its own probe.

use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use certfleet::model::certificate::{CertificateState, KeyMatch};
use certfleet::model::{CertificateFact, scripts};
use certfleet::probes::certificates_on_disk;

use crate::tree::{Authority, Pair, Tree, assert_no_key, said, shells};

const PKI: &str = "/etc/kubernetes/pki";

struct Master {
    tree: Tree,
    ca: Authority,
    keys: Vec<Pair>,
}

fn kubeconfig(pair: &Pair) -> String {
    format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: AAAA\n    server: https://10.0.0.1:6443\n\
         users:\n- name: x\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n",
        STANDARD.encode(&pair.cert),
        STANDARD.encode(&pair.key)
    )
}

fn master() -> Master {
    let (tree, ca) = (Tree::new(), Authority::new("kubernetes"));
    let (etcd, proxy) = (Authority::new("etcd-ca"), Authority::new("front-proxy-ca"));
    let mut keys = Vec::new();
    let mut leaf = |authority: &Authority, path: &str| {
        let pair = authority.leaf(path);
        tree.pair(&format!("{PKI}/{path}"), &pair);
        keys.push(pair);
    };
    for name in ["apiserver", "apiserver-kubelet-client"] {
        leaf(&ca, name);
    }
    leaf(&proxy, "front-proxy-client");
    for name in [
        "apiserver-etcd-client",
        "etcd/server",
        "etcd/peer",
        "etcd/healthcheck-client",
    ] {
        leaf(&etcd, name);
    }
    for (path, authority) in [("ca", &ca), ("etcd/ca", &etcd), ("front-proxy-ca", &proxy)] {
        tree.pair(&format!("{PKI}/{path}"), &authority.pair);
        keys.push(authority.pair.clone());
    }
    for name in ["admin.conf", "controller-manager.conf", "scheduler.conf"] {
        let pair = ca.leaf(name);
        tree.write(&format!("/etc/kubernetes/{name}"), kubeconfig(&pair));
        keys.push(pair);
    }
    tree.write("/etc/kubernetes/manifests/kube-apiserver.yaml", "x");
    tree.write("/etc/kubernetes/manifests/etcd.yaml", "x");
    Master { tree, ca, keys }
}

fn read(tree: &Tree, keys: &[Pair]) -> Vec<CertificateFact> {
    let mut all = Vec::new();
    for shell in shells() {
        let output = tree.run(&shell, &scripts::READ_CERTIFICATES, &[PKI]);
        assert_eq!(output.stderr_text(), "", "{shell:?}");
        assert_no_key(&said(&output), &keys.iter().collect::<Vec<_>>());
        all.push(certificates_on_disk::parse(&output).unwrap());
    }
    assert!(all.windows(2).all(|w| w[0] == w[1]), "shells disagree");
    all.pop().unwrap()
}

fn find<'a>(facts: &'a [CertificateFact], name: &str) -> &'a CertificateFact {
    facts
        .iter()
        .find(|f| f.name == name)
        .unwrap_or_else(|| panic!("no row {name}: {facts:?}"))
}

/// A current pem as the kubelet writes it: certificate, then key.
fn kubelet_pem(master: &mut Master) {
    let pair = master.ca.leaf("system:node:m1");
    let both = format!("{}{}", pair.cert, pair.key);
    master
        .tree
        .write("/var/lib/kubelet/pki/kubelet-client-2020-11-22.pem", both);
    master.tree.link(
        "/var/lib/kubelet/pki/kubelet-client-current.pem",
        "kubelet-client-2020-11-22.pem",
    );
    master.tree.pair("/var/lib/kubelet/pki/kubelet", &pair);
    master.keys.push(pair);
}

#[test]
fn a_whole_master() {
    let mut master = master();
    kubelet_pem(&mut master);
    let facts = read(&master.tree, &master.keys);
    assert_eq!(
        facts.len(),
        15,
        "{:?}",
        facts.iter().map(|f| &f.name).collect::<Vec<_>>()
    );
    for fact in &facts {
        assert_eq!(fact.key, KeyMatch::Match, "{}", fact.name);
        assert!(fact.modified.is_some());
    }
    for (name, signer) in [
        ("admin.conf", "ca"),
        ("etcd-peer", "etcd-ca"),
        ("front-proxy-client", "front-proxy-ca"),
    ] {
        let x509 = find(&facts, name).x509().unwrap();
        assert_eq!(x509.signed_by.as_deref(), Some(signer), "{name}");
    }
    assert_eq!(
        find(&facts, "kubelet-client").path,
        "/var/lib/kubelet/pki/kubelet-client-current.pem"
    );
}

#[test]
fn odd_files_are_rows_and_never_leak() {
    let mut master = master();
    let tree = &master.tree;
    let other = master.ca.leaf("other");
    tree.write(&format!("{PKI}/apiserver.key"), &other.key);
    std::fs::remove_file(tree.path(&format!("{PKI}/ca.key"))).unwrap();
    tree.write(&format!("{PKI}/etcd/server.crt"), "not a certificate\n");
    std::fs::remove_file(tree.path(&format!("{PKI}/etcd/peer.crt"))).unwrap();
    std::fs::create_dir(tree.path(&format!("{PKI}/etcd/peer.crt"))).unwrap();
    tree.link("/var/lib/kubelet/pki/kubelet-client-current.pem", "/gone away/x.pem");
    // A cut certificate that runs into a key: the worst file to print.
    let cut = master.keys[1].cert.lines().take(3).collect::<Vec<_>>().join("\n") + "\n";
    tree.write(
        &format!("{PKI}/apiserver-kubelet-client.crt"),
        format!("{cut}{}", other.key),
    );
    let windows = master.keys[2].cert.replace('\n', "\r\n");
    tree.write(&format!("{PKI}/front-proxy-client.crt"), windows);
    std::fs::remove_file(tree.path("/etc/kubernetes/scheduler.conf")).unwrap();
    tree.write("/etc/kubernetes/controller-manager.conf", "users: []\n");
    master.keys.push(other);

    let facts = read(&master.tree, &master.keys);
    assert_eq!(find(&facts, "apiserver").key, KeyMatch::Mismatch);
    assert_eq!(find(&facts, "ca").key, KeyMatch::Absent);
    let state = |name| find(&facts, name).state.to_string();
    assert_eq!(state("etcd-server"), "unreadable: holds no certificate");
    assert_eq!(state("etcd-peer"), "unreadable: is a directory");
    assert_eq!(state("kubelet-client"), "dangling symlink to /gone away/x.pem");
    assert_eq!(state("apiserver-kubelet-client"), "unreadable: holds no certificate");
    assert_eq!(state("scheduler.conf"), "missing");
    assert_eq!(
        state("controller-manager.conf"),
        "unreadable: holds no client certificate"
    );
    assert_eq!(find(&facts, "front-proxy-client").key, KeyMatch::Match, "CRLF");
}

#[test]
fn a_worker_has_only_what_it_needs() {
    let (tree, ca) = (Tree::new(), Authority::new("kubernetes"));
    tree.write(&format!("{PKI}/ca.crt"), &ca.pair.cert);
    std::fs::create_dir_all(tree.path("/etc/kubernetes/manifests")).unwrap();
    let pair = ca.leaf("system:node:w1");
    tree.write("/etc/kubernetes/kubelet.conf", kubeconfig(&pair));
    tree.pair("/var/lib/kubelet/pki/kubelet", &pair);
    let facts = read(&tree, std::slice::from_ref(&pair));
    let names: Vec<&str> = facts.iter().map(|f| f.name.as_str()).collect();
    assert_eq!(names, ["ca", "kubelet-client", "kubelet-serving"]);
    assert_eq!((facts[0].key, facts[1].key), (KeyMatch::Absent, KeyMatch::Match));
    assert_eq!(facts[1].path, "/etc/kubernetes/kubelet.conf");
    assert_eq!(facts[1].x509().unwrap().signed_by.as_deref(), Some("ca"));
}

#[test]
fn a_certificate_left_in_kubelet_conf_is_its_own_row() {
    let mut master = master();
    kubelet_pem(&mut master);
    let old = master.ca.leaf("system:node:m1");
    master.tree.write("/etc/kubernetes/kubelet.conf", kubeconfig(&old));
    let facts = read(&master.tree, &master.keys);
    assert!(find(&facts, "kubelet.conf").x509().is_some());
    // The usual kubelet.conf names the pem: no further row.
    let usual = "users:\n- user:\n    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem\n";
    master.tree.write("/etc/kubernetes/kubelet.conf", usual);
    assert!(
        read(&master.tree, &master.keys)
            .iter()
            .all(|f| f.name != "kubelet.conf")
    );
}

#[test]
fn the_kubelet_may_name_its_serving_certificate() {
    let master = master();
    let pair = master.ca.leaf("kubelet of its own");
    master.tree.pair("/etc/kubelet/own", &pair);
    master
        .tree
        .pair("/var/lib/kubelet/pki/kubelet", &master.ca.leaf("left behind"));
    let config = "kind: KubeletConfiguration\ntlsCertFile: \"/etc/kubelet/own.crt\"\ntlsPrivateKeyFile: /etc/kubelet/own.key # ours\n";
    master.tree.write("/var/lib/kubelet/config.yaml", config);
    let fact = find(&read(&master.tree, std::slice::from_ref(&pair)), "kubelet-serving").clone();
    assert_eq!(
        (fact.path.as_str(), fact.key),
        ("/etc/kubelet/own.crt", KeyMatch::Match)
    );
    // A flag wins.
    master.tree.write(
        "/var/lib/kubelet/kubeadm-flags.env",
        "X=\"--tls-cert-file=/etc/kubelet/none.crt --v=2\"\n",
    );
    let fact = find(&read(&master.tree, &[pair]), "kubelet-serving").clone();
    assert_eq!(
        (fact.path.as_str(), fact.state),
        ("/etc/kubelet/none.crt", CertificateState::Missing)
    );
}

#[test]
fn a_kubeconfig_may_name_files() {
    let master = master();
    let pair = master.ca.leaf("admin");
    master.tree.pair("/etc/kubernetes/files/admin", &pair);
    let conf = "users:\n- user:\n    client-certificate: \"files/admin.crt\"\n    client-key: files/admin.key\n";
    master.tree.write("/etc/kubernetes/admin.conf", conf);
    let fact = find(&read(&master.tree, &[pair]), "admin.conf").clone();
    assert_eq!(
        (fact.path.as_str(), fact.key),
        ("/etc/kubernetes/files/admin.crt", KeyMatch::Match)
    );
}

#[test]
fn an_etcd_host_and_a_master_with_external_etcd() {
    let master = master();
    for file in ["apiserver.crt", "../admin.conf", "../manifests/kube-apiserver.yaml"] {
        std::fs::remove_file(master.tree.path(&format!("{PKI}/{file}"))).unwrap();
    }
    let facts = read(&master.tree, &master.keys);
    assert!(
        facts
            .iter()
            .all(|f| !["apiserver", "admin.conf", "scheduler.conf"].contains(&f.name.as_str()))
    );
    assert!(find(&facts, "etcd-server").x509().is_some());

    let external = self::master();
    for file in ["etcd/server.crt", "etcd/peer.crt", "../manifests/etcd.yaml"] {
        std::fs::remove_file(external.tree.path(&format!("{PKI}/{file}"))).unwrap();
    }
    let facts = read(&external.tree, &external.keys);
    assert!(
        facts
            .iter()
            .all(|f| !f.name.starts_with("etcd-") || f.name == "etcd-ca")
    );
    assert!(find(&facts, "apiserver-etcd-client").x509().is_some());
}

#[test]
fn rsa_keys_of_openssl_and_a_host_without_openssl() {
    let tree = Tree::new();
    let (key, cert) = (tree.state("key"), tree.state("cert"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "3650",
            "-subj",
            "/CN=kubernetes",
            "-keyout",
        ])
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output();
    if !made.is_ok_and(|o| o.status.success()) {
        return;
    }
    let pair = Pair {
        cert: std::fs::read_to_string(cert).unwrap(),
        key: std::fs::read_to_string(key).unwrap(),
    };
    tree.pair(&format!("{PKI}/ca"), &pair);
    let fact = find(&read(&tree, std::slice::from_ref(&pair)), "ca").clone();
    assert_eq!(fact.key, KeyMatch::Match);
    assert_eq!(fact.x509().unwrap().signed_by.as_deref(), Some("ca"));

    // PATH without openssl: everything else must go on.
    for program in ["sh", "stat", "sed", "tr", "readlink", "base64"] {
        let _ = std::os::unix::fs::symlink(format!("/usr/bin/{program}"), tree.state("bin").join(program));
    }
    let path = tree.state("bin").display().to_string();
    let output = tree.run_with_path(&["/bin/sh"], &scripts::READ_CERTIFICATES, &[PKI], &path);
    let facts = certificates_on_disk::parse(&output).unwrap();
    assert_eq!(find(&facts, "ca").key, KeyMatch::Unknown);
    assert!(matches!(find(&facts, "ca").state, CertificateState::Present(_)));
}

#[test]
fn files_that_flags_name_are_read_where_they_are() {
    for shell in shells() {
        let master = master();
        let own = Authority::new("somebody else").leaf("api.example");
        master.tree.pair("/etc/ssl/api", &own);
        master.tree.write(
            "/etc/kubernetes/manifests/kube-apiserver.yaml",
            "    - kube-apiserver\n    - --tls-cert-file=/etc/ssl/api.crt\n    - --tls-private-key-file=/etc/ssl/api.key\n    \
             - --etcd-certfile=/in/the/container/only.crt\n    - --proxy-client-cert-file=/etc/kubernetes/pki/front-proxy-client.crt\n",
        );
        let output = master.tree.run(&shell, &scripts::READ_CERTIFICATES, &[PKI]);
        assert_no_key(&said(&output), &[&own]);
        let rows = certificates_on_disk::parse(&output).unwrap();
        let row = |name: &str| rows.iter().find(|r| r.name == name).unwrap();
        let api = row("apiserver");
        assert_eq!(
            (api.path.as_str(), api.key),
            ("/etc/ssl/api.crt", KeyMatch::Match),
            "{shell:?}"
        );
        assert!(api.is_own(PKI) && api.x509().unwrap().signed_by.is_none());
        // What this host does not have at that path is looked for at kubeadm's.
        for name in ["apiserver-etcd-client", "front-proxy-client", "etcd-server"] {
            assert!(!row(name).is_own(PKI), "{name}");
            assert_eq!(row(name).key, KeyMatch::Match, "{name}");
        }
    }
}

#[test]
fn kubeadms_file_by_another_name_is_still_kubeadms() {
    for shell in shells() {
        let master = master();
        master.tree.write(
            "/etc/kubernetes/manifests/etcd.yaml",
            "    - etcd\n    - --cert-file=/etc/etcd/server.crt\n    - --peer-cert-file=/etc/etcd/peer.crt\n",
        );
        master
            .tree
            .link("/etc/etcd/server.crt", "../kubernetes/pki/etcd/server.crt");
        let own = Authority::new("somebody else").leaf("e1");
        master.tree.pair("/etc/etcd/peer", &own);
        let rows = certificates_on_disk::parse(&master.tree.run(&shell, &scripts::READ_CERTIFICATES, &[PKI])).unwrap();
        let path = |name: &str| find(&rows, name).path.clone();
        assert_eq!(path("etcd-server"), format!("{PKI}/etcd/server.crt"), "{shell:?}");
        assert_eq!(path("etcd-peer"), "/etc/etcd/peer.crt", "{shell:?}");
    }
}

#[test]
fn what_an_etcd_of_earlier_days_left_is_nobodys_certificate() {
    let master = master();
    let tree = &master.tree;
    let member = || {
        let facts = read(&master.tree, &master.keys);
        let of_member = |f: &&CertificateFact| f.name.starts_with("etcd-") && f.name != "etcd-ca";
        assert!(facts.iter().any(|f| f.name == "etcd-ca") && facts.iter().any(|f| f.name == "apiserver-etcd-client"));
        facts.iter().filter(of_member).count()
    };
    let served_by = |urls: &str| {
        tree.write(
            "/etc/kubernetes/manifests/kube-apiserver.yaml",
            format!("    - kube-apiserver\n    - --etcd-servers={urls}\n"),
        );
    };
    let manifest = tree.path("/etc/kubernetes/manifests/etcd.yaml");
    // Its own manifest counts, whatever the API server was told.
    served_by("https://10.0.0.31:2379,https://10.0.0.32:2379");
    assert_eq!(member(), 3);
    std::fs::remove_file(&manifest).unwrap();
    assert_eq!(member(), 0);
    // Moved away by hand.
    for own in ["https://127.0.0.1:2379", "https://[::1]:2379", "https://localhost:2379"] {
        served_by(own);
        assert_eq!(member(), 3, "{own}");
    }
    // Moved away by a run.
    served_by("https://10.0.0.31:2379");
    tree.write("/etc/kubernetes/certfleet-parked/run-1/etcd.yaml", "x");
    assert_eq!(member(), 3);
    std::fs::remove_dir_all(tree.path("/etc/kubernetes/certfleet-parked")).unwrap();
    // The manifest that would tell is away, too.
    std::fs::remove_file(tree.path("/etc/kubernetes/manifests/kube-apiserver.yaml")).unwrap();
    assert_eq!(member(), 3);
}

/// A comment names a file that is still there, and a flag that is given twice counts as the component takes it: the last one.
#[test]
fn a_comment_is_no_flag_and_of_two_the_last_counts() {
    let manifests = [
        "    # - --tls-cert-file=/etc/ssl/old.crt\n    - --tls-cert-file=/etc/ssl/api.crt\n#   - --tls-cert-file=/etc/ssl/old.crt\n",
        "    - \"--tls-cert-file=/etc/ssl/old.crt\"\n    - '--tls-cert-file=/etc/ssl/api.crt' # not --tls-cert-file=/etc/ssl/old.crt\n",
    ];
    let master = master();
    let authority = Authority::new("somebody else");
    let (old, own) = (authority.leaf("old.example"), authority.leaf("api.example"));
    master.tree.pair("/etc/ssl/old", &old);
    master.tree.pair("/etc/ssl/api", &own);
    for (shell, flags) in shells().iter().flat_map(|s| manifests.iter().map(move |m| (s, m))) {
        let text = format!("    - kube-apiserver\n    - --tls-private-key-file=/etc/ssl/api.key\n{flags}");
        master.tree.write("/etc/kubernetes/manifests/kube-apiserver.yaml", text);
        let output = master.tree.run(shell, &scripts::READ_CERTIFICATES, &[PKI]);
        let rows = certificates_on_disk::parse(&output).unwrap();
        let api = find(&rows, "apiserver");
        assert_eq!(
            (api.path.as_str(), api.key),
            ("/etc/ssl/api.crt", KeyMatch::Match),
            "{shell:?}: {flags}"
        );
    }
    // Commented out altogether, or taken back: kubeadm's own file, which is renewed.
    for flags in [
        "    # - --tls-cert-file=/etc/ssl/old.crt\n",
        "    - --tls-cert-file=/etc/ssl/old.crt\n    - --tls-cert-file=\n",
    ] {
        master
            .tree
            .write("/etc/kubernetes/manifests/kube-apiserver.yaml", flags);
        let api = find(&read(&master.tree, &master.keys), "apiserver").clone();
        assert!(
            !api.is_own(PKI) && api.path == format!("{PKI}/apiserver.crt"),
            "{flags}: {}",
            api.path
        );
    }
}
