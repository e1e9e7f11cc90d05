//! Ways in which a cluster can be unlike the usual one, as a fleet is told them.

/// Whose network plugin runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Cni {
    /// By manifest, or by the operator.
    #[default]
    Calico,
    /// flannel's network with calico's policy: one agent with both.
    Canal,
    Cilium,
    Flannel,
    Weave,
}

impl Cni {
    /// The word used in scenarios.
    pub fn name(self) -> &'static str {
        match self {
            Cni::Calico => "calico",
            Cni::Canal => "canal",
            Cni::Cilium => "cilium",
            Cni::Flannel => "flannel",
            Cni::Weave => "weave",
        }
    }

    /// Namespace, label key, label value and `DaemonSet` of the node agent; `operator`: calico's.
    pub(super) fn agent(self, operator: bool) -> (&'static str, &'static str, &'static str) {
        match self {
            Cni::Calico if operator => ("calico-system", "k8s-app", "calico-node"),
            Cni::Calico => ("kube-system", "k8s-app", "calico-node"),
            Cni::Canal => ("kube-system", "k8s-app", "canal"),
            Cni::Cilium => ("kube-system", "k8s-app", "cilium"),
            Cni::Flannel => ("kube-flannel", "app", "flannel"),
            Cni::Weave => ("kube-system", "name", "weave-net"),
        }
    }

    /// The agent writes calico's kubeconfig for its CNI plugin.
    pub(super) fn writes_a_token(self) -> bool {
        matches!(self, Cni::Calico | Cni::Canal)
    }
}

impl std::str::FromStr for Cni {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = [Cni::Calico, Cni::Canal, Cni::Cilium, Cni::Flannel, Cni::Weave];
        let found = all.into_iter().find(|c| c.name() == text);
        found.ok_or_else(|| {
            format!(
                "no network plugin `{text}`; there are {}",
                all.map(Cni::name).join(", ")
            )
        })
    }
}

/// Kubernetes in one binary, which keeps its own PKI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distribution {
    K3s,
    Rke2,
}

impl Distribution {
    /// Its program, and its word in facts.
    pub fn name(self) -> &'static str {
        match self {
            Distribution::K3s => "k3s",
            Distribution::Rke2 => "rke2",
        }
    }
}

impl std::str::FromStr for Distribution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "k3s" => Ok(Distribution::K3s),
            "rke2" => Ok(Distribution::Rke2),
            _ => Err("k3s or rke2".to_owned()),
        }
    }
}
