//! Where k3s and RKE2 keep what: `server/tls` and `agent` below their data directory.

use crate::lab::pki::{LeafSpec, Signer};
use crate::lab::variety::Distribution;
use crate::model::Role;

const API_SERVER: &str = "serving-kube-apiserver";

/// A file with a leaf.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) path: String,
    pub(super) spec: LeafSpec,
}

/// `/var/lib/rancher/k3s`.
pub(super) fn data(kind: Distribution) -> String {
    format!("/var/lib/rancher/{}", kind.name())
}

/// The certificate of the port where agents register, with its key, in one file.
pub(super) fn listener(kind: Distribution) -> String {
    format!("{}/server/tls/dynamic-cert.json", data(kind))
}

/// The API server's own certificate. RKE2 shows it on 6443; k3s on 127.0.0.1:6444, behind the listener.
pub(super) fn api_server(kind: Distribution) -> String {
    format!("{}/server/tls/{API_SERVER}.crt", data(kind))
}

/// A file that tells the next start to make the listener's certificate anew; `rotate` leaves it.
pub(in crate::lab) fn trigger(kind: Distribution) -> String {
    format!("{}/server/tls/dynamic-cert-regenerate", data(kind))
}

/// What people and scripts use.
pub(in crate::lab) fn admin_kubeconfig(kind: Distribution) -> String {
    format!("/etc/rancher/{0}/{0}.yaml", kind.name())
}

/// kubeadm's name of a file below its certificate directory, as it is called here.
pub(in crate::lab) fn renamed(kind: Distribution, file: &str) -> String {
    let tls = format!("{}/server/tls", data(kind));
    match (kind, file) {
        // What 6443 shows: the listener's in k3s, the API server's own in RKE2.
        (Distribution::K3s, "apiserver.crt") => listener(kind),
        (Distribution::Rke2, "apiserver.crt") => api_server(kind),
        (_, "etcd/peer.crt") => format!("{tls}/etcd/peer-server-client.crt"),
        (_, "etcd/server.crt") => format!("{tls}/etcd/server-client.crt"),
        (_, "apiserver-etcd-client.crt" | "etcd/healthcheck-client.crt") => format!("{tls}/etcd/client.crt"),
        (_, other) => format!("{tls}/{other}"),
    }
}

/// Everything that `certificate rotate` takes away on a host, and a start brings back; the listener's is apart.
pub(super) fn places(kind: Distribution, role: Role, name: &str, address: &str) -> Vec<Place> {
    let mut places = agent(kind, name);
    if role != Role::Worker {
        places.extend(server(kind, name, address));
    }
    places
}

/// Paths alone.
pub(in crate::lab) fn rotated(kind: Distribution, role: Role) -> Vec<String> {
    places(kind, role, "", "").into_iter().map(|p| p.path).collect()
}

/// The kubelet's two.
pub(super) fn agent(kind: Distribution, name: &str) -> Vec<Place> {
    let at = |file: &str| format!("{}/agent/{file}.crt", data(kind));
    vec![
        Place {
            path: at("serving-kubelet"),
            spec: LeafSpec::server(name, sans(name, "127.0.0.1"), Signer::Ca),
        },
        Place {
            path: at("client-kubelet"),
            spec: LeafSpec::client(format!("system:node:{name}"), Some("system:nodes"), Signer::Ca),
        },
    ]
}

/// Those of servers: made by themselves where they are missing or about to end.
pub(super) fn server(kind: Distribution, name: &str, address: &str) -> Vec<Place> {
    let at = |file: &str, spec| Place {
        path: format!("{}/server/tls/{file}.crt", data(kind)),
        spec,
    };
    let both = |signer| LeafSpec {
        client: true,
        ..LeafSpec::server(name, sans(name, address), signer)
    };
    let user = |name: &str| LeafSpec::client(name, None, Signer::Ca);
    vec![
        at(
            API_SERVER,
            LeafSpec::server("kube-apiserver", sans(name, address), Signer::Ca),
        ),
        at(
            "client-admin",
            LeafSpec::client("system:admin", Some("system:masters"), Signer::Ca),
        ),
        at("client-controller", user("system:kube-controller-manager")),
        at("client-scheduler", user("system:kube-scheduler")),
        at(
            "client-auth-proxy",
            LeafSpec::client("system:auth-proxy", None, Signer::FrontProxyCa),
        ),
        at("etcd/client", LeafSpec::client("etcd-client", None, Signer::EtcdCa)),
        at("etcd/server-client", both(Signer::EtcdCa)),
        at("etcd/peer-server-client", both(Signer::EtcdCa)),
    ]
}

/// Of the listener.
pub(super) fn listener_spec(kind: Distribution, name: &str, address: &str) -> LeafSpec {
    LeafSpec {
        organization: Some(kind.name().to_owned()),
        ..LeafSpec::server(kind.name(), sans(name, address), Signer::Ca)
    }
}

fn sans(name: &str, address: &str) -> Vec<String> {
    let names = [name, address, "localhost", "127.0.0.1"];
    let mut sans: Vec<String> = Vec::new();
    for name in names.iter().filter(|n| !n.is_empty()) {
        if !sans.iter().any(|s| s == name) {
            sans.push((*name).to_owned());
        }
    }
    sans
}
