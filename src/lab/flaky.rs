//! What goes wrong in scenario `flaky`.

use super::config::Scenario;
use super::faults::{Fault, FaultRule};
use super::world::World;

/// The bad network of `flaky`, by the seed alone.
pub(super) fn add_faults(world: &mut World) {
    if world.config.scenario != Scenario::Flaky {
        return;
    }
    let hosts = world.nodes.len() as u64;
    let pick = |world: &mut World| usize::try_from(world.rng.next() % hosts).unwrap_or(0);
    let (slow, dropped, refused, failing) = (pick(world), pick(world), pick(world), pick(world));
    world.nodes[slow].delay = 300;
    let rule = |world: &World, index: usize, line: &str, fault, times| FaultRule {
        host: world.nodes[index].name.clone(),
        line: line.to_owned(),
        fault,
        times,
    };
    let rules = [
        rule(world, dropped, "systemctl stop", Fault::DropAfter, 1),
        rule(
            world,
            (dropped + 1) % world.nodes.len(),
            "certfleet:facts",
            Fault::DropBefore,
            1,
        ),
        rule(world, refused, "", Fault::RefuseConnection, 2),
    ];
    for fault in rules {
        world.faults.add(fault);
    }
    let service = world.config.runtime.service();
    if let Some(unit) = world.nodes[failing].unit_mut(service) {
        unit.fail_next = 1;
    }
}
