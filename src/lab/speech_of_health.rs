//! What a kubelet says as it starts and while all is well, by Kubernetes version.

use super::klog::Klog;
use super::speech::Speech;

impl Speech<'_> {
    /// The first lines of a new process.
    pub(super) fn starting(&self) -> Vec<Klog> {
        let version = self.version;
        if self.wording.structured() {
            let position = self.wording.pick("", "", "server.go:399", "server.go:467");
            return vec![Klog::new(
                'I',
                position,
                format!("\"Kubelet version\" kubeletVersion=\"{version}\""),
            )];
        }
        let position = self.wording.pick("server.go:425", "server.go:411", "", "");
        vec![
            Klog::new(
                'I',
                self.wording.pick("server.go:407", "server.go:407", "", ""),
                "Flag --cgroup-driver has been deprecated, This parameter should be set via the config file specified by the Kubelet's --config flag. See https://kubernetes.io/docs/tasks/administer-cluster/kubelet-config-file/ for more information.",
            ),
            Klog::new('I', position, format!("Version: {version}")),
            Klog::new(
                'I',
                self.wording.pick("server.go:833", "server.go:850", "", ""),
                "Client rotation is on, will bootstrap in background",
            ),
            Klog::new(
                'I',
                self.wording
                    .pick("certificate_store.go:129", "certificate_store.go:130", "", ""),
                "Loading cert/key pair from \"/var/lib/kubelet/pki/kubelet-client-current.pem\".",
            ),
        ]
    }

    /// The lines once the runtime answered.
    pub(super) fn running(&self) -> Vec<Klog> {
        let volume = "operationExecutor.VerifyControllerAttachedVolume started for volume";
        let (name, id) = ("\"kube-proxy\"", "\"kubernetes.io/configmap/5a7a2bbe-kube-proxy\"");
        if self.wording.structured() {
            vec![
                Klog::new(
                    'I',
                    self.wording.pick("", "", "server.go:1177", "server.go:1256"),
                    "\"Started kubelet\"",
                ),
                Klog::new(
                    'I',
                    self.wording
                        .pick("", "", "kubelet_node_status.go:70", "kubelet_node_status.go:73"),
                    format!("\"Attempting to register node\" node=\"{}\"", self.node),
                ),
                Klog::new(
                    'I',
                    self.wording
                        .pick("", "", "reconciler.go:270", "reconciler_common.go:247"),
                    format!(
                        "\"{volume} \\{}\\\" (UniqueName: \\{}\\\") pod \\\"kube-proxy-x7wqk\\\" (UID: \\\"5a7a2bbe\\\") \" pod=\"kube-system/kube-proxy-x7wqk\"",
                        name.trim_end_matches('"'),
                        id.trim_end_matches('"')
                    ),
                ),
            ]
        } else {
            vec![
                Klog::new(
                    'I',
                    self.wording.pick("server.go:1089", "server.go:1147", "", ""),
                    "Started kubelet",
                ),
                Klog::new(
                    'I',
                    self.wording
                        .pick("kubelet_node_status.go:72", "kubelet_node_status.go:70", "", ""),
                    format!("Attempting to register node {}", self.node),
                ),
                Klog::new(
                    'I',
                    self.wording.pick("reconciler.go:203", "reconciler.go:224", "", ""),
                    format!("{volume} {name} (UniqueName: {id}) pod \"kube-proxy-x7wqk\" (UID: \"5a7a2bbe\")"),
                ),
            ]
        }
    }

    /// The positive sign.
    pub(super) fn registered(&self) -> Vec<Klog> {
        let node = self.node;
        let (before, done) = self.wording.pick(
            ("kubelet_node_status.go:114", "kubelet_node_status.go:75"),
            ("kubelet_node_status.go:108", "kubelet_node_status.go:73"),
            ("kubelet_node_status.go:108", "kubelet_node_status.go:73"),
            ("kubelet_node_status.go:112", "kubelet_node_status.go:76"),
        );
        if self.wording.structured() {
            vec![
                Klog::new(
                    'I',
                    before,
                    format!("\"Node was previously registered\" node=\"{node}\""),
                ),
                Klog::new('I', done, format!("\"Successfully registered node\" node=\"{node}\"")),
            ]
        } else {
            vec![
                Klog::new('I', before, format!("Node {node} was previously registered")),
                Klog::new('I', done, format!("Successfully registered node {node}")),
            ]
        }
    }
}
