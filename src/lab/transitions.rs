//! Units on their way: they begin to start or to stop, and what happens on a host when they have, or when systemd restarts one.

use super::clock::Millis;
use super::kubelet::Kubelet;
use super::node::{Moment, Node};
use super::units::{UnitState, unit_file};

impl Node {
    /// Begins to start a unit; [`UnitState::Active`] follows when it is due. A running unit stays as it is.
    pub(super) fn start_unit(&mut self, moment: &Moment, name: &str) {
        let duration = self.start_duration(moment, name);
        if name == "docker" || name == "docker.service" {
            self.start_unit(moment, "docker.socket");
        }
        let Some(unit) = self.unit_mut(name) else { return };
        if matches!(unit.state, UnitState::Active | UnitState::Activating { .. }) {
            return;
        }
        unit.set(
            UnitState::Activating {
                due: moment.now + duration,
            },
            moment.now,
        );
    }

    /// k3s and RKE2 say themselves when they are there.
    fn start_duration(&self, moment: &Moment, name: &str) -> Millis {
        if self
            .rancher
            .as_ref()
            .is_some_and(|own| own.unit(self.role) == unit_file(name))
        {
            Millis::MAX / 2
        } else if unit_file(name) == self.runtime.service() {
            moment.timings.runtime_start
        } else {
            0
        }
    }

    /// Begins to stop a unit.
    pub(super) fn stop_unit(&mut self, moment: &Moment, name: &str) {
        if unit_file(name) == "docker.socket" {
            self.stop_unit(moment, "docker.service");
        }
        let duration = match unit_file(name).as_str() {
            "kubelet.service" => moment.timings.kubelet_stop,
            "docker.socket" => 0,
            _ => moment.timings.runtime_stop,
        };
        let Some(unit) = self.unit_mut(name) else { return };
        match unit.state {
            UnitState::Inactive | UnitState::Failed | UnitState::Deactivating { .. } => {}
            UnitState::AutoRestart { .. } => unit.set(UnitState::Inactive, moment.now),
            UnitState::Active | UnitState::Activating { .. } => {
                unit.set(
                    UnitState::Deactivating {
                        due: moment.now + duration,
                    },
                    moment.now,
                );
            }
        }
    }
}

/// Units that were on their way arrive.
pub(super) fn tick(node: &mut Node, moment: &Moment) {
    let names: Vec<&'static str> = node.units.keys().copied().collect();
    for name in names {
        let Some(unit) = node.units.get(name) else { continue };
        match unit.state {
            UnitState::Activating { due } if moment.now >= due => arrive(node, moment, name),
            UnitState::AutoRestart { due } if moment.now >= due => restart(node, moment, name),
            UnitState::Deactivating { due } if moment.now >= due => leave(node, moment, name),
            _ => {}
        }
    }
}

fn arrive(node: &mut Node, moment: &Moment, name: &'static str) {
    let pid = node.pid();
    let Some(unit) = node.units.get_mut(name) else { return };
    let description = unit.description;
    if unit.fail_next > 0 {
        unit.fail_next -= 1;
        unit.set(UnitState::Failed, moment.now);
        node.log_systemd(
            moment,
            name,
            &format!("{name}: Main process exited, code=exited, status=1/FAILURE"),
        );
        node.log_systemd(moment, name, &format!("Failed to start {description}."));
        return;
    }
    unit.set(UnitState::Active, moment.now);
    unit.pid = if unit.is_socket() { 0 } else { pid };
    node.log_systemd(moment, name, &format!("Started {description}."));
    if name == "kubelet.service" {
        node.kubelet = Some(Kubelet::new(pid, moment));
    }
}

fn restart(node: &mut Node, moment: &Moment, name: &'static str) {
    if let Some(unit) = node.units.get_mut(name) {
        unit.restarts += 1;
        let counter = unit.restarts;
        node.log_systemd(
            moment,
            name,
            &format!("{name}: Scheduled restart job, restart counter is at {counter}."),
        );
    }
    arrive(node, moment, name);
}

fn leave(node: &mut Node, moment: &Moment, name: &'static str) {
    let Some(unit) = node.units.get_mut(name) else { return };
    let description = unit.description;
    unit.set(UnitState::Inactive, moment.now);
    node.log_systemd(moment, name, &format!("Stopped {description}."));
    match name {
        "kubelet.service" => node.kubelet = None,
        // dockerd takes its containers along; containerd's and CRI-O's live under their shims.
        "docker.service" if !node.live_restore => node.containers.clear(),
        _ => {}
    }
}
