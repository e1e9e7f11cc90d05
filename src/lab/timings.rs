//! How long things take on the embedded fleet.

/// How long things take, in milliseconds of the lab's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timings {
    /// A container runtime from `systemctl start` to active.
    pub runtime_start: i64,
    /// A container runtime from `systemctl stop` to inactive.
    pub runtime_stop: i64,
    /// The kubelet's `systemctl stop`.
    pub kubelet_stop: i64,
    /// A kubelet process from exec to its first contact with runtime and API.
    pub kubelet_boot: i64,
    /// Pause between two attempts of a kubelet to reach the API.
    pub kubelet_retry: i64,
    /// `RestartSec` of kubeadm's kubelet unit.
    pub kubelet_restart: i64,
    /// From a kubelet seeing a missing static pod to its container running.
    pub static_pod: i64,
    /// An etcd member from start until it answers its peers.
    pub etcd_up: i64,
    /// kube-apiserver from start until the port is open.
    pub api_listen: i64,
    /// kube-apiserver from etcd contact until `/readyz` says ok.
    pub api_ready: i64,
    /// How often kube-apiserver (1.17+) looks for a new serving certificate.
    pub api_reload: i64,
    /// Grace until a node without news becomes `NotReady`.
    pub node_grace: i64,
    /// A deleted pod until it is gone.
    pub pod_stop: i64,
    /// A new calico pod until it is Ready.
    pub pod_ready: i64,
    /// `kubeadm certs renew` of one certificate.
    pub renew: i64,
    /// Stopping a container with its grace period.
    pub container_stop: i64,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            runtime_start: 800,
            runtime_stop: 400,
            kubelet_stop: 100,
            kubelet_boot: 300,
            kubelet_retry: 1000,
            kubelet_restart: 10_000,
            static_pod: 1200,
            etcd_up: 300,
            api_listen: 500,
            api_ready: 700,
            api_reload: 50_000,
            node_grace: 40_000,
            pod_stop: 300,
            pod_ready: 1500,
            renew: 30,
            container_stop: 400,
        }
    }
}
