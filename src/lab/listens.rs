//! Where the servers of a node were told to listen: the flags of their manifests, the kubelet's configuration.

use crate::model::shape::ShapeFacts;

use super::file_tree::{Content, Found};
use super::node::{MANIFESTS, Node};

/// Server, and its port when nothing was said.
const SERVERS: [(&str, u16); 6] = [
    ("kube-apiserver", 6443),
    ("etcd-client", 2379),
    ("etcd-peer", 2380),
    ("kubelet", 10250),
    ("kube-controller-manager", 10257),
    ("kube-scheduler", 10259),
];

/// The server behind a port of a node.
pub(super) fn behind(node: &Node, port: u16) -> Option<&'static str> {
    let listens = |(name, default): &(&'static str, u16)| told(node, name).map_or(*default, |(_, port)| port) == port;
    SERVERS.iter().find(|s| listens(s)).map(|(name, _)| *name)
}

/// Everything that was said: server, address or `-`, port.
pub(super) fn all(node: &Node) -> Vec<(&'static str, String, u16)> {
    let one = |(name, _): &(&'static str, u16)| told(node, name).map(|(address, port)| (*name, address, port));
    SERVERS.iter().filter_map(one).collect()
}

/// Address (`-` if not told) and port.
fn told(node: &Node, server: &str) -> Option<(String, u16)> {
    match server {
        "kubelet" => {
            let text = text(node, "/var/lib/kubelet/config.yaml")?;
            let port = text.lines().find_map(|l| l.strip_prefix("port: "))?;
            Some(("-".to_owned(), port.trim().parse().ok()?))
        }
        "etcd-client" => url(node, "listen-client-urls"),
        "etcd-peer" => url(node, "listen-peer-urls"),
        component => {
            let text = text(node, &format!("{MANIFESTS}/{component}.yaml"))?;
            let address = flag(&text, "bind-address").unwrap_or_else(|| "-".to_owned());
            Some((address, flag(&text, "secure-port")?.parse().ok()?))
        }
    }
}

/// Where the API server of a node finds etcd, if it was told.
pub(super) fn etcd_servers(node: &Node) -> Vec<String> {
    let manifest = text(node, &format!("{MANIFESTS}/kube-apiserver.yaml"));
    let told = manifest.and_then(|text| flag(&text, "etcd-servers"));
    told.map_or_else(Vec::new, |urls| urls.split(',').map(str::to_owned).collect())
}

/// Whether that is on other hosts.
pub(super) fn etcd_is_elsewhere(node: &Node) -> bool {
    let shape = ShapeFacts {
        etcd_servers: etcd_servers(node),
        ..ShapeFacts::default()
    };
    shape.etcd_is_elsewhere()
}

/// The serving certificate that the API server was told to take; kubeadm's unless told otherwise.
pub(super) fn api_certificate(node: &Node) -> String {
    let manifest = text(node, &format!("{MANIFESTS}/kube-apiserver.yaml"));
    let told = manifest.and_then(|text| flag(&text, "tls-cert-file"));
    told.unwrap_or_else(|| node.pki("apiserver.crt"))
}

/// What the API server was told to show to etcd; kubeadm's unless told otherwise.
pub(super) fn etcd_client(node: &Node) -> String {
    let manifest = text(node, &format!("{MANIFESTS}/kube-apiserver.yaml"));
    let told = manifest.and_then(|text| flag(&text, "etcd-certfile"));
    told.unwrap_or_else(|| node.pki("apiserver-etcd-client.crt"))
}

fn url(node: &Node, name: &str) -> Option<(String, u16)> {
    let urls = flag(&text(node, &format!("{MANIFESTS}/etcd.yaml"))?, name)?;
    let (address, port) = urls.split(',').next()?.strip_prefix("https://")?.rsplit_once(':')?;
    Some((address.to_owned(), port.parse().ok()?))
}

fn flag(text: &str, name: &str) -> Option<String> {
    let mark = format!("--{name}=");
    let value = text.split_once(&mark)?.1;
    value.split_whitespace().next().map(str::to_owned)
}

fn text(node: &Node, path: &str) -> Option<String> {
    match node.files.find(path) {
        Found::File(file) => match &file.content {
            Content::Text(text) => Some(text.clone()),
            _ => None,
        },
        Found::Missing | Found::Dangling(_) => None,
    }
}
