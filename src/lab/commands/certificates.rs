//! `certfleet:read-certificates CERT_DIR`: public parts only.

use crate::lab::context::Context;
use crate::lab::file_tree::{Content, File, Found};
use crate::lab::fleet::is_master;
use crate::lab::kubelet_files::KUBELET_CONF;
use crate::lab::listens::{api_certificate, etcd_client, etcd_is_elsewhere};
use crate::lab::node::{KUBELET_CLIENT, MANIFESTS, Node};
use crate::lab::serving_requests::SERVING as REQUESTED;
use crate::lab::static_pods::parked;
use crate::model::{ExitStatus, Role};

/// Rows of a master, in the script's order: name, and path below the certificate directory or absolute.
const MASTER: [(&str, &str); 14] = [
    ("apiserver", "apiserver.crt"),
    ("apiserver-kubelet-client", "apiserver-kubelet-client.crt"),
    ("front-proxy-client", "front-proxy-client.crt"),
    ("apiserver-etcd-client", "apiserver-etcd-client.crt"),
    ("admin.conf", "/etc/kubernetes/admin.conf"),
    ("controller-manager.conf", "/etc/kubernetes/controller-manager.conf"),
    ("scheduler.conf", "/etc/kubernetes/scheduler.conf"),
    ("super-admin.conf", "/etc/kubernetes/super-admin.conf"),
    ("etcd-server", "etcd/server.crt"),
    ("etcd-peer", "etcd/peer.crt"),
    ("etcd-healthcheck-client", "etcd/healthcheck-client.crt"),
    ("ca", "ca.crt"),
    ("etcd-ca", "etcd/ca.crt"),
    ("front-proxy-ca", "front-proxy-ca.crt"),
];
const SERVING: &str = "/var/lib/kubelet/pki/kubelet.crt";

/// Prints every row.
pub(super) fn run(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let cert_dir = arguments
        .first()
        .map_or("/etc/kubernetes/pki", String::as_str)
        .trim_end_matches('/')
        .to_owned();
    let root = context.root;
    // The script's own way to read a copy of a host.
    let prefix = context.environment.get("CERTFLEET_ROOT").cloned().unwrap_or_default();
    let text: String = context.node(|n| {
        let rows = rows(n);
        rows.iter()
            .map(|(name, path)| {
                let told = match *name {
                    _ if !prefix.is_empty() => None,
                    "apiserver" => Some(api_certificate(n)),
                    "apiserver-etcd-client" => Some(etcd_client(n)),
                    _ => None,
                };
                let own = told.filter(|told| *told != n.pki(path));
                let path = own.unwrap_or_else(|| absolute(&cert_dir, path));
                row(n, name, &format!("{prefix}{path}"), root)
            })
            .collect()
    });
    context.out(text);
    ExitStatus::Code(0)
}

/// A worker has the CA that kubeadm join gave it; super-admin.conf is where it is; members of etcd have its certificates.
fn rows(node: &Node) -> Vec<(&'static str, &'static str)> {
    let there = |path: &str| node.files.entry(&node.pki(path)).is_some();
    let manifest = |folder: &str| node.files.entry(&format!("{folder}/etcd.yaml")).is_some();
    let parked = || parked(node).iter().any(|path| path.ends_with("/etcd.yaml"));
    let left = || !etcd_is_elsewhere(node) && (there("etcd/server.crt") || there("etcd/peer.crt"));
    let member = manifest(MANIFESTS) || parked() || left();
    let wanted = |name: &str, path: &str| match name {
        "super-admin.conf" => node.files.entry(path).is_some(),
        "ca" => node.role != Role::Etcd,
        "etcd-ca" => member || there(path),
        "apiserver-etcd-client" => is_master(node) && (there(path) || manifest(MANIFESTS)),
        etcd if etcd.starts_with("etcd-") => member,
        _ => is_master(node),
    };
    let rows = MASTER.into_iter().filter(|(name, path)| wanted(name, path));
    rows.chain(kubelet_rows(node)).collect()
}

/// Rows of every node. What lies inside kubelet.conf is a row of its own beside the link, and stands for it without one.
fn kubelet_rows(node: &Node) -> Vec<(&'static str, &'static str)> {
    let inside = node.files.leaf(KUBELET_CONF).is_some();
    let linked = node.files.entry(KUBELET_CLIENT).is_some();
    let requested = node.files.entry(REQUESTED).is_some();
    let mut rows = vec![(
        "kubelet-client",
        if inside && !linked {
            KUBELET_CONF
        } else {
            KUBELET_CLIENT
        },
    )];
    if inside && linked {
        rows.push(("kubelet.conf", KUBELET_CONF));
    }
    rows.push(("kubelet-serving", if requested { REQUESTED } else { SERVING }));
    rows
}

fn absolute(cert_dir: &str, path: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{cert_dir}/{path}")
    }
}

fn row(node: &Node, name: &str, path: &str, root: bool) -> String {
    let head =
        |state: &str, modified: &str, key: &str| format!("@certificate\t{name}\t{path}\t{state}\t{modified}\t{key}\n");
    match node.files.find(path) {
        Found::Missing => head("missing", "-", "unknown"),
        Found::Dangling(target) => head(&format!("dangling {target}"), "-", "unknown"),
        Found::File(file) if !root && file.mode & 0o004 == 0 => head("unreadable permission denied", "-", "unknown"),
        Found::File(file) => {
            let modified = file.modified.as_second().to_string();
            match public(file) {
                Some(pem) => head("present", &modified, key(node, path, file)) + pem,
                None => head("unreadable holds no certificate", &modified, "unknown"),
            }
        }
    }
}

fn public(file: &File) -> Option<&str> {
    match &file.content {
        Content::CaCertificate(ca) => Some(&ca.pem),
        content => content.leaf().map(|leaf| leaf.pem.as_str()),
    }
}

fn key(node: &Node, path: &str, file: &File) -> &'static str {
    let Some(leaf) = file.content.leaf() else {
        return if node.files.entry(&path.replace(".crt", ".key")).is_some() {
            "match"
        } else {
            "absent"
        };
    };
    match file.content {
        Content::Mismatched { .. } => return "mismatch",
        Content::Certificate(_) => {}
        _ => return "match",
    }
    match node.files.entry(&path.replace(".crt", ".key")).map(|f| &f.content) {
        Some(Content::Key(own)) if own.serial == leaf.serial => "match",
        Some(_) => "mismatch",
        None => "absent",
    }
}
