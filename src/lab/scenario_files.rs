//! The files of a scenario's hosts.

use std::sync::Arc;

use jiff::Timestamp;

use crate::model::Role;

use super::clock::{DAY, shift};
use super::config::Scenario;
use super::etcd_files;
use super::file_tree::Content;
use super::kubelet_files::KUBELET_CONF;
use super::node::KUBELET_CLIENT;
use super::pki::{LabError, Leaf, LeafSpec, Signer};
use super::static_pods::{COMPONENTS, HAPROXY, KUBE_VIP, manifest};
use super::story::Story;
use super::world::World;

/// What every node has; the kubelet of an etcd host belongs to no cluster.
pub(super) fn put_kubelet_files(world: &mut World, index: usize, story: &Story) -> Result<(), LabError> {
    let name = world.nodes[index].name.to_string();
    let serving = LeafSpec::server(format!("{name}@{}", story.created.as_second()), vec![name], Signer::Own);
    let serving = world.issue(serving, story.created, shift(story.created, 3650 * DAY))?;
    let asks = if world.config.serving_requests.is_some() {
        "serverTLSBootstrap: true\n"
    } else {
        ""
    };
    let config = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nrotateCertificates: true\nstaticPodPath: /etc/kubernetes/manifests\n";
    let live_restore = world.config.live_restore;
    let files = &mut world.nodes[index].files;
    files.put(
        "/var/lib/kubelet/pki/kubelet.crt",
        Content::Certificate(Arc::clone(&serving)),
        story.created,
    );
    files.put("/var/lib/kubelet/pki/kubelet.key", Content::Key(serving), story.created);
    let mut texts = vec![
        ("/var/lib/kubelet/config.yaml", format!("{config}{asks}")),
        (
            "/etc/os-release",
            "PRETTY_NAME=\"Ubuntu 18.04.5 LTS\"\nID=ubuntu\n".to_owned(),
        ),
    ];
    if live_restore {
        texts.push(("/etc/docker/daemon.json", "{\"live-restore\": true}\n".to_owned()));
    }
    for (path, text) in texts {
        files.put(path, Content::Text(text), story.created);
    }
    if world.nodes[index].role == Role::Etcd {
        return Ok(());
    }
    put_client_files(world, index, story)
}

/// What a kubelet needs to talk to the API.
fn put_client_files(world: &mut World, index: usize, story: &Story) -> Result<(), LabError> {
    let (name, now) = (world.nodes[index].name.to_string(), world.clock.wall(0));
    let expired = world.config.scenario == Scenario::KubeletExpired || world.config.expired_kubelets.contains(&name);
    let until = if expired {
        shift(now, -3600)
    } else {
        shift(now, 219 * DAY)
    };
    let from = shift(until, -365 * DAY);
    let spec = LeafSpec::client(format!("system:node:{name}"), Some("system:nodes"), Signer::Ca);
    let client = world.issue(spec, from, until)?;
    let dated = format!("kubelet-client-{}.pem", from.strftime("%Y-%m-%d-%H-%M-%S"));
    let kubeconfig = if world.config.scenario == Scenario::KubeletEmbedded && index == 0 {
        embedded(world, &client, story)?
    } else {
        Content::Text(kubelet_conf(&format!("https://{}", world.endpoint)))
    };
    let ca = world.nodes[index].pki("ca.crt");
    let files = &mut world.nodes[index].files;
    files.put(format!("/var/lib/kubelet/pki/{dated}"), Content::Bundle(client), from);
    files.put(
        KUBELET_CLIENT,
        Content::Link(format!("/var/lib/kubelet/pki/{dated}")),
        from,
    );
    files.put(KUBELET_CONF, kubeconfig, story.created);
    files.put(ca, Content::CaCertificate(Arc::clone(&world.pki.ca)), story.created);
    Ok(())
}

/// As `kubeadm init` left it before 1.17: the first certificate of this kubelet, which nobody renews there.
fn embedded(world: &mut World, client: &Leaf, story: &Story) -> Result<Content, LabError> {
    let (from, until) = (story.created, shift(story.created, 365 * DAY));
    Ok(Content::Kubeconfig {
        server: format!("https://{}", world.endpoint),
        ca: Arc::clone(&world.pki.ca),
        leaf: world.issue(client.spec.clone(), from, until)?,
    })
}

/// As `kubeadm join` leaves it: the certificate is found by its path.
pub(super) fn kubelet_conf(server: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\nclusters:\n- cluster:\n    server: {server}\n  name: kubernetes\nusers:\n\
         - name: default-auth\n  user:\n    client-certificate: {KUBELET_CLIENT}\n    client-key: {KUBELET_CLIENT}\n"
    )
}

/// A file that holds a leaf on a master: where, and what for.
struct Place {
    path: String,
    spec: LeafSpec,
    kubeconfig: bool,
}

fn places(world: &World, index: usize) -> Vec<Place> {
    let node = &world.nodes[index];
    let (name, address) = (node.name.to_string(), node.address.clone());
    let vip = world.endpoint.split(':').next().unwrap_or_default().to_owned();
    let file = |path: &str, spec| Place {
        path: node.pki(&format!("{path}.crt")),
        spec,
        kubeconfig: false,
    };
    let conf = |path: &str, user: &str, group| Place {
        path: format!("/etc/kubernetes/{path}"),
        spec: LeafSpec::client(user, group, Signer::Ca),
        kubeconfig: true,
    };
    let own = |items: &[&str]| items.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    let service = own(&[
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "10.96.0.1",
    ]);
    let api = [vec![name.clone()], service, vec![address.clone(), vip]].concat();
    let member = etcd_files::leaves(&name, &address).map(|(path, spec)| file(path, spec));
    if node.role == Role::Etcd {
        return member.into();
    }
    let admins = if world.config.kubernetes.minor >= 29 {
        "kubeadm:cluster-admins"
    } else {
        "system:masters"
    };
    let mut places = vec![
        file("apiserver", LeafSpec::server("kube-apiserver", api, Signer::Ca)),
        file(
            "apiserver-kubelet-client",
            LeafSpec::client("kube-apiserver-kubelet-client", Some("system:masters"), Signer::Ca),
        ),
        file(
            "front-proxy-client",
            LeafSpec::client("front-proxy-client", None, Signer::FrontProxyCa),
        ),
        file(
            "apiserver-etcd-client",
            LeafSpec::client("kube-apiserver-etcd-client", Some("system:masters"), Signer::EtcdCa),
        ),
        conf("admin.conf", "kubernetes-admin", Some(admins)),
        conf("controller-manager.conf", "system:kube-controller-manager", None),
        conf("scheduler.conf", "system:kube-scheduler", None),
    ];
    if world.config.etcd == 0 {
        places.extend(member);
    }
    if world.config.kubernetes.minor >= 29 && index == 0 {
        places.push(conf(
            "super-admin.conf",
            "kubernetes-super-admin",
            Some("system:masters"),
        ));
    }
    places
}

/// Writes the leaves of one validity; the processes that started with them are started in between.
pub(super) fn put_leaves(
    world: &mut World,
    index: usize,
    (from, until): (Timestamp, Timestamp),
) -> Result<(), LabError> {
    for place in places(world, index) {
        let leaf = world.issue(place.spec, shift(from, -300), until)?;
        put_leaf(world, index, &place.path, place.kubeconfig, leaf, from);
    }
    Ok(())
}

fn put_leaf(world: &mut World, index: usize, path: &str, kubeconfig: bool, leaf: Arc<Leaf>, modified: Timestamp) {
    let server = format!("https://{}", world.endpoint);
    let ca = Arc::clone(&world.pki.ca);
    let files = &mut world.nodes[index].files;
    if kubeconfig {
        files.put(path, Content::Kubeconfig { server, ca, leaf }, modified);
        return;
    }
    files.put(path.replace(".crt", ".key"), Content::Key(Arc::clone(&leaf)), modified);
    files.put(path, Content::Certificate(leaf), modified);
}

/// What a master has besides, as of `kubeadm init`.
pub(super) fn put_master_files(world: &mut World, index: usize, story: &Story) -> Result<(), LabError> {
    put_leaves(world, index, story.in_use)?;
    let (external, elsewhere) = (world.config.external_ca, world.config.etcd > 0);
    let manifests: Vec<(&str, String)> = COMPONENTS
        .into_iter()
        .filter(|c| *c != "etcd" || !elsewhere)
        .map(|c| (c, manifest_text(c, &flags(world, index, c))))
        .collect();
    let pki = [
        ("ca", &world.pki.ca),
        ("etcd/ca", &world.pki.etcd),
        ("front-proxy-ca", &world.pki.front_proxy),
    ];
    for (name, authority) in pki {
        let (certificate, key) = (
            world.nodes[index].pki(&format!("{name}.crt")),
            world.nodes[index].pki(&format!("{name}.key")),
        );
        let files = &mut world.nodes[index].files;
        files.put(
            certificate,
            Content::CaCertificate(Arc::clone(authority)),
            story.created,
        );
        let absent = external || (elsewhere && name == "etcd/ca");
        if !absent {
            files.put(key, Content::CaKey(Arc::clone(authority)), story.created);
        }
    }
    let files = &mut world.nodes[index].files;
    for (component, text) in manifests {
        files.put(manifest(component), Content::Text(text), story.created);
    }
    if world.config.haproxy {
        let text = Content::Text(manifest_text(HAPROXY, &[]));
        files.put(manifest(HAPROXY), text, story.created);
    }
    if world.config.kube_vip {
        let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: kube-vip\n  namespace: kube-system\nspec:\n  containers:\n  - args:\n    - manager\n    \
                    image: ghcr.io/kube-vip/kube-vip:v0.6.4\n    name: kube-vip\n  volumes:\n  - hostPath:\n      path: /etc/kubernetes/admin.conf\n    name: kubeconfig\n";
        files.put(manifest(KUBE_VIP), Content::Text(text.to_owned()), story.created);
    }
    if world.config.kept_config {
        let text = kubeadm_config(&world.config.cert_dir, world.config.validity_days);
        files.put(
            format!("{KEPT}/kubeadm-config.yaml"),
            Content::Text(text),
            story.created,
        );
    }
    Ok(())
}

/// The backup of a healthy day.
const KEPT: &str = "/var/lib/certfleet/backups/20200101T000000Z-renew-0000";

/// What kubeadm keeps in the cluster, as far as the lab goes by it.
pub(super) fn kubeadm_config(cert_dir: &str, validity_days: i64) -> String {
    format!(
        "apiVersion: kubeadm.k8s.io/v1beta4\ncertificateValidityPeriod: {}h0m0s\ncertificatesDir: {cert_dir}\nkind: ClusterConfiguration\n",
        validity_days * 24
    )
}

/// What a component is told on its command line, as far as anybody reads it.
fn flags(world: &World, index: usize, component: &str) -> Vec<String> {
    if component != "kube-apiserver" {
        return Vec::new();
    }
    let mut flags = vec![format!("--advertise-address={}", world.nodes[index].address)];
    let servers = etcd_files::servers(&world.config);
    if !servers.is_empty() {
        flags.push(format!("--etcd-servers={}", servers.join(",")));
    }
    flags
}

pub(super) fn manifest_text(component: &str, flags: &[String]) -> String {
    let flags: String = flags.iter().map(|f| format!("    - {f}\n")).collect();
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  labels:\n    component: {component}\n    tier: control-plane\n  name: {component}\n  \
         namespace: kube-system\nspec:\n  containers:\n  - command:\n    - {component}\n{flags}    name: {component}\n  hostNetwork: true\n"
    )
}
