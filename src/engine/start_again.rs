//! Between two attempts to start a unit: a pause, and systemd forgets that it failed.

use std::time::Duration;

use tokio::time::sleep;

use super::context::Run;
use crate::event::EventKind;
use crate::model::Command;
use crate::plan::PlannedStep;

/// How long a unit's leftovers may take to go.
const PAUSE: Duration = Duration::from_secs(3);

/// Debian's docker.service may be started three times a minute (`StartLimitBurst`); from then on systemd refuses every start, until
/// `reset-failed`, which also sets the counter back.
pub(super) async fn prepare(run: &Run, step: &PlannedStep, why: String) {
    // A pause that cannot be recorded changes nothing: the next intent will tell.
    let _ = run.recorder.record(EventKind::StepRetried {
        step: step.id.clone(),
        host: step.host.clone(),
        why,
        pause: PAUSE,
    });
    sleep(PAUSE).await;
    for command in step.planned.commands.iter().filter_map(forget_failures) {
        // Refused for a unit that systemd does not hold in memory, which then has no failure to forget.
        let _ = run.ask(&step.host, &command).await;
    }
}

fn forget_failures(command: &Command) -> Option<Command> {
    let units = command
        .words
        .strip_prefix(&["systemctl".to_owned(), "start".to_owned()])?;
    let words = ["systemctl", "reset-failed"].into_iter().map(str::to_owned);
    Some(Command::root(words.chain(units.iter().cloned())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_started_is_forgiven() {
        let start = Command::root(["systemctl", "start", "docker.socket", "docker.service"]);
        let forget = forget_failures(&start).unwrap();
        assert_eq!(
            forget.to_string(),
            "systemctl reset-failed docker.socket docker.service"
        );
        assert!(forget_failures(&Command::root(["systemctl", "stop", "docker.service"])).is_none());
    }
}
