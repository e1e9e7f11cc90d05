//! The pods of a scenario, and what ails them.

use super::calico::{Owner, Pod, PodState};
use super::clock::{DAY, Millis, shift};
use super::config::CalicoTrouble;
use super::variety::Cni;
use super::world::World;

/// calico, kube-proxy and the mirrors of the static pods.
pub(super) fn add_pods(world: &mut World) {
    if world.config.distribution.is_some() {
        return;
    }
    let (namespace, key, app) = world.config.cni.agent(world.config.operator_calico);
    let nodes = world.config.masters + world.config.workers;
    for index in 0..nodes {
        let trouble = trouble_of(world, index);
        let mut pod = daemon_pod(world, index, namespace, app);
        (pod.agent, pod.label.0) = (true, key);
        pod.trouble = trouble;
        pod.state = troubled_state(trouble, pod.created);
        pod.restarts = match trouble {
            Some(CalicoTrouble::CrashLoop) => 31,
            Some(CalicoTrouble::Typha) => 3,
            _ => 0,
        };
        let pod_proxy = daemon_pod(world, index, "kube-system", "kube-proxy");
        world.pods.extend([pod, pod_proxy]);
        write_first_token(world, index, trouble);
        add_mirror_pods(world, index);
    }
    if world.config.cni == Cni::Calico {
        add_calicos_deployments(world, namespace);
    }
}

fn add_calicos_deployments(world: &mut World, namespace: &'static str) {
    let workers = world.config.masters..world.config.masters + world.config.workers;
    let last = workers.last().unwrap_or(0);
    let mut controllers = daemon_pod(world, last, namespace, "calico-kube-controllers");
    controllers.owner = Owner::Deployment;
    controllers.name = format!("calico-kube-controllers-65b8787765-{}", world.rng.suffix(5));
    world.pods.push(controllers);
    if world.config.operator_calico {
        let mut typha = daemon_pod(world, last, namespace, "calico-typha");
        typha.owner = Owner::Deployment;
        typha.name = format!("calico-typha-688c9957f5-{}", world.rng.suffix(5));
        world.pods.push(typha);
    }
}

fn trouble_of(world: &World, index: usize) -> Option<CalicoTrouble> {
    if world.config.typha_expired {
        return Some(CalicoTrouble::Typha);
    }
    let name = world.nodes[index].name.as_str();
    world
        .config
        .calico
        .iter()
        .find(|(host, _)| host == name)
        .map(|(_, trouble)| *trouble)
}

fn troubled_state(trouble: Option<CalicoTrouble>, created: Millis) -> PodState {
    match trouble {
        Some(CalicoTrouble::CrashLoop) => PodState::CrashLoop,
        Some(CalicoTrouble::ImagePull) => PodState::ImagePull,
        Some(CalicoTrouble::Typha) => PodState::Unready { since: -2 * 3_600_000 },
        Some(CalicoTrouble::Terminating) => PodState::Terminating {
            since: -2 * 3_600_000,
            gone: None,
        },
        Some(CalicoTrouble::Token) | None => PodState::Ready { since: created + 3000 },
    }
}

fn daemon_pod(world: &mut World, node: usize, namespace: &'static str, app: &str) -> Pod {
    let created = -40 * DAY * 1000;
    Pod {
        name: format!("{app}-{}", world.rng.suffix(5)),
        namespace,
        label: ("k8s-app", app.to_owned()),
        app: app.to_owned(),
        owner: Owner::DaemonSet,
        agent: false,
        node,
        created,
        state: PodState::Ready { since: created + 3000 },
        restarts: 0,
        trouble: None,
        workload: None,
    }
}

fn add_mirror_pods(world: &mut World, index: usize) {
    for component in world.nodes[index].manifests() {
        let name = format!("{component}-{}", world.nodes[index].name);
        let pod = Pod {
            name,
            label: ("component", component.clone()),
            owner: Owner::Node,
            ..daemon_pod(world, index, "kube-system", &component)
        };
        world.pods.push(pod);
    }
}

fn write_first_token(world: &mut World, index: usize, trouble: Option<CalicoTrouble>) {
    if !world.config.cni.writes_a_token() {
        return;
    }
    let now = world.clock.wall(0);
    let expires = match trouble {
        Some(CalicoTrouble::Token) => Some(shift(now, -6 * 3600)),
        _ if world.config.kubernetes.minor < 21 => None,
        _ => Some(shift(now, 20 * 3600)),
    };
    world.write_cni_token(index, expires);
}
