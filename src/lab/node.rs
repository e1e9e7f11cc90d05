//! One machine: files, units, processes and containers, journal. What happens by itself is in `lab::tick`.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::AbortHandle;

use crate::model::facts::KubeVersion;
use crate::model::{HostName, Role, RuntimeKind};

use super::clock::{LabClock, Millis};
use super::file_tree::FileTree;
use super::journald::{Entry, Journal};
use super::klog::Klog;
use super::kubelet::Kubelet;
use super::pki::Leaf;
use super::rancher::{self, Rancher};
use super::timings::Timings;
use super::units::{Unit, UnitState, unit_file};

/// How root rights are had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sudo {
    NoPassword,
    /// The login user's password.
    Password(&'static str),
}

/// Language of messages where nothing else is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Locale {
    C,
    French,
}

/// A running container of the control plane.
#[derive(Debug, Clone)]
pub(super) struct Container {
    pub(super) component: String,
    pub(super) id: String,
    pub(super) pod_id: String,
    pub(super) started: Millis,
    /// The certificate it shows to callers, as loaded.
    pub(super) serving: Option<Arc<Leaf>>,
    /// The certificate it shows to others (etcd's, or the API server's), as loaded.
    pub(super) client: Option<Arc<Leaf>>,
    /// kube-apiserver: since when it talks to etcd. Others: since when they cannot talk to the API.
    pub(super) since: Option<Millis>,
    pub(super) next_reload: Millis,
}

/// A container that is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) due: Millis,
}

/// One machine.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) name: HostName,
    pub(super) index: usize,
    pub(super) role: Role,
    pub(super) address: String,
    pub(super) kube: KubeVersion,
    pub(super) runtime: RuntimeKind,
    pub(super) live_restore: bool,
    /// Where its PKI lies.
    pub(super) cert_dir: String,
    pub(super) without_client: bool,
    /// A host of k3s or RKE2.
    pub(super) rancher: Option<Rancher>,
    /// The only master that its kubelet connects to.
    pub(super) direct: Option<usize>,
    pub(super) files: FileTree,
    pub(super) units: BTreeMap<&'static str, Unit>,
    pub(super) containers: Vec<Container>,
    pub(super) pending: BTreeMap<String, Pending>,
    pub(super) crashes: BTreeMap<String, u32>,
    pub(super) kubelet: Option<Kubelet>,
    pub(super) journal: Journal,
    pub(super) machine_id: String,
    pub(super) boot_id: String,
    pub(super) booted: Millis,
    pub(super) offset: Millis,
    pub(super) sudo: Sudo,
    pub(super) locale: Locale,
    pub(super) next_pid: u32,
    /// The kubelet's last status that reached the API.
    pub(super) last_status: Millis,
    /// Since when the Node object says Ready, if it does.
    pub(super) ready_since: Millis,
    pub(super) disk_free: u64,
    pub(super) delay: Millis,
    /// What the supervisor keeps below /run/certfleet, by job.
    pub(super) jobs: BTreeMap<String, Job>,
    /// Nothing can be written: every change fails that needs the disk.
    pub(super) disk_full: bool,
}

/// A command below the supervisor.
#[derive(Debug, Clone)]
pub(super) enum Job {
    Running(AbortHandle),
    Exited { status: u32, out: Vec<u8>, err: Vec<u8> },
}

/// What a host needs to know of the world in one moment.
#[derive(Debug, Clone)]
pub(super) struct Moment {
    pub(super) now: Millis,
    pub(super) clock: LabClock,
    pub(super) timings: Timings,
    /// `192.168.140.100:6443`: what kubelets connect to.
    pub(super) endpoint: Arc<str>,
    /// API servers whose port is open.
    pub(super) apis: Vec<Api>,
    /// The endpoint leads to them: some kube-vip holds the virtual address, or a load balancer needs none.
    pub(super) endpoint_up: bool,
}

/// An API server as its callers see it.
#[derive(Debug, Clone)]
pub(super) struct Api {
    pub(super) master: usize,
    pub(super) container: String,
    pub(super) serving: Arc<Leaf>,
    pub(super) ready: bool,
    /// The master's wall clock: it judges client certificates.
    pub(super) wall: Timestamp,
}

/// Where kubeadm puts the static pod manifests.
pub(super) const MANIFESTS: &str = "/etc/kubernetes/manifests";
/// The kubelet's client certificate, a symlink.
pub(super) const KUBELET_CLIENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

impl Node {
    /// The host's own wall clock.
    pub(super) fn wall(&self, moment: &Moment) -> Timestamp {
        moment.clock.wall(moment.now + self.offset)
    }

    /// A file of the PKI.
    pub(super) fn pki(&self, file: &str) -> String {
        match &self.rancher {
            Some(own) => rancher::renamed(own.kind, file),
            None => format!("{}/{file}", self.cert_dir),
        }
    }

    pub(super) fn unit(&self, name: &str) -> Option<&Unit> {
        self.units.get(unit_file(name).as_str())
    }

    pub(super) fn unit_mut(&mut self, name: &str) -> Option<&mut Unit> {
        self.units.get_mut(unit_file(name).as_str())
    }

    /// Whether a unit runs.
    pub(super) fn active(&self, name: &str) -> bool {
        self.unit(name).is_some_and(Unit::is_active)
    }

    /// Whether containers can be started, stopped and listed.
    pub(super) fn runtime_up(&self) -> bool {
        self.active(self.runtime.service())
    }

    pub(super) fn container(&self, component: &str) -> Option<&Container> {
        self.containers.iter().find(|c| c.component == component)
    }

    /// A new process id.
    pub(super) fn pid(&mut self) -> u32 {
        self.next_pid += 17;
        self.next_pid
    }

    /// Names of the static pods that the kubelet should run.
    pub(super) fn manifests(&self) -> Vec<String> {
        let name = |path: &str| {
            let file = path.rsplit('/').next()?;
            file.strip_suffix(".yaml").map(str::to_owned)
        };
        self.files.below(MANIFESTS).filter_map(|(path, _)| name(path)).collect()
    }

    /// Microseconds since boot.
    pub(super) fn monotonic_us(&self, at: Millis) -> i64 {
        (at - self.booted).max(0) * 1000
    }

    /// systemd says something about a unit.
    pub(super) fn log_systemd(&mut self, moment: &Moment, unit: &str, message: &str) {
        self.log(moment, unit, "systemd", 1, message.as_bytes().to_vec());
    }

    /// The kubelet process says something.
    pub(super) fn log_kubelet(&mut self, moment: &Moment, pid: u32, line: &Klog) {
        let at = self.wall(moment);
        let jitter = (self.journal_length() * 7919) % 997;
        let text = line.render(at, jitter, pid);
        self.log(moment, "kubelet.service", "kubelet", pid, text.into_bytes());
    }

    fn journal_length(&self) -> i64 {
        let last = self.journal.after(0, &[]).next_back();
        last.map_or(0, |e| i64::try_from(e.sequence).unwrap_or(0))
    }

    pub(super) fn log(&mut self, moment: &Moment, unit: &str, identifier: &str, pid: u32, message: Vec<u8>) {
        let entry = Entry {
            sequence: 0,
            at: self.wall(moment),
            monotonic_us: self.monotonic_us(moment.now),
            unit: unit.to_owned(),
            identifier: identifier.to_owned(),
            pid,
            message,
        };
        self.journal.push(entry);
    }

    /// A power cut: a new boot, empty /run, and the enabled units on their way.
    pub(super) fn reboot(&mut self, moment: &Moment, boot_id: String) {
        for (_, job) in std::mem::take(&mut self.jobs) {
            if let Job::Running(task) = job {
                task.abort();
            }
        }
        self.files.remove_below("/run/certfleet");
        self.boot_id = boot_id;
        self.booted = moment.now;
        self.containers.clear();
        self.pending.clear();
        self.crashes.clear();
        self.kubelet = None;
        let names: Vec<&'static str> = self.units.keys().copied().collect();
        for name in &names {
            if let Some(unit) = self.units.get_mut(name) {
                unit.set(UnitState::Inactive, moment.now);
                unit.active_since = None;
                unit.restarts = 0;
            }
        }
        if let Some(own) = &mut self.rancher {
            own.process = None;
            let unit = own.unit(self.role);
            self.start_unit(moment, unit);
        }
        self.start_unit(moment, self.runtime.service());
        self.start_unit(moment, "kubelet.service");
    }
}
