//! Pods of the CNI and the rest of kube-system, as the API lists them.

use super::clock::Millis;
use super::config::CalicoTrouble;
use super::workload::Workload;

/// What keeps a pod alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    DaemonSet,
    Deployment,
    /// A static pod's mirror.
    Node,
}

/// Where a pod stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PodState {
    Ready {
        since: Millis,
    },
    Starting {
        ready: Millis,
    },
    CrashLoop,
    ImagePull,
    /// Runs, and is never ready.
    Unready {
        since: Millis,
    },
    /// Asked to go; `gone` is when a working kubelet is done with it, `None` = only by force.
    Terminating {
        since: Millis,
        gone: Option<Millis>,
    },
}

/// One pod.
#[derive(Debug, Clone)]
pub(super) struct Pod {
    pub(super) name: String,
    pub(super) namespace: &'static str,
    /// `k8s-app` or `component`, and its value.
    pub(super) label: (&'static str, String),
    /// Name of the owner: `calico-node`.
    pub(super) app: String,
    pub(super) owner: Owner,
    /// The network plugin's own agent on its node.
    pub(super) agent: bool,
    pub(super) node: usize,
    pub(super) created: Millis,
    pub(super) state: PodState,
    pub(super) restarts: u32,
    /// What a new pod of this place will suffer from.
    pub(super) trouble: Option<CalicoTrouble>,
    /// A person's, and what keeps it where it is.
    pub(super) workload: Option<Workload>,
}

impl Pod {
    pub(super) fn ready(&self) -> bool {
        matches!(self.state, PodState::Ready { .. })
    }

    /// The STATUS column of kubectl.
    pub(super) fn status(&self) -> &'static str {
        match self.state {
            PodState::Ready { .. } | PodState::Unready { .. } => "Running",
            PodState::Starting { .. } => "PodInitializing",
            PodState::CrashLoop => "CrashLoopBackOff",
            PodState::ImagePull => "ImagePullBackOff",
            PodState::Terminating { .. } => "Terminating",
        }
    }

    /// Whether the CNI plugin on the pod's host is refused by the API because of it.
    pub(super) fn breaks_cni(&self) -> bool {
        self.agent && (self.state == PodState::CrashLoop || self.trouble == Some(CalicoTrouble::Token))
    }

    /// The state of a new pod in this place: a missing image outlives a deletion, and so does an expired certificate of typha.
    fn reborn(&self, now: Millis, ready_after: Millis) -> PodState {
        match self.trouble {
            Some(CalicoTrouble::ImagePull) => PodState::ImagePull,
            Some(CalicoTrouble::Typha) => PodState::Unready { since: now },
            _ => PodState::Starting {
                ready: now + ready_after,
            },
        }
    }

    /// Replaces a pod that is gone by its successor.
    pub(super) fn replace(&mut self, suffix: &str, now: Millis, ready_after: Millis) {
        self.state = self.reborn(now, ready_after);
        if !matches!(self.trouble, Some(CalicoTrouble::ImagePull | CalicoTrouble::Typha)) {
            self.trouble = None;
        }
        let stem = self.name.rsplit_once('-').map_or(self.name.as_str(), |(stem, _)| stem);
        self.name = format!("{stem}-{suffix}");
        self.created = now;
        self.restarts = 0;
    }
}
