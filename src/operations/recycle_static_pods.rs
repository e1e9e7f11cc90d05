//! Stop the control-plane containers, so that new processes load the new files. The kubelet is down meanwhile.

use std::time::Duration;

use crate::model::shape::PARKED;
use crate::model::{Command, Host, HostFacts, Role, RuntimeKind, scripts};

use super::service::runtime_of;
use super::types::{Expect, OperationError, Planned, Postcondition, RUN_ID_PLACEHOLDER, RunContext};

/// Seconds each container gets to end by itself; etcd and kube-apiserver need few.
const GRACE_SECONDS: u64 = 30;
/// Seconds of an API server: it closes its port at once and then waits for watches, which do not end. Where the others go on, as
/// many as a long answer takes.
const API_SECONDS: u64 = 10;
/// Where all of them end together: the outage has begun, and every second of it counts.
const API_SECONDS_IN_AN_OUTAGE: u64 = 3;
/// Grace, removal, and a slow runtime.
const TIMEOUT: Duration = Duration::from_secs(GRACE_SECONDS + 120);

/// Skipped where there is no control plane. containerd and CRI-O leave containers running when they stop, and so does docker with
/// `live-restore`; without, dockerd ends all of them at once, and an API server whose etcd is gone waits for its requests until it is
/// killed: so that is left to docker only where none was seen (docker is down, or does not answer). Manifests that a run which was cut short left out of the kubelet's directory are put back first.
///
/// # Errors
/// The runtime is not known.
pub fn plan(host: &Host, facts: &HostFacts, context: RunContext<'_>) -> Result<Planned, OperationError> {
    let title = "recycle the control-plane containers";
    if let Some(why) = without_control_plane(host, facts) {
        return Ok(Planned::skipped(title, why));
    }
    let runtime = runtime_of(host, facts)?;
    let parked = facts.shape.parked.len();
    let docker_ends_them =
        runtime == RuntimeKind::Docker && context.runtime_will_stop && facts.live_restore == Some(false);
    if parked == 0 && docker_ends_them && facts.containers.is_empty() {
        return Ok(Planned::skipped(
            title,
            "none was seen running, and stopping docker ends them",
        ));
    }
    let arguments = [
        runtime.to_string(),
        GRACE_SECONDS.to_string(),
        RUN_ID_PLACEHOLDER.to_owned(),
        api_seconds(context).to_string(),
    ];
    let mut commands = vec![Command::script(&scripts::STOP_STATIC_PODS, arguments).with_timeout(TIMEOUT)];
    if facts.unit(runtime.service()).is_some_and(|u| !u.is_active()) {
        // Left behind by a run that was stopped half-way: its containers may live on, and only it can stop them.
        commands.insert(
            0,
            Command::root(["systemctl", "start", runtime.service()]).with_timeout(TIMEOUT),
        );
    }
    let forecast = if parked > 0 {
        Some(format!(
            "{parked} manifests that an earlier run left in {PARKED} are put back first"
        ))
    } else {
        facts.containers.is_empty().then(|| "none was seen running".to_owned())
    };
    let postcondition = done(runtime, facts);
    Ok(Planned::work(title, commands, postcondition, Expect::StoppedPods).with_forecast(forecast))
}

fn api_seconds(context: RunContext<'_>) -> u64 {
    if context.outage_accepted {
        API_SECONDS_IN_AN_OUTAGE
    } else {
        API_SECONDS
    }
}

/// The script itself fails while a container is left; so that nothing is parked any more says that both are done.
fn done(runtime: RuntimeKind, facts: &HostFacts) -> Postcondition {
    if !facts.shape.parked.is_empty() {
        let command = Command::root(["test", "!", "-e", PARKED]);
        return Postcondition::CommandSucceeds { command };
    }
    let ids = facts.containers.iter().map(|c| c.id.clone()).collect();
    Postcondition::ContainersGone { runtime, ids }
}

/// Static pods decide; without an answer, the role.
fn without_control_plane(host: &Host, facts: &HostFacts) -> Option<&'static str> {
    const NAMES: [&str; 4] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"];
    let has = facts.static_pods.iter().any(|p| NAMES.contains(&p.as_str())) || !facts.containers.is_empty();
    (!has && host.role == Role::Worker).then_some("a worker has no control-plane containers")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::facts::ContainerFacts;
    use crate::operations::fixtures;

    #[test]
    fn docker_is_left_to_its_own_stop_only_when_that_ends_containers_and_none_was_seen() {
        let host = fixtures::host("m1", Role::ControlPlane);
        let cases = [
            (RuntimeKind::Docker, true, Some(false), 0, true),
            (RuntimeKind::Docker, true, Some(false), 4, false),
            (RuntimeKind::Docker, true, Some(true), 0, false),
            (RuntimeKind::Docker, true, None, 0, false),
            (RuntimeKind::Docker, false, Some(false), 0, false),
            (RuntimeKind::Containerd, true, None, 0, false),
        ];
        for (runtime, will_stop, live_restore, seen, skipped) in cases {
            let mut facts = fixtures::facts("m1");
            facts.runtime = Some(runtime);
            facts.live_restore = live_restore;
            let container = |id: usize| ContainerFacts {
                name: "etcd".to_owned(),
                id: id.to_string(),
                started: None,
            };
            facts.containers = (0..seen).map(container).collect();
            let context = RunContext {
                runtime_will_stop: will_stop,
                ..fixtures::context()
            };
            let planned = plan(&host, &facts, context).unwrap();
            assert_eq!(
                planned.skip.is_some(),
                skipped,
                "{runtime} {will_stop} {live_restore:?} {seen}"
            );
        }
    }

    #[test]
    fn what_was_parked_comes_back_even_where_docker_would_end_everything() {
        let mut facts = fixtures::facts("m1");
        facts.runtime = Some(RuntimeKind::Docker);
        facts.live_restore = Some(false);
        facts.shape.parked = vec![format!("{PARKED}/run-1/etcd.yaml")];
        let context = RunContext {
            runtime_will_stop: true,
            outage_accepted: true,
            ..fixtures::context()
        };
        let planned = plan(&fixtures::host("m1", Role::ControlPlane), &facts, context).unwrap();
        assert!(planned.skip.is_none());
        assert!(matches!(planned.postcondition, Postcondition::CommandSucceeds { .. }));
        assert!(planned.forecast.unwrap().contains("put back first"));
        assert!(
            planned.commands[0].to_string().ends_with("docker 30 '{run-id}' 3"),
            "{}",
            planned.commands[0]
        );
    }

    #[test]
    fn a_worker_is_skipped_even_without_a_known_runtime() {
        let host = fixtures::host("w1", Role::Worker);
        let planned = plan(&host, &fixtures::facts("w1"), fixtures::context()).unwrap();
        assert!(planned.skip.is_some());
    }
}
