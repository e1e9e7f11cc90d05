//! `Lab`: the handle to an embedded fleet.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::model::host::{CniSettings, SshSettings};
use crate::model::{BecomeSettings, ExitStatus, Host, HostName, Inventory, KubernetesSettings, Role};
use crate::remote::Duplex;
use crate::remote::error::TunnelRefusal;

use super::alarm::Alarm;
use super::clock::LabClock;
use super::config::{LabConfig, Scenario};
use super::context::Context;
use super::faults::{Fault, FaultRule};
use super::machine::{ExecIo, Machine};
use super::node::Sudo;
use super::pki::{LabError, Leaf};
use super::status::LabStatus;
use super::variety::Cni;
use super::world::{HistoryItem, World};
use super::{scenario, shell, tls};

/// An embedded fleet; clones share it. Lab time runs with tokio's clock, so paused tests decide how fast.
#[derive(Clone)]
pub struct Lab {
    world: Arc<Mutex<World>>,
    clock: LabClock,
}

impl fmt::Debug for Lab {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lab")
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}

impl Lab {
    /// Builds the fleet of a scenario.
    ///
    /// # Errors
    /// A certificate that cannot be made.
    pub fn new(config: LabConfig) -> Result<Self, LabError> {
        let world = scenario::build(config)?;
        let clock = world.clock;
        Ok(Self {
            world: Arc::new(Mutex::new(world)),
            clock,
        })
    }

    /// A scenario with its own defaults.
    ///
    /// # Errors
    /// Those of [`Lab::new`].
    pub fn scenario(scenario: Scenario) -> Result<Self, LabError> {
        Self::new(LabConfig::new(scenario))
    }

    /// Looks at, or changes, the world as it is now.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.lock().unwrap_or_else(PoisonError::into_inner);
        world.advance_to(self.clock.now());
        work(&mut world)
    }

    /// Milliseconds since the fleet was built.
    pub fn now_ms(&self) -> i64 {
        self.clock.now()
    }

    /// The fleet's wall clock, which paused time moves; what a controller of this fleet must go by.
    pub fn wall_clock(&self) -> jiff::Timestamp {
        self.clock.wall(self.clock.now())
    }

    /// Host names, masters first; without those that are somebody else's.
    pub fn inventory_hosts(&self) -> Vec<HostName> {
        self.with(|w| ours(w).map(|n| n.name.clone()).collect())
    }

    /// The inventory of the fleet, cluster name `lab`; SSH settings are left to the caller.
    pub fn inventory(&self) -> Inventory {
        let (cni, copies) = self.with(|w| (cni_settings(w.config.cni), w.config.copies.clone()));
        let host = |n: &super::node::Node| Host {
            name: n.name.clone(),
            address: n.address.clone(),
            role: n.role,
            ssh: SshSettings {
                user: Some("ops".to_owned()),
                ..SshSettings::default()
            },
            r#become: BecomeSettings::default(),
            kubernetes: KubernetesSettings {
                cert_dir: n.cert_dir.clone(),
                cni: cni.clone(),
                kubeconfigs: copies.clone(),
                ..KubernetesSettings::default()
            },
        };
        Inventory {
            cluster: "lab".to_owned(),
            hosts: self.with(|w| ours(w).map(host).collect()),
        }
    }

    /// The password that the login user's sudo wants, if it wants one.
    pub fn sudo_password(&self, host: &HostName) -> Option<&'static str> {
        let sudo = self.with(|w| w.nodes.iter().find(|n| n.name == *host).map(|n| n.sudo))?;
        match sudo {
            Sudo::NoPassword => None,
            Sudo::Password(password) => Some(password),
        }
    }

    /// Secrets seen in outputs so far; a good run leaves this empty.
    pub fn alarms(&self) -> Vec<Alarm> {
        self.with(|w| w.alarms.clone())
    }

    /// State-changing commands run on a host, in order.
    pub fn history(&self, host: &HostName) -> Vec<HistoryItem> {
        self.with(|w| w.history.iter().filter(|h| h.host == *host).cloned().collect())
    }

    /// State-changing commands of all hosts, in order.
    pub fn full_history(&self) -> Vec<HistoryItem> {
        self.with(|w| w.history.clone())
    }

    /// What the fleet looks like from above.
    pub fn status(&self) -> LabStatus {
        self.with(|w| LabStatus::of(w))
    }

    /// Arranges for something to go wrong.
    pub fn inject(&self, rule: FaultRule) {
        self.with(|w| w.faults.add(rule));
    }

    /// Takes back everything that was arranged with [`Lab::inject`].
    pub fn mend(&self) {
        self.with(|w| w.faults.clear());
    }

    /// Sets the clock of a machine: milliseconds ahead of the true time.
    pub fn set_clock(&self, host: &HostName, ahead_ms: i64) {
        self.with(|w| {
            if let Some(node) = w.nodes.iter_mut().find(|n| n.name == *host) {
                node.offset = ahead_ms;
            }
        });
    }

    /// The next `starts` starts of a unit fail.
    pub fn fail_starts(&self, host: &HostName, unit: &str, starts: u32) {
        self.with(|w| {
            let node = w.nodes.iter_mut().find(|n| n.name == *host);
            if let Some(unit) = node.and_then(|n| n.unit_mut(unit)) {
                unit.fail_next = starts;
            }
        });
    }

    /// Restarts a machine at once, as a power cut does: what ran is gone, what is enabled starts again.
    pub fn reboot(&self, host: &HostName) {
        self.with(|w| {
            let (moment, boot) = (w.moment(), w.rng.hex(32));
            if let Some(node) = w.nodes.iter_mut().find(|n| n.name == *host) {
                node.reboot(&moment, boot);
            }
        });
    }

    /// Leaves the control plane's manifests where a run that was cut short parks them.
    pub fn park_manifests(&self, host: &HostName) {
        self.with(|w| {
            if let Some(node) = w.nodes.iter_mut().find(|n| n.name == *host) {
                super::static_pods::park(node, "20200809T120000Z-renew-0000");
            }
        });
    }

    /// The etcd member of a host is gone for good.
    pub fn lose_member(&self, host: &HostName) {
        self.with(|w| {
            if let Some(node) = w.nodes.iter_mut().find(|n| n.name == *host) {
                node.files.remove(&super::static_pods::manifest("etcd"));
                node.containers.retain(|c| c.component != "etcd");
            }
        });
    }

    /// Fills, or empties, the disk of a machine.
    pub fn fill_disk(&self, host: &HostName, full: bool) {
        self.with(|w| {
            if let Some(node) = w.nodes.iter_mut().find(|n| n.name == *host) {
                node.disk_full = full;
            }
        });
    }

    /// The certificate behind a port of a host, and whether a client certificate is demanded.
    fn served(&self, host: &HostName, address: &str, port: u16) -> Option<(Arc<Leaf>, bool)> {
        self.with(|w| super::ports::served(w, host, address, port))
    }
}

impl Machine for Lab {
    fn refuses_connection(&self, host: &HostName) -> bool {
        self.with(|w| w.faults.on_connect(host)).is_some()
    }

    /// `Hang` is done by `exec`.
    fn take_fault(&self, host: &HostName, line: &str) -> Option<Fault> {
        self.with(|w| w.faults.on_line(host, line))
    }

    fn exec<'a>(&'a self, host: &'a HostName, user: &'a str, line: String, io: ExecIo) -> BoxFuture<'a, ExitStatus> {
        async move {
            let Some(mut context) = Context::new(self.clone(), host, user, &line, io) else {
                return ExitStatus::Code(255);
            };
            let hangs = self.with(|w| w.faults.hangs(host, &line));
            let gone = context.caller_gone();
            if hangs {
                gone.await;
                return ExitStatus::Signal("PIPE".to_owned());
            }
            context.delay().await;
            tokio::select! {
                status = shell::run_line(&mut context, &line) => status,
                () = gone => ExitStatus::Signal("PIPE".to_owned()),
            }
        }
        .boxed()
    }

    fn dial<'a>(
        &'a self,
        host: &'a HostName,
        address: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Duplex>, TunnelRefusal>> {
        async move {
            let (leaf, demand) = self.served(host, address, port).ok_or(TunnelRefusal::Closed)?;
            let (near, far) = tokio::io::duplex(16 * 1024);
            tokio::spawn(async move {
                // A caller that goes away in mid-handshake is normal: nobody is there to be told.
                let _ended = tls::serve(Box::new(far), &leaf.pem, &leaf.key_pem, demand).await;
            });
            Ok(Box::new(near) as Box<dyn Duplex>)
        }
        .boxed()
    }
}

/// What the inventory must say of the network plugin: nothing where calico's and canal's names do.
fn cni_settings(cni: Cni) -> CniSettings {
    if cni.writes_a_token() {
        return CniSettings::default();
    }
    let (namespace, key, label) = cni.agent(false);
    CniSettings {
        namespaces: vec![namespace.to_owned()],
        labels: vec![format!("{key}={label}")],
    }
}

/// Role of a host in the lab.
pub(super) fn is_master(node: &super::node::Node) -> bool {
    node.role == Role::ControlPlane
}

/// An etcd of somebody else is in no inventory.
fn ours(world: &World) -> impl Iterator<Item = &super::node::Node> {
    let foreign = world.config.foreign_etcd;
    world.nodes.iter().filter(move |n| !(foreign && n.role == Role::Etcd))
}
