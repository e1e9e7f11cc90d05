//! `certfleet:facts CERT_DIR KUBEADM`.

use crate::lab::context::Context;
use crate::lab::fleet::is_master;
use crate::lab::kubelet_files::KUBELET_CONF;
use crate::lab::node::Node;
use crate::lab::static_pods;
use crate::lab::world::World;
use crate::model::{ExitStatus, Role, RuntimeKind};

use super::kubeadm;

/// One `KEY<TAB>VALUE` line per answer.
pub(super) fn run(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let cert_dir = arguments
        .first()
        .map_or("/etc/kubernetes/pki", String::as_str)
        .to_owned();
    let kept = if kubeadm::api_answers(context) {
        None
    } else {
        context.node(kubeadm::kept_config)
    };
    let uid = if context.root { "0" } else { "1000" };
    let (lines, server, asks) = context.with(|w| {
        let node = &w.nodes[context.index];
        let mut lines = answers(node, &cert_dir);
        if node.role != Role::Etcd && node.rancher.is_none() {
            lines.push(("kubelet-ca", believed(w, node)));
        }
        (lines, kubelet_server(w, node), w.config.serving_requests.is_some())
    });
    let joined = context.node(|n| n.role != Role::Etcd);
    let mut text = format!("uid\t{uid}\n");
    for (key, value) in lines
        .into_iter()
        .chain(server.filter(|_| joined).map(|s| ("kubelet-server", s)))
        .chain(asks.then(|| ("serving-requested", "true".to_owned())))
        .chain(kept.map(|path| ("kubeadm-config", path)))
    {
        text += &[key, "\t", &value, "\n"].concat();
    }
    context.out(text);
    ExitStatus::Code(0)
}

/// What kubelet.conf names; k3s and RKE2 have none.
fn kubelet_server(world: &World, node: &Node) -> Option<String> {
    let one = |master: usize| format!("https://{}:6443", world.nodes[master].address);
    let all = || format!("https://{}", world.endpoint);
    node.rancher.is_none().then(|| node.direct.map_or_else(all, one))
}

/// Without kubeadm, its kubelet and its manifests.
fn rancher_answers(node: &Node, distribution: &str) -> Vec<(&'static str, String)> {
    vec![
        ("hostname", node.name.to_string()),
        ("machine-id", node.machine_id.clone()),
        ("boot-id", uuid(&node.boot_id)),
        ("os", "Ubuntu 22.04.4 LTS".to_owned()),
        ("ca-key", "absent".to_owned()),
        ("ca-crt", "absent".to_owned()),
        ("disk-free", node.disk_free.to_string()),
        ("crictl", "absent".to_owned()),
        ("curl", "present".to_owned()),
        ("openssl", "present".to_owned()),
        ("address", node.address.clone()),
        ("distribution", distribution.to_owned()),
    ]
}

fn answers(node: &Node, cert_dir: &str) -> Vec<(&'static str, String)> {
    if let Some(own) = &node.rancher {
        return rancher_answers(node, own.kind.name());
    }
    let present = |there: bool| if there { "present" } else { "absent" }.to_owned();
    let docker = node.runtime == RuntimeKind::Docker;
    let mut lines = vec![
        ("hostname", node.name.to_string()),
        ("machine-id", node.machine_id.clone()),
        ("boot-id", uuid(&node.boot_id)),
        ("os", "Ubuntu 18.04.5 LTS".to_owned()),
        ("kubeadm", node.kube.to_string()),
        ("kubelet", format!("Kubernetes {}", node.kube)),
        (
            "ca-key",
            present(node.files.entry(&format!("{cert_dir}/ca.key")).is_some()),
        ),
        (
            "ca-crt",
            present(node.files.entry(&format!("{cert_dir}/ca.crt")).is_some()),
        ),
        ("disk-free", node.disk_free.to_string()),
        ("crictl", present(!docker && !node.without_client)),
        ("curl", present(true)),
        ("openssl", present(true)),
    ];
    lines.extend(node.manifests().into_iter().map(|name| ("static-pod", name)));
    if node.role != Role::Etcd {
        lines.push(("kubelet-user", kubelet_user(node)));
    }
    let servers = crate::lab::listens::etcd_servers(node);
    lines.extend(servers.into_iter().map(|url| ("etcd-server", url)));
    if let Some(ca) = node.files.entry(&format!("{cert_dir}/ca.crt")) {
        lines.push(("cluster-ca", ca.content.text().replace('\n', "")));
        if is_master(node) && crate::lab::listens::api_certificate(node) != format!("{cert_dir}/apiserver.crt") {
            lines.push(("serves-another", "yes".to_owned()));
        }
    }
    lines.push(("address", node.address.clone()));
    for path in static_pods::parked(node) {
        let name = path
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .trim_end_matches(".yaml")
            .to_owned();
        lines.extend([("parked", path), ("static-pod", name)]);
    }
    if is_master(node) {
        lines.push(("advertise-address", node.address.clone()));
    }
    let told = crate::lab::listens::all(node).into_iter();
    lines.extend(told.map(|(server, address, port)| ("listen", format!("{server}\t{address}\t{port}"))));
    if docker {
        lines.push(("live-restore", node.live_restore.to_string()));
    }
    lines.extend(runtime_endpoint(node).map(|endpoint| ("runtime-endpoint", endpoint.to_owned())));
    lines.extend(sockets(node).into_iter().map(|path| ("socket", path.to_owned())));
    lines
}

/// The authority in kubelet.conf, as the script prints it.
fn believed(world: &World, node: &Node) -> String {
    let foreign = world.config.foreign_ca.iter().any(|h| h == node.name.as_str());
    let authority = if foreign { &world.pki.front_proxy } else { &world.pki.ca };
    authority.pem.replace('\n', "")
}

/// `kubeadm init` named it for the node, `kubeadm join` did not.
fn kubelet_user(node: &Node) -> String {
    let inside = node.files.leaf(KUBELET_CONF);
    inside.map_or_else(|| "default-auth".to_owned(), |leaf| leaf.spec.common_name.clone())
}

/// A socket file is there while its service runs; docker's also while its socket unit listens, dockershim's with the kubelet.
fn sockets(node: &Node) -> Vec<&'static str> {
    let docker = node.runtime == RuntimeKind::Docker;
    let shim = if node.kube.minor < 24 {
        "/run/dockershim.sock"
    } else {
        "/run/cri-dockerd.sock"
    };
    let there = [
        (
            docker && (node.runtime_up() || node.active("docker.socket")),
            "/run/docker.sock",
        ),
        (docker && node.active("kubelet"), shim),
        (node.active("containerd"), "/run/containerd/containerd.sock"),
        (node.active("crio"), "/run/crio/crio.sock"),
    ];
    there
        .into_iter()
        .filter(|(there, _)| *there)
        .map(|(_, path)| path)
        .collect()
}

/// The kubelet's flag; dockershim needed none.
fn runtime_endpoint(node: &Node) -> Option<&'static str> {
    match node.runtime {
        RuntimeKind::Docker if node.kube.minor < 24 => None,
        RuntimeKind::Docker => Some("unix:///run/cri-dockerd.sock"),
        RuntimeKind::Containerd => Some("unix:///run/containerd/containerd.sock"),
        RuntimeKind::CriO => Some("unix:///run/crio/crio.sock"),
    }
}

/// `/proc/sys/kernel/random/boot_id` has dashes, journald's form has none.
pub(super) fn uuid(hex: &str) -> String {
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")
}
