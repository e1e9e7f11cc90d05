//! certfleet:facts, read back by its own probe.

use std::os::unix::net::UnixListener;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use certfleet::model::{HostFacts, RuntimeKind, scripts};
use certfleet::probes::host_facts;

use crate::tree::{Authority, Tree, assert_no_key, said, shells};

fn read(tree: &Tree) -> HostFacts {
    let mut all = Vec::new();
    for shell in shells() {
        let output = tree.run(&shell, &scripts::FACTS, &["/etc/kubernetes/pki", "kubeadm"]);
        assert_eq!(output.stderr_text(), "", "{shell:?}");
        assert!(output.status.success());
        all.push(host_facts::parse(&"m1".into(), &output).unwrap_or_else(|e| panic!("{e}: {}", said(&output))));
    }
    // Free space changes while we look.
    for facts in &mut all {
        facts.disk_free = facts.disk_free.map(|_| 1);
    }
    assert!(all.windows(2).all(|w| w[0] == w[1]), "shells disagree: {all:?}");
    all.pop().unwrap()
}

fn master() -> Tree {
    let tree = Tree::new();
    tree.write("/etc/os-release", "NAME=Ubuntu\nPRETTY_NAME=\"Ubuntu 16.04.7 LTS\"\n");
    tree.write("/etc/machine-id", "0123456789abcdef\n");
    tree.write("/proc/sys/kernel/hostname", "m1\n");
    tree.write("/proc/sys/kernel/random/boot_id", "b00t\n");
    tree.write("/etc/kubernetes/pki/ca.crt", "x");
    for pod in ["etcd", "kube-apiserver"] {
        let text = "  - command:\n    - kube-apiserver\n    - --advertise-address=10.0.0.1\n";
        tree.write(&format!("/etc/kubernetes/manifests/{pod}.yaml"), text);
    }
    tree.write(
        "/etc/kubernetes/kubelet.conf",
        "clusters:\n- cluster:\n    server: https://vip.example.com:6443\n  name: x\n",
    );
    tree.write("/var/lib/x", "");
    tree.stub("kubeadm", "echo v1.19.3");
    tree.stub("kubelet", "echo Kubernetes v1.19.3");
    tree.stub("dockerd", "");
    tree.stub("pidof", "exit 1");
    tree.stub(
        "systemctl",
        "echo 'ExecStart={ path=/usr/bin/dockerd ; argv[]=/usr/bin/dockerd -H fd:// }'",
    );
    tree
}

#[test]
fn a_master_tells_what_it_is() {
    let tree = master();
    std::fs::create_dir_all(tree.path("/run")).unwrap();
    let _socket = UnixListener::bind(tree.path("/run/docker.sock")).unwrap();
    let facts = read(&tree);
    assert_eq!(facts.os.as_deref(), Some("Ubuntu 16.04.7 LTS"));
    assert_eq!(
        (facts.hostname.as_deref(), facts.boot_id.as_deref()),
        (Some("m1"), Some("b00t"))
    );
    assert_eq!(facts.kubeadm_version, "v1.19.3".parse().ok());
    assert_eq!(facts.kubelet_version, "v1.19.3".parse().ok());
    assert_eq!(facts.ca_key, Some(false));
    assert_eq!(facts.static_pods, ["etcd", "kube-apiserver"]);
    assert_eq!(facts.advertise_address.as_deref(), Some("10.0.0.1"));
    assert_eq!(facts.kubelet_server.as_deref(), Some("https://vip.example.com:6443"));
    assert_eq!(
        (facts.runtime, facts.live_restore),
        (Some(RuntimeKind::Docker), Some(false))
    );
    assert!(facts.disk_free.is_some());
}

#[test]
fn what_the_kubelet_calls_itself_and_which_addresses_are_the_hosts_own() {
    let tree = master();
    tree.stub(
        "ip",
        "printf '2: eth0    inet 10.0.0.21/24 brd 10.0.0.255 scope global eth0\\n2: eth0    inet6 fd00::21/64 scope global\\n'
         printf '3: docker0    inet 172.17.0.1/16 scope global docker0\\n7: kube-ipvs0    inet 10.96.0.1/32 scope global x\\n'",
    );
    let bare = read(&tree);
    assert_eq!(bare.addresses, ["10.0.0.21", "fd00::21"]);
    assert_eq!((bare.hostname_override, bare.serving_requested), (None, None));
    let text = "clusters:\n- cluster:\n    server: https://vip:6443\n  name: kubernetes\ncontexts:\n- context:\n  name: other\n\
                users:\n- name: system:node:m1\n  user:\n    client-certificate: /x\n";
    tree.write("/etc/kubernetes/kubelet.conf", text);
    tree.write(
        "/var/lib/kubelet/kubeadm-flags.env",
        "KUBELET_KUBEADM_ARGS=\"--hostname-override=a --pod-infra=x\"\n",
    );
    tree.write(
        "/etc/default/kubelet",
        "KUBELET_EXTRA_ARGS=\"--hostname-override=node-7\"\n",
    );
    tree.write(
        "/var/lib/kubelet/config.yaml",
        "kind: KubeletConfiguration\nserverTLSBootstrap: true\n",
    );
    let facts = read(&tree);
    assert_eq!(facts.hostname_override.as_deref(), Some("node-7"));
    assert_eq!(facts.kubelet_user.as_deref(), Some("system:node:m1"));
    assert_eq!(facts.serving_requested, Some(true));
    for comment in ["#", "  ;"] {
        let off = format!("{comment}KUBELET_EXTRA_ARGS=\"--hostname-override=node-8\"\n");
        tree.write("/etc/default/kubelet", off);
        assert_eq!(read(&tree).hostname_override.as_deref(), Some("a"), "{comment}");
    }
}

#[test]
fn whom_the_kubelet_believes_is_told_by_public_keys() {
    let (ours, earlier) = (Authority::new("kubernetes"), Authority::new("kubernetes"));
    let conf = |authority: &str| format!("clusters:\n- cluster:\n    {authority}\n    server: https://10.0.0.1:6443\n");
    let data = |authorities: &[&Authority]| {
        let bundle: String = authorities.iter().map(|a| a.pair.cert.as_str()).collect();
        conf(&format!("certificate-authority-data: {}", BASE64.encode(bundle)))
    };
    let tree = master();
    tree.pair("/etc/kubernetes/pki/ca", &ours.pair);
    let lost = |text: &str| {
        tree.write("/etc/kubernetes/kubelet.conf", text);
        let shape = read(&tree).shape;
        assert_eq!(shape.authority.len(), 1);
        shape.disbelieves([&shape])
    };
    assert!(!lost(&data(&[&ours])));
    assert!(!lost(&data(&[&earlier, &ours])), "a bundle");
    assert!(lost(&data(&[&earlier])));
    assert!(!lost(&conf("certificate-authority: /etc/kubernetes/pki/ca.crt")));
    assert!(!lost(&conf("insecure-skip-tls-verify: true")), "not known");
    tree.pair("/srv/other", &earlier.pair);
    assert!(lost(&conf("certificate-authority: /srv/other.crt")));

    // An API server with a certificate of its own may have it from that authority.
    let told = |flags: &str| {
        let text = format!("  - command:\n    - kube-apiserver\n{flags}");
        tree.write("/etc/kubernetes/manifests/kube-apiserver.yaml", text);
        lost(&data(&[&earlier]))
    };
    assert!(told("    - --tls-cert-file=/etc/kubernetes/pki/apiserver.crt\n"));
    assert!(told("    - '--tls-cert-file=/etc/kubernetes/pki/apiserver.crt'\r\n"));
    assert!(told(
        "    # - --tls-cert-file=/etc/ssl/api.crt\n    #- --tls-sni-cert-key=/etc/ssl/a,/etc/ssl/b\n"
    ));
    assert!(!told("    - --tls-cert-file=/etc/ssl/api.crt\n"));
    tree.link(
        "/etc/kubernetes/ssl",
        tree.path("/etc/kubernetes/pki").to_str().unwrap(),
    );
    assert!(
        told("    - --tls-cert-file=/etc/kubernetes/ssl/apiserver.crt\n"),
        "by a link"
    );
    assert!(told("    - --tls-cert-file=/etc/kubernetes/pki//apiserver.crt\n"));
    assert!(!told(
        "    - --tls-cert-file=/etc/kubernetes/pki/apiserver.crt\n    - '--tls-sni-cert-key=/etc/ssl/a.crt,/etc/ssl/a.key:api.example.com'\n"
    ));
}

#[test]
fn live_restore_is_found_in_file_and_arguments() {
    let tree = master();
    tree.write("/etc/docker/daemon.json", "{\n  \"live-restore\" :\n   true\n}\n");
    assert_eq!(read(&tree).live_restore, Some(true));
    tree.write("/etc/docker/daemon.json", "{}");
    tree.stub("pidof", "echo 4242 4243");
    tree.write("/proc/4242/cmdline", "/usr/bin/dockerd\0--live-restore\0");
    assert_eq!(read(&tree).live_restore, Some(true));
}

#[test]
fn servers_listen_where_manifests_and_the_kubelets_configuration_say() {
    let tree = master();
    let manifest = |name: &str, flags: &str| {
        let text = format!("  - command:\n    - {name}\n{flags}    image: x\n");
        tree.write(&format!("/etc/kubernetes/manifests/{name}.yaml"), text);
    };
    manifest(
        "kube-apiserver",
        "    # - --secure-port=8443\n    - --secure-port=6443\n    - --bind-address=0.0.0.0\n    - --secure-port=7443\n    # - --secure-port=9443\n",
    );
    manifest(
        "kube-scheduler",
        "    - \"--bind-address=127.0.0.1\"\n    - \"--secure-port=11259\"\n",
    );
    manifest("kube-controller-manager", "    - --bind-address=127.0.0.1\n");
    manifest(
        "etcd",
        "    - --listen-client-urls=https://127.0.0.1:12379,https://10.0.0.1:12379\n    - --listen-peer-urls=https://[fd00::1]:12380\n",
    );
    tree.write(
        "/var/lib/kubelet/config.yaml",
        "address: 0.0.0.0\nport: 10260\nreadOnlyPort: 0\nhealthzPort: 10248\n",
    );
    let told = |facts: &HostFacts| -> Vec<(String, Option<String>, u16)> {
        let listens = facts.listens.iter().cloned();
        listens.map(|l| (l.server, l.address, l.port)).collect()
    };
    let row = |server: &str, address: Option<&str>, port| (server.to_owned(), address.map(str::to_owned), port);
    assert_eq!(
        told(&read(&tree)),
        [
            row("kube-apiserver", None, 7443),
            row("kube-scheduler", Some("127.0.0.1"), 11259),
            row("etcd-client", Some("127.0.0.1"), 12379),
            row("etcd-peer", Some("fd00::1"), 12380),
            row("kubelet", None, 10260),
        ]
    );
    tree.write(
        "/var/lib/kubelet/kubeadm-flags.env",
        "X=\"--address=10.0.0.1 --port=10270\"\n",
    );
    assert_eq!(
        told(&read(&tree)).last(),
        Some(&row("kubelet", Some("10.0.0.1"), 10270)),
        "a flag wins"
    );

    manifest(
        "kube-apiserver",
        "    # - --bind-address=10.0.0.9\n    - '--bind-address=::'\n    - '--secure-port=6443'\n",
    );
    manifest(
        "kube-scheduler",
        "    - '--bind-address=::1'\r\n    - --secure-port=10259\r\n",
    );
    manifest(
        "etcd",
        "    - '--listen-client-urls=https://[::]:2379'\n    - '--listen-peer-urls=https://[fd00::1]:2380'\n",
    );
    tree.write("/var/lib/kubelet/kubeadm-flags.env", "X='--address=:: --port=10270'\n");
    assert_eq!(
        told(&read(&tree)),
        [
            row("kube-apiserver", None, 6443),
            row("kube-scheduler", Some("::1"), 10259),
            row("etcd-client", None, 2379),
            row("etcd-peer", Some("fd00::1"), 2380),
            row("kubelet", None, 10270),
        ],
        "without what YAML puts around a flag"
    );
}

#[test]
fn the_endpoint_of_the_kubelet_and_a_bare_host() {
    let tree = master();
    let flags =
        "KUBELET_KUBEADM_ARGS=\"--container-runtime-endpoint=unix:///run/containerd/containerd.sock --pod-infra=x\"\n";
    tree.write("/var/lib/kubelet/kubeadm-flags.env", flags);
    let facts = read(&tree);
    assert_eq!(facts.runtime, Some(RuntimeKind::Containerd));
    assert_eq!(facts.runtime_socket.as_deref(), Some("/run/containerd/containerd.sock"));

    let bare = read(&Tree::new());
    assert_eq!(
        (bare.kubeadm_version, bare.runtime, bare.live_restore),
        (None, None, None)
    );
    assert!(bare.hostname.is_some() && bare.static_pods.is_empty());
}

#[test]
fn etcd_elsewhere_and_other_distributions_are_told() {
    for shell in shells() {
        let tree = Tree::new();
        tree.write(
            "/etc/kubernetes/manifests/kube-apiserver.yaml",
            "    # - --etcd-servers=https://127.0.0.1:2379\n    - --etcd-servers=https://10.0.0.31:2379,https://10.0.0.32:2379\n",
        );
        tree.write("/var/lib/rancher/rke2/server/token", "x");
        let output = tree.run(&shell, &scripts::FACTS, &["/etc/kubernetes/pki", "kubeadm"]);
        let facts = certfleet::probes::host_facts::parse(&"m1".into(), &output).unwrap();
        assert_eq!(
            facts.shape.etcd_servers,
            ["https://10.0.0.31:2379", "https://10.0.0.32:2379"]
        );
        assert!(facts.shape.etcd_is_elsewhere());
        assert_eq!(facts.shape.distribution.as_deref(), Some("rke2"));
        assert!(facts.shape.parked.is_empty() && facts.shape.left_to_others.is_empty());
    }
}

#[test]
fn a_damaged_authority_never_takes_a_key_along() {
    let ca = Authority::new("kubernetes").pair;
    let half: String = ca.cert.lines().take(3).map(|l| format!("{l}\n")).collect();
    let flat: String = ca.cert.lines().collect();
    for shell in shells() {
        for damaged in [
            format!("{half}{}", ca.key),
            format!("{flat}\n{}", ca.key),
            format!("{flat}{}", ca.key.replace('\n', "")),
            format!("{}{half}{}{}", ca.key, ca.key, ca.cert),
        ] {
            let tree = master();
            tree.write("/etc/kubernetes/pki/ca.crt", &damaged);
            tree.write(
                "/etc/kubernetes/kubelet.conf",
                "clusters:\n- cluster:\n    certificate-authority: /etc/kubernetes/pki/ca.crt\n",
            );
            let output = tree.run(&shell, &scripts::FACTS, &["/etc/kubernetes/pki", "kubeadm"]);
            assert_no_key(&said(&output), &[&ca]);
            // A certificate that is whole is told, wherever it stands.
            let whole = damaged.contains(&ca.cert);
            let told = output.stdout_text().matches("-----END CERTIFICATE-----").count();
            assert_eq!(told, if whole { 2 } else { 0 }, "{shell:?}: {damaged}");
        }
    }
}

#[test]
fn what_a_server_of_k3s_or_rke2_leaves_to_others_is_told_and_nothing_else_of_its_configuration() {
    let read = |path: &str, text: &str| {
        let mut told = Vec::new();
        for shell in shells() {
            let tree = Tree::new();
            tree.write(path, text);
            let output = tree.run(&shell, &scripts::FACTS, &["/etc/kubernetes/pki", "kubeadm"]);
            assert!(!output.stdout_text().contains("K10secret"), "{shell:?}");
            let facts = certfleet::probes::host_facts::parse(&"m1".into(), &output).unwrap();
            told.push(facts.shape.left_to_others);
        }
        assert!(told.windows(2).all(|w| w[0] == w[1]), "{told:?}");
        told.remove(0)
    };
    let config = "token: K10secret\ndisable-apiserver: true\ndisable-scheduler: true\n";
    assert_eq!(read("/etc/rancher/rke2/config.yaml", config), ["disable-apiserver"]);
    let part = "\"disable-etcd\": \"true\"\n";
    assert_eq!(
        read("/etc/rancher/k3s/config.yaml.d/50-role.yaml", part),
        ["disable-etcd"]
    );
    let unit = "ExecStart=/usr/local/bin/k3s \\\n    server \\\n\t'--token=K10secret' \\\n\t'--disable-etcd' \\\n";
    assert_eq!(read("/etc/systemd/system/k3s.service", unit), ["disable-etcd"]);
    let end = "ExecStart=/usr/local/bin/k3s server --disable-apiserver\n";
    assert_eq!(
        read("/etc/systemd/system/k3s.service.d/role.conf", end),
        ["disable-apiserver"]
    );
    let none = "disable-etcd: false\n# disable-apiserver: true\netcd-disable-snapshots: true\ndisable: [traefik]\n";
    assert!(read("/etc/rancher/k3s/config.yaml", none).is_empty());
    let none =
        "# ExecStart=k3s server --disable-etcd\nExecStart=k3s server --disable-etcd=false --disable-etcd-things\n";
    assert!(read("/etc/systemd/system/k3s.service", none).is_empty());
}
