//! What sort of cluster a host belongs to: who made it, where its etcd is, what an earlier run left behind.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::host::Role;

/// Facts that only some clusters have; empty on the usual one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShapeFacts {
    /// Manifests that a run which was cut short left in /etc/kubernetes/certfleet-parked, as paths.
    pub parked: Vec<String>,
    /// `--etcd-servers` of kube-apiserver's manifest, one URL each.
    pub etcd_servers: Vec<String>,
    /// A kubeadm configuration kept by a backup of a healthy day, when the API cannot be asked for it now.
    pub kubeadm_config: Option<String>,
    /// `k3s` or `rke2`: Kubernetes that kubeadm did not make.
    pub distribution: Option<String>,
    /// SHA-256 of the public keys in ca.crt, lower-case hex: the cluster's authority, as this host has it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authority: Vec<String>,
    /// The same of the authority in kubelet.conf: whom this kubelet believes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub believes: Vec<String>,
    /// Its API server shows, to all or to some names, another certificate than kubeadm's `apiserver.crt`: it may be of
    /// another authority, and a kubelet right to believe that one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub serves_another: bool,
    /// What k3s or RKE2 served on its ports ([`ShapeFacts::ports`]) when the host was asked; a port that showed nothing
    /// has no entry.
    #[serde(default)]
    pub served: Vec<ServedFacts>,
    /// What this server of k3s or RKE2 leaves to others, as it was told: `disable-etcd`, `disable-apiserver`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_to_others: Vec<String>,
}

/// The certificate behind a port of 127.0.0.1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ServedFacts {
    pub port: u16,
    /// SHA-256 of the DER, lower-case hex.
    pub sha256: String,
    pub not_after: Timestamp,
}

/// Where manifests wait while the kubelet ends what they described: beside the directory that it reads, never below it.
pub const PARKED: &str = "/etc/kubernetes/certfleet-parked";

impl ShapeFacts {
    /// The kubelet believes none of the authorities of these masters: it has a connection from before, or none. What is not
    /// known on either side is no disbelief; nor is anything where a master serves what it signed with none of these.
    pub fn disbelieves<'a>(&self, masters: impl IntoIterator<Item = &'a ShapeFacts>) -> bool {
        let masters: Vec<&ShapeFacts> = masters.into_iter().collect();
        if masters.iter().any(|m| m.serves_another) {
            return false;
        }
        let theirs: Vec<&String> = masters.iter().flat_map(|m| &m.authority).collect();
        !theirs.is_empty() && !self.believes.is_empty() && !self.believes.iter().any(|key| theirs.contains(&key))
    }

    /// The unit in which all of Kubernetes runs on a host of k3s or RKE2 (get.k3s.io, get.rke2.io).
    pub fn unit(&self, role: Role) -> Option<&'static str> {
        match (self.distribution.as_deref()?, role) {
            ("k3s", Role::Worker) => Some("k3s-agent.service"),
            ("k3s", _) => Some("k3s.service"),
            ("rke2", Role::Worker) => Some("rke2-agent.service"),
            ("rke2", _) => Some("rke2-server.service"),
            _ => None,
        }
    }

    /// Where k3s or RKE2 serves TLS on a host: the kubelet everywhere; on servers the API, and where agents register. RKE2 has
    /// 6443 and 9345; k3s has both on 6443, and behind it, on 127.0.0.1:6444, the API server's own certificate. That one alone
    /// (k3s 6444, RKE2 6443) is another one only after a rotation, or when it was about to end: the kubelet asks for a new one
    /// at each start, and the listener makes one whenever it likes.
    pub fn ports(&self, role: Role) -> &'static [u16] {
        match (self.distribution.as_deref(), role) {
            (Some("k3s" | "rke2"), Role::Worker) => &[10250],
            (Some("k3s"), _) => &[6443, 6444, 10250],
            (Some("rke2"), _) => &[6443, 9345, 10250],
            _ => &[],
        }
    }

    /// What was served on a port.
    pub fn served_on(&self, port: u16) -> Option<&ServedFacts> {
        self.served.iter().find(|s| s.port == port)
    }

    /// The API servers of this host use an etcd that does not run on it.
    pub fn etcd_is_elsewhere(&self) -> bool {
        let local = |url: &String| {
            ["://127.0.0.1", "://localhost", "://[::1]"]
                .iter()
                .any(|l| url.contains(l))
        };
        !self.etcd_servers.is_empty() && !self.etcd_servers.iter().any(local)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kubelet_believes_one_of_the_masters_authorities_or_it_is_not_known() {
        let of = |authority: &[&str], believes: &[&str]| ShapeFacts {
            authority: authority.iter().map(|k| (*k).to_owned()).collect(),
            believes: believes.iter().map(|k| (*k).to_owned()).collect(),
            ..ShapeFacts::default()
        };
        let masters = [of(&["new"], &[]), of(&["new"], &[])];
        let lost = |believes: &[&str]| of(&[], believes).disbelieves(&masters);
        assert!(lost(&["old"]));
        assert!(!lost(&["old", "new"]), "a bundle, while the authority is replaced");
        assert!(!lost(&[]) && !of(&[], &["old"]).disbelieves(&[]));
        let own = ShapeFacts {
            serves_another: true,
            ..of(&["new"], &[])
        };
        let [one, two] = &masters;
        assert!(
            !of(&[], &["old"]).disbelieves([one, &own, two]),
            "of an authority of its own"
        );
    }

    #[test]
    fn a_stacked_master_asks_itself() {
        let at = |urls: &[&str]| ShapeFacts {
            etcd_servers: urls.iter().map(|u| (*u).to_owned()).collect(),
            ..ShapeFacts::default()
        };
        assert!(!at(&["https://127.0.0.1:2379"]).etcd_is_elsewhere());
        assert!(!at(&[]).etcd_is_elsewhere(), "unknown is not elsewhere");
        assert!(at(&["https://10.0.0.31:2379", "https://10.0.0.32:2379"]).etcd_is_elsewhere());
    }
}
