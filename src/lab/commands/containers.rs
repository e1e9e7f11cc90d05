//! `crictl` and `docker`: list, stop; and our scripts about containers.

use crate::lab::context::Context;
use crate::lab::kubelet::wake_docker;
use crate::lab::node::{Container, Node};
use crate::lab::static_pods::{self, COMPONENTS};
use crate::model::{ExitStatus, RuntimeKind};

use super::operands;

const FINE: ExitStatus = ExitStatus::Code(0);

/// `crictl ps`, `crictl stop ID…`.
pub(super) async fn crictl(context: &mut Context, arguments: &[String]) -> ExitStatus {
    if context.node(|n| n.without_client || n.runtime == RuntimeKind::Docker) {
        return context.fail(127, "sh: 1: crictl: not found");
    }
    if let Some(refused) = unreachable_runtime(context) {
        return refused;
    }
    match operands(arguments, &["--name", "-t", "--timeout", "--runtime-endpoint", "-r"]).as_slice() {
        ["ps"] => ps(
            context,
            &["CONTAINER", "IMAGE", "CREATED", "STATE", "NAME", "ATTEMPT", "POD ID"],
            crictl_row,
        ),
        ["stop" | "rm", ids @ ..] => stop(context, "crictl stop", ids).await,
        _ => context.fail(1, "crictl: the lab knows ps and stop"),
    }
}

/// `docker ps`, `docker stop ID…`; asking docker wakes it up while its socket listens.
pub(super) async fn docker(context: &mut Context, arguments: &[String]) -> ExitStatus {
    if context.node(|n| n.runtime != RuntimeKind::Docker) {
        return context.fail(127, "sh: 1: docker: not found");
    }
    if context.change(|n, moment| {
        wake_docker(n, moment);
        !n.runtime_up() && n.active("docker.socket")
    }) {
        let start = context.with(|w| w.config.timings.runtime_start);
        context.pause(start + 100).await;
    }
    if let Some(refused) = unreachable_runtime(context) {
        return refused;
    }
    match operands(arguments, &["-f", "--filter", "-t", "--time", "--format"]).as_slice() {
        ["ps"] => ps(
            context,
            &["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "NAMES"],
            docker_row,
        ),
        ["stop" | "kill", ids @ ..] => stop(context, "docker stop", ids).await,
        _ => context.fail(1, "docker: the lab knows ps and stop"),
    }
}

fn unreachable_runtime(context: &mut Context) -> Option<ExitStatus> {
    let (up, runtime) = context.node(|n| (n.runtime_up(), n.runtime));
    let docker = runtime == RuntimeKind::Docker;
    if !context.root {
        let what = if docker {
            "Got permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: dial unix /var/run/docker.sock: connect: permission denied"
        } else {
            "FATA[0000] connect: connect endpoint 'unix:///run/containerd/containerd.sock', make sure you are running as root and the endpoint has been started"
        };
        return Some(context.fail(1, what));
    }
    if up {
        return None;
    }
    Some(if docker {
        context.fail(
            1,
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
        )
    } else {
        context.fail(1, "FATA[0000] unable to determine runtime API version: rpc error: code = Unavailable desc = connection error: desc = \"transport: Error while dialing dial unix: connect: no such file or directory\"")
    })
}

fn ps(context: &mut Context, head: &[&str], row: impl Fn(&Node, &Container) -> [String; 7]) -> ExitStatus {
    let rows: Vec<[String; 7]> = context.node(|n| n.containers.iter().map(|c| row(n, c)).collect());
    let mut text = format!("{}\n", head.join("   "));
    for cells in rows {
        let filled: Vec<&str> = cells.iter().map(String::as_str).filter(|c| !c.is_empty()).collect();
        text.push_str(&filled.join("   "));
        text.push('\n');
    }
    context.out(text);
    FINE
}

fn crictl_row(_node: &Node, c: &Container) -> [String; 7] {
    let own = |text: &str| text.to_owned();
    [
        own(&c.id[..13]),
        own(&c.pod_id[..13]),
        own("About an hour ago"),
        own("Running"),
        c.component.clone(),
        own("0"),
        own(&c.pod_id[13..26]),
    ]
}

fn docker_row(node: &Node, c: &Container) -> [String; 7] {
    let own = |text: &str| text.to_owned();
    let name = format!(
        "k8s_{0}_{0}-{1}_kube-system_{2}_0",
        c.component,
        node.name,
        &c.pod_id[..32]
    );
    [
        own(&c.id[..12]),
        own(&c.pod_id[..12]),
        format!("\"{}\"", c.component),
        own("2 hours ago"),
        own("Up 2 hours"),
        name,
        String::new(),
    ]
}

async fn stop(context: &mut Context, command: &str, ids: &[&str]) -> ExitStatus {
    context.record(format!("{command} {}", ids.join(" ")));
    let grace = context.with(|w| w.config.timings.container_stop);
    context.pause(grace).await;
    let mut status = FINE;
    for id in ids {
        let stopped = context.change(|n, _| {
            let before = n.containers.len();
            n.containers.retain(|c| !c.id.starts_with(id) && c.component != *id);
            before > n.containers.len()
        });
        if stopped {
            context.out(format!("{id}\n"));
        } else {
            status = context.fail(1, format!("Error: No such container: {id}"));
        }
    }
    status
}

/// `certfleet:containers RUNTIME`.
pub(super) fn list(context: &mut Context, arguments: &[String]) -> ExitStatus {
    if let Some(refused) = wrong_runtime(context, arguments) {
        return refused;
    }
    let lines: String = context.change(|n, moment| {
        let line = |c: &Container| {
            let started = moment.clock.wall(c.started + n.offset);
            format!(
                "{}\t{}\t{}\n",
                c.component,
                c.id,
                started.strftime("%Y-%m-%dT%H:%M:%S.%NZ")
            )
        };
        let mine = n
            .containers
            .iter()
            .filter(|c| COMPONENTS.contains(&c.component.as_str()));
        mine.map(line).collect()
    });
    context.out(lines);
    FINE
}

/// Exit status 3: the runtime cannot be asked. Asking docker through a listening socket would start it: the script does not.
fn wrong_runtime(context: &mut Context, arguments: &[String]) -> Option<ExitStatus> {
    let asked = arguments.first().cloned().unwrap_or_default();
    let (runtime, up) = context.node(|n| (n.runtime.to_string(), n.runtime_up()));
    if asked == runtime && up && context.root {
        return None;
    }
    Some(context.fail(
        3,
        format!(
            "certfleet: {asked} cannot be asked for its containers on {}",
            context.host
        ),
    ))
}

/// `certfleet:stop-static-pods RUNTIME SECONDS [RUN]`.
pub(super) async fn stop_static_pods(context: &mut Context, arguments: &[String]) -> ExitStatus {
    for name in context.change(|n, _| static_pods::put_back(n)) {
        context.out(format!("back\t{name}\n"));
    }
    let runs = context.node(|n| {
        n.unit("kubelet")
            .is_some_and(|u| !matches!(u.active_word(), "inactive" | "failed"))
    });
    if runs && context.node(|n| n.without_client) {
        return recycle_by_manifests(context, arguments.get(2).map_or("by-hand", String::as_str)).await;
    }
    if runs {
        return context.fail(
            5,
            "the kubelet runs and would start the containers again; stop it first",
        );
    }
    if let Some(refused) = wrong_runtime(context, arguments) {
        return refused;
    }
    context.record("certfleet:stop-static-pods");
    let grace = context.with(|w| w.config.timings.container_stop);
    context.pause(grace).await;
    let stopped = context.change(static_pods::stop);
    if !stopped.is_empty() {
        let names: Vec<&str> = stopped.iter().map(|c| c.component.as_str()).collect();
        context.record(format!("ended {}", names.join(", ")));
    }
    for container in stopped {
        context.out(format!("stopped\t{}\t{}\n", container.component, container.id));
    }
    FINE
}

/// How often the script looks, and for how long.
const ROUNDS: usize = 90;

/// A kubelet that runs ends what has no manifest any more.
async fn recycle_by_manifests(context: &mut Context, run: &str) -> ExitStatus {
    context.record("certfleet:stop-static-pods, manifests parked");
    context.change(|n, _| static_pods::park(n, run));
    for _ in 0..ROUNDS {
        context.pause(1000).await;
        if context.node(|n| COMPONENTS.iter().all(|c| n.container(c).is_none())) {
            context.change(|n, _| static_pods::put_back(n));
            return FINE;
        }
    }
    context.fail(
        4,
        "still running; their manifests stay in /etc/kubernetes/certfleet-parked",
    )
}
