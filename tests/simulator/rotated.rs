//! k3s and RKE2: every server was rotated, and not only started again.

use std::collections::BTreeMap;

use certfleet::lab::Lab;
use certfleet::model::{HostName, Inventory};

use crate::world::World;

/// Serial numbers of the API servers' certificates, host by host; empty on other clusters.
pub(crate) type Serials = BTreeMap<HostName, u64>;

pub(crate) fn serials(lab: &Lab, inventory: &Inventory) -> Serials {
    let masters = inventory.masters().map(|h| h.name.clone());
    masters
        .filter_map(|h| lab.api_server_serial(&h).map(|serial| (h, serial)))
        .collect()
}

/// A restart alone makes another kubelet's certificate, and nothing else that lasts. Where everything has expired, a host that
/// lost its power has made everything anew by itself, and need not be rotated.
pub(crate) fn every_server(world: &World) -> Result<(), String> {
    let now = serials(&world.lab, &world.inventory);
    for (host, before) in &world.serials {
        if now.get(host) == Some(before) {
            return Err(format!("{host} has the API server's certificate from before the run"));
        }
        let history = world.lab.history(host);
        let rotated = history.iter().any(|i| i.command.ends_with("certificate rotate"));
        let renewed_itself = world.case.reboots() && world.case.host == host.as_str();
        if !rotated && !renewed_itself {
            return Err(format!("{host} was never told to rotate"));
        }
    }
    Ok(())
}
