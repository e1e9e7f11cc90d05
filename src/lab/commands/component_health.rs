//! `certfleet:component-health`.

use crate::lab::clock::Millis;
use crate::lab::context::Context;
use crate::lab::node::{MANIFESTS, Node};
use crate::lab::world::World;
use crate::model::ExitStatus;

/// From the start of a container to its first answer.
const UP: Millis = 300;

/// One line for each component that has a manifest.
pub(super) fn run(context: &mut Context) -> ExitStatus {
    let index = context.index;
    let text = context.with(|w| {
        let node = &w.nodes[index];
        let ports = [("kube-controller-manager", 10257), ("kube-scheduler", 10259)];
        let there = ports
            .into_iter()
            .filter(|(c, _)| node.files.entry(&format!("{MANIFESTS}/{c}.yaml")).is_some());
        there
            .map(|(component, port)| line(w, node, component, port))
            .collect::<String>()
    });
    context.out(text);
    ExitStatus::Code(0)
}

fn line(world: &World, node: &Node, component: &str, port: u16) -> String {
    let url = format!("https://127.0.0.1:{port}/healthz");
    let is = |list: &[(String, String)]| list.iter().any(|(h, c)| h == node.name.as_str() && c == component);
    let sick = is(&world.config.sick);
    let up = !is(&world.config.looping) && node.container(component).is_some_and(|c| world.now >= c.started + UP);
    match (up, sick) {
        (false, _) => format!(
            "{component}\till\t{url}: curl: (7) Failed to connect to 127.0.0.1 port {port}: Connection refused\n"
        ),
        (true, true) => format!(
            "{component}\till\t{url} answers 500: [-]leaderElection failed: reason withheld healthz check failed\n"
        ),
        (true, false) => format!("{component}\tok\t{url}\n"),
    }
}
