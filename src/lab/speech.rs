//! What a kubelet says, by Kubernetes version: texts and source positions of 1.15, 1.19, 1.24 and 1.30.

use crate::model::facts::KubeVersion;

use super::klog::{Klog, Wording};
use super::pki::Leaf;

/// Why a request of the kubelet failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// Shown after the URL: transport errors.
    Transport(String),
    /// The API's own answer: no URL is shown.
    Answer(String),
}

/// The speaker of one kubelet.
#[derive(Debug, Clone)]
pub(super) struct Speech<'a> {
    pub(super) wording: Wording,
    pub(super) version: KubeVersion,
    pub(super) node: &'a str,
    /// `192.168.140.100:6443`.
    pub(super) server: &'a str,
}

impl Speech<'_> {
    fn failed(&self, method: &str, path: &str, failure: &Failure) -> String {
        match failure {
            Failure::Answer(answer) => answer.clone(),
            Failure::Transport(why) => {
                let url = format!("https://{}{path}", self.server);
                format!("{}: {why}", self.wording.url(method, &url))
            }
        }
    }

    /// The informers' lines; `turn` chooses the resource.
    pub(super) fn list_failed(&self, turn: u32, failure: &Failure) -> Vec<Klog> {
        let (kind, path) = match turn % 3 {
            0 => (
                "Pod",
                format!(
                    "/api/v1/pods?fieldSelector=spec.nodeName%3D{}&limit=500&resourceVersion=0",
                    self.node
                ),
            ),
            1 => ("Service", "/api/v1/services?limit=500&resourceVersion=0".to_owned()),
            _ => (
                "Node",
                format!(
                    "/api/v1/nodes?fieldSelector=metadata.name%3D{}&limit=500&resourceVersion=0",
                    self.node
                ),
            ),
        };
        let why = self.failed("Get", &path, failure);
        match self.wording {
            Wording::V15 => vec![Klog::new(
                'E',
                "reflector.go:125",
                format!("{}: Failed to list *v1.{kind}: {why}", old_source(turn)),
            )],
            Wording::V19 => vec![Klog::new(
                'E',
                "reflector.go:127",
                format!(
                    "{}: Failed to watch *v1.{kind}: failed to list *v1.{kind}: {why}",
                    old_source(turn)
                ),
            )],
            Wording::V24 => informer_pair(
                ("reflector.go:324", "reflector.go:138"),
                "vendor/k8s.io/client-go/informers/factory.go:134",
                kind,
                &why,
            ),
            Wording::V30 => informer_pair(
                ("reflector.go:547", "reflector.go:150"),
                "k8s.io/client-go/informers/factory.go:160",
                kind,
                &why,
            ),
        }
    }

    /// `node "x" not found`; newer kubelets say it in the eviction manager only.
    pub(super) fn node_not_found(&self) -> Klog {
        let node = self.node;
        match self.wording {
            Wording::V15 => Klog::new('E', "kubelet.go:2248", format!("node \"{node}\" not found")),
            Wording::V19 => Klog::new('E', "kubelet.go:2183", format!("node \"{node}\" not found")),
            Wording::V24 => Klog::new(
                'E',
                "kubelet.go:2424",
                format!("\"Error getting node\" err=\"node \\\"{node}\\\" not found\""),
            ),
            Wording::V30 => Klog::new(
                'E',
                "eviction_manager.go:282",
                format!(
                    "\"Eviction manager: failed to get summary stats\" err=\"failed to get node info: node \\\"{node}\\\" not found\""
                ),
            ),
        }
    }

    /// The node lease could not be renewed.
    pub(super) fn lease_failed(&self, failure: &Failure) -> Klog {
        let path = format!(
            "/apis/coordination.k8s.io/v1{}/namespaces/kube-node-lease/leases/{}?timeout=10s",
            self.wording.pick("beta1", "", "", ""),
            self.node
        );
        let why = self.failed("Get", &path, failure);
        match self.wording {
            Wording::V15 => Klog::new(
                'E',
                "controller.go:125",
                format!("failed to ensure node lease exists, will retry in 7s, error: {why}"),
            ),
            Wording::V19 => Klog::new(
                'E',
                "controller.go:136",
                format!("failed to ensure node lease exists, will retry in 7s, error: {why}"),
            ),
            Wording::V24 => Klog::new(
                'E',
                "controller.go:144",
                format!("failed to ensure lease exists, will retry in 7s, error: {why}"),
            ),
            Wording::V30 => Klog::new(
                'E',
                "controller.go:145",
                format!("\"Failed to ensure lease exists, will retry\" err={why:?} interval=\"7s\""),
            ),
        }
    }

    /// The Node object could not be made or found.
    pub(super) fn register_failed(&self, failure: &Failure) -> Klog {
        let (node, why) = (self.node, self.failed("Post", "/api/v1/nodes", failure));
        let position = self.wording.pick(
            "kubelet_node_status.go:94",
            "kubelet_node_status.go:92",
            "kubelet_node_status.go:92",
            "kubelet_node_status.go:96",
        );
        let text = if self.wording.structured() {
            format!("\"Unable to register node with API server\" err={why:?} node=\"{node}\"")
        } else {
            format!("Unable to register node \"{node}\" with API server: {why}")
        };
        Klog::new('E', position, text)
    }

    /// A registered node could not post its status.
    pub(super) fn status_failed(&self, failure: &Failure) -> Klog {
        let path = format!("/api/v1/nodes/{}?resourceVersion=0&timeout=10s", self.node);
        let why = format!(
            "error getting node \"{}\": {}",
            self.node,
            self.failed("Get", &path, failure)
        );
        let position = self.wording.pick(
            "kubelet_node_status.go:388",
            "kubelet_node_status.go:442",
            "kubelet_node_status.go:460",
            "kubelet_node_status.go:540",
        );
        let text = if self.wording.structured() {
            format!("\"Error updating node status, will retry\" err={why:?}")
        } else {
            format!("Error updating node status, will retry: {why}")
        };
        Klog::new('E', position, text)
    }

    /// Started with an expired client certificate.
    pub(super) fn bootstrap_failed(&self, leaf: &Leaf) -> Vec<Klog> {
        let when = leaf.not_after.strftime("%Y-%m-%d %H:%M:%S +0000 UTC");
        let part = match self.wording {
            Wording::V15 | Wording::V19 => {
                format!("part of the existing bootstrap client certificate is expired: {when}")
            }
            _ => format!(
                "part of the existing bootstrap client certificate in /etc/kubernetes/kubelet.conf is expired: {when}"
            ),
        };
        let position = self.wording.pick(
            "bootstrap.go:264",
            "bootstrap.go:265",
            "bootstrap.go:265",
            "bootstrap.go:266",
        );
        vec![
            Klog::new('E', position, part),
            self.fatal("unable to load bootstrap kubeconfig: stat /etc/kubernetes/bootstrap-kubelet.conf: no such file or directory"),
        ]
    }

    /// `failed to run Kubelet: …`, after which the process exits.
    pub(super) fn fatal(&self, why: &str) -> Klog {
        let position = self
            .wording
            .pick("server.go:273", "server.go:271", "run.go:74", "run.go:74");
        if self.wording.structured() {
            Klog::new(
                'E',
                position,
                format!("\"command failed\" err={:?}", format!("failed to run Kubelet: {why}")),
            )
        } else {
            Klog::new('F', position, format!("failed to run Kubelet: {why}"))
        }
    }

    /// The container runtime went away under a running kubelet.
    pub(super) fn runtime_down(&self) -> Klog {
        let why =
            "container runtime is down, PLEG is not healthy: pleg was last seen active 3m3s ago; threshold is 3m0s";
        if self.wording.structured() {
            Klog::new(
                'E',
                self.wording.pick("", "", "kubelet.go:2013", "kubelet.go:2361"),
                format!("\"Skipping pod synchronization\" err=\"[{why}]\""),
            )
        } else {
            Klog::new(
                'E',
                self.wording.pick("kubelet.go:1825", "kubelet.go:1765", "", ""),
                format!("skipping pod synchronization - [{why}]"),
            )
        }
    }

    /// A sandbox cannot be made because calico's own API access is refused: not the kubelet's trouble.
    pub(super) fn cni_refused(&self) -> Klog {
        let cni = "error getting ClusterInformation: connection is unauthorized: Unauthorized";
        let sandbox = "rpc error: code = Unknown desc = failed to set up sandbox container \"714dec02fa2d\" network for pod \"web-6f6b8c7d9f-q5m2x\": networkPlugin cni failed to set up pod \"web-6f6b8c7d9f-q5m2x_default\" network";
        if self.wording.structured() {
            let text = format!(
                "rpc error: code = Unknown desc = failed to setup network for sandbox \\\"714dec02fa2dca50\\\": plugin type=\\\"calico\\\" failed (add): {cni}"
            );
            Klog::new(
                'E',
                self.wording
                    .pick("", "", "remote_runtime.go:212", "remote_runtime.go:193"),
                format!("\"RunPodSandbox from runtime service failed\" err=\"{text}\""),
            )
        } else {
            Klog::new(
                'E',
                self.wording.pick("cni.go:358", "cni.go:366", "", ""),
                format!(
                    "Error adding default_web-6f6b8c7d9f-q5m2x/714dec02fa2d to network calico/k8s-pod-network: {cni}: {sandbox}"
                ),
            )
        }
    }
}

fn old_source(turn: u32) -> &'static str {
    match turn % 3 {
        0 => "k8s.io/kubernetes/pkg/kubelet/config/apiserver.go:47",
        1 => "k8s.io/kubernetes/pkg/kubelet/kubelet.go:444",
        _ => "k8s.io/kubernetes/pkg/kubelet/kubelet.go:453",
    }
}

fn informer_pair(positions: (&'static str, &'static str), source: &str, kind: &str, why: &str) -> Vec<Klog> {
    vec![
        Klog::new('W', positions.0, format!("{source}: failed to list *v1.{kind}: {why}")),
        Klog::new(
            'E',
            positions.1,
            format!("{source}: Failed to watch *v1.{kind}: failed to list *v1.{kind}: {why}"),
        ),
    ]
}
