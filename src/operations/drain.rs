//! Take workload off a node before its units stop, and let it come back once they are proven. A worker has no right to do
//! that: a master does it, on its behalf.

use std::time::Duration;

use crate::model::playbook::DrainSettings;
use crate::model::{Command, Host, scripts};

use super::exchange::{Cordon, NODE_PLACEHOLDER, NodeState};
use super::types::{Expect, Planned, Postcondition, RUN_ID_PLACEHOLDER};

/// Beyond the evictions: cordon, marks, and the way back where the API stutters.
const SLACK: Duration = Duration::from_secs(90);
/// `certfleet:drain look` and `uncordon`, with their repetitions.
const QUESTION: Duration = Duration::from_secs(60);

/// The title, also where it is skipped.
pub const DRAIN: &str = "drain the node";
const UNCORDON: &str = "uncordon the node";
const UNMARK: &str = "clear certfleet's mark";

/// Cordons the node, with our mark, and evicts its pods.
pub fn drain(node: &str, speaker: &Host, settings: &DrainSettings) -> Planned {
    let seconds = settings.timeout.as_secs().max(1).to_string();
    let grace = settings.grace_period.map(|s| format!("--grace-period={s}"));
    let allowed = [
        (settings.delete_emptydir_data, "--delete-emptydir-data"),
        (settings.force, "--force"),
    ];
    let flags = allowed
        .into_iter()
        .filter(|(on, _)| *on)
        .map(|(_, flag)| flag.to_owned());
    let more: Vec<String> = std::iter::once(seconds).chain(flags).chain(grace).collect();
    let command = command("drain", NODE_PLACEHOLDER, speaker, &more).with_timeout(settings.timeout + SLACK);
    planned(DRAIN, node, speaker, NodeState::Drained, command)
}

/// Undoes a cordon that has our mark, and no other.
pub fn uncordon(node: &str, speaker: &Host) -> Planned {
    let command = command("uncordon", NODE_PLACEHOLDER, speaker, &[]);
    planned(UNCORDON, node, speaker, NodeState::Released, command)
}

/// Takes the marks away from a node that is open, and leaves a cordon that it has got since to its owner.
pub fn unmark(node: &str, speaker: &Host) -> Planned {
    let command = command("unmark", NODE_PLACEHOLDER, speaker, &[]);
    planned(UNMARK, node, speaker, NodeState::Released, command)
}

fn planned(title: &str, node: &str, speaker: &Host, aim: NodeState, on_speaker: Command) -> Planned {
    let look = command("look", node, speaker, &[]);
    let goal = Postcondition::Node {
        speaker: speaker.name.clone(),
        look,
        aim,
    };
    let cordon = Cordon {
        node: node.to_owned(),
        speaker: speaker.name.clone(),
        aim,
        command: on_speaker.clone(),
    };
    Planned::work(title, vec![on_speaker], goal, Expect::Cordon(Box::new(cordon)))
}

fn command(verb: &str, node: &str, speaker: &Host, more: &[String]) -> Command {
    let words = [verb, RUN_ID_PLACEHOLDER, node, &speaker.kubernetes.kubectl];
    let words = words.into_iter().map(str::to_owned).chain(more.iter().cloned());
    Command::script(&scripts::DRAIN, words).with_timeout(QUESTION)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Role, RunId};
    use crate::operations::fixtures;

    #[test]
    fn what_was_not_allowed_is_not_asked_for() {
        let master = fixtures::host("m1", Role::ControlPlane);
        let strict = drain("w1", &master, &DrainSettings::default());
        assert_eq!(
            strict.commands[0].to_string(),
            "certfleet:drain drain '{run-id}' '{node}' kubectl 300"
        );
        let settings = DrainSettings {
            timeout: Duration::from_secs(60),
            delete_emptydir_data: true,
            force: true,
            grace_period: Some(5),
        };
        let Expect::Cordon(cordon) = drain("w1.example.com", &master, &settings).expect else {
            panic!("another expectation");
        };
        assert_eq!(
            cordon.command().to_string(),
            "certfleet:drain drain '{run-id}' w1.example.com kubectl 60 --delete-emptydir-data --force --grace-period=5"
        );
        assert!(
            cordon.command().timeout > settings.timeout,
            "the script has time to undo"
        );
    }

    #[test]
    fn the_look_knows_its_node_and_its_run() {
        let master = fixtures::host("m1", Role::ControlPlane);
        let goal = uncordon("w1", &master).postcondition.for_run(&RunId::new("r1"));
        let Postcondition::Node { look, .. } = goal else {
            panic!("another postcondition");
        };
        assert_eq!(look.to_string(), "certfleet:drain look r1 w1 kubectl");
    }
}
