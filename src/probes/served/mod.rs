//! Which process still uses which certificate? What is served, and what is older than its file, against the disk.

pub mod anew;
pub mod comparison;
pub mod elsewhere;
pub mod mounted;
pub mod on_host;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::model::{Host, HostFacts, Role, X509Facts};

pub use comparison::{Evidence, InUse, InUseRow, in_use, judge, newer_than_files};

/// Who answers on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    ApiServer,
    EtcdClient,
    EtcdPeer,
    Kubelet,
    ControllerManager,
    Scheduler,
    /// What kubelet.conf names: a VIP or a load balancer, so any master may answer.
    Endpoint,
    /// An etcd that no host of the inventory runs.
    EtcdElsewhere,
    /// A port of k3s or RKE2, whose certificates are not kubeadm's.
    Other,
}

impl Server {
    /// The process, as a person calls it.
    pub fn process(self) -> &'static str {
        match self {
            Server::ApiServer => "kube-apiserver",
            Server::EtcdClient | Server::EtcdPeer => "etcd",
            Server::Kubelet => "kubelet",
            Server::ControllerManager => "kube-controller-manager",
            Server::Scheduler => "kube-scheduler",
            Server::Endpoint => "kubelet's endpoint",
            Server::EtcdElsewhere => "etcd of somebody else",
            Server::Other => "server",
        }
    }

    /// Its name among the facts of where servers listen, and its port when nothing was said.
    fn listens(self) -> (&'static str, u16) {
        match self {
            Server::ApiServer => ("kube-apiserver", 6443),
            Server::EtcdClient => ("etcd-client", 2379),
            Server::EtcdPeer => ("etcd-peer", 2380),
            Server::Kubelet => ("kubelet", 10250),
            Server::ControllerManager => ("kube-controller-manager", 10257),
            Server::Scheduler => ("kube-scheduler", 10259),
            Server::Endpoint | Server::Other => ("", 443),
            Server::EtcdElsewhere => ("", 2379),
        }
    }

    /// Where this server of the host is to be dialled from the host itself.
    pub fn on(self, facts: &HostFacts) -> Endpoint {
        let (name, port) = self.listens();
        let told = facts.listen(name);
        let address = match (told.and_then(|l| l.address.clone()), self) {
            (Some(address), _) => Some(address),
            // etcd's peer port listens on the node's address only.
            (None, Server::EtcdPeer) => facts.advertise_address.clone(),
            _ => None,
        };
        Endpoint {
            server: self,
            address: address.unwrap_or_else(|| "127.0.0.1".to_owned()),
            port: told.map_or(port, |l| l.port),
        }
    }

    /// The file whose certificate should be served; `None`: made in memory, it proves nothing.
    pub fn certificate(self) -> Option<&'static str> {
        match self {
            Server::ApiServer | Server::Endpoint => Some("apiserver"),
            Server::EtcdClient => Some("etcd-server"),
            Server::EtcdPeer => Some("etcd-peer"),
            Server::Kubelet => Some("kubelet-serving"),
            Server::ControllerManager | Server::Scheduler | Server::EtcdElsewhere | Server::Other => None,
        }
    }
}

/// Where to knock: dialled from the host itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Endpoint {
    pub server: Server,
    pub address: String,
    pub port: u16,
}

impl Endpoint {
    /// `address:port`, as a person writes it.
    pub fn place(&self) -> String {
        if self.address.contains(':') {
            format!("[{}]:{}", self.address, self.port)
        } else {
            format!("{}:{}", self.address, self.port)
        }
    }
}

/// What a handshake showed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServedCertificate {
    pub endpoint: Endpoint,
    pub answer: ServedAnswer,
}

/// The server's certificate, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServedAnswer {
    Certificate(Box<X509Facts>),
    /// Connection refused: no such process now.
    Closed,
    /// No handshake; why.
    Unknown(String),
}

/// The ports of a host that a gate asks: those whose certificate comes from a file.
pub fn endpoints(host: &Host, facts: &HostFacts) -> Vec<Endpoint> {
    let runs = |pod: &str| facts.static_pods.iter().any(|p| p == pod);
    let master = host.role == Role::ControlPlane;
    let etcd = runs("etcd") || (facts.static_pods.is_empty() && host.role == Role::Etcd);
    let table = [
        (master, Server::ApiServer),
        (etcd, Server::EtcdClient),
        (etcd, Server::EtcdPeer),
        (true, Server::Kubelet),
    ];
    let wanted = table.into_iter().filter(|(there, _)| *there);
    wanted.map(|(_, server)| server.on(facts)).collect()
}

/// Host and port of a kubeconfig's `server:`, for a handshake with what the kubelet talks to.
pub fn kubelet_endpoint(server: &str) -> Option<Endpoint> {
    at_url(Server::Endpoint, server)
}

/// Host and port of an https URL; 443 where none is named.
fn at_url(server: Server, url: &str) -> Option<Endpoint> {
    let rest = url.strip_prefix("https://")?;
    let authority = rest.split('/').next()?;
    let (address, port) = match authority.rsplit_once(':') {
        Some((address, port)) if !port.ends_with(']') => (address, port.parse().ok()?),
        _ => (authority, 443),
    };
    Some(Endpoint {
        server,
        address: address.trim_matches(['[', ']']).to_owned(),
        port,
    })
}
