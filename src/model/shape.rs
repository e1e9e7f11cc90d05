//! What sort of cluster a host belongs to: who made it, where its etcd is, what an earlier run left behind.

use serde::{Deserialize, Serialize};

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
}

/// Where manifests wait while the kubelet ends what they described: beside the directory that it reads, never below it.
pub const PARKED: &str = "/etc/kubernetes/certfleet-parked";

impl ShapeFacts {
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
