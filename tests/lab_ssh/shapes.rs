//! The other shapes of cluster over the lab's real SSH server: the whole run through certfleet's own client, judged by the fleet.
//! Seconds of real time each: only the shapes whose commands, tunnels or answers go over the wire in another way than in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use certfleet::config::load_playbook;
use certfleet::engine::run::Operator;
use certfleet::engine::{Cancel, Recorder, Run, execute, gather, look_alive};
use certfleet::lab::{
    Cni, Distribution, Lab, LabConfig, LabFiles, LabHost, LabLogin, Machine, Scenario, ServerHandle, ServerOptions,
    SshServer, keys,
};
use certfleet::model::exit::RunEnd;
use certfleet::model::{HostFacts, HostName, Inventory, Operation, Playbook, RunId, RuntimeKind, Selector};
use certfleet::plan::{Plan, PlanInput, plan};
use certfleet::remote::{FleetOptions, NoSecrets, SshFleet, Transport};
use jiff::Timestamp;

/// A fleet, its SSH server, and the way to it.
struct World {
    lab: Lab,
    server: ServerHandle,
    inventory: Arc<Inventory>,
    transport: Arc<dyn Transport>,
    _files: tempfile::TempDir,
}

impl World {
    async fn start(config: LabConfig) -> Self {
        let lab = Lab::new(config).expect("a fleet");
        let key = keys::generate().expect("a key");
        let machine: Arc<dyn Machine> = Arc::new(lab.clone());
        let options = ServerOptions::new(key.public_key().clone());
        let server = SshServer::start(machine, lab.inventory_hosts(), options)
            .await
            .expect("the server starts");
        let files = tempfile::tempdir().expect("a directory");
        let inventory = Arc::new(inventory(&lab, &server, &key, files.path()));
        let fleet = SshFleet::new(inventory.hosts.clone(), Arc::new(NoSecrets), FleetOptions::default());
        Self {
            lab,
            server,
            inventory,
            transport: Arc::new(fleet),
            _files: files,
        }
    }

    fn clock(&self) -> Arc<dyn Fn() -> Timestamp + Send + Sync> {
        let lab = self.lab.clone();
        Arc::new(move || lab.wall_clock())
    }

    async fn facts(&self, playbook: &Playbook) -> BTreeMap<HostName, HostFacts> {
        let clock = self.clock();
        let facts = gather(&self.transport, &self.inventory.hosts, &*clock).await;
        if playbook.asks_what_runs() {
            look_alive(&self.transport, &self.inventory, facts, clock).await
        } else {
            facts
        }
    }

    async fn run(&self, playbook: &Playbook) -> (RunEnd, Plan, String) {
        let facts = self.facts(playbook).await;
        let plan = plan(&PlanInput {
            inventory: &self.inventory,
            playbook,
            facts: &facts,
            limit: &Selector::all(),
            now: self.lab.wall_clock(),
        });
        let errors: Vec<_> = plan.errors().collect();
        assert!(errors.is_empty(), "{errors:?}");
        let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
        let run = Run {
            id: RunId::new("20201122T191500Z-shapes-0001"),
            inventory: Arc::clone(&self.inventory),
            facts: Arc::new(facts),
            transport: Arc::clone(&self.transport),
            recorder: Recorder::new(None, vec![sender], self.clock()),
            cancel: Cancel::new(),
        };
        let who = "test@here".to_owned();
        let end = execute(&run, &plan, &Operator { who }).await.expect("a record");
        let mut told = Vec::new();
        while let Ok(event) = events.try_recv() {
            told.push(certfleet::report::event_line(&event));
        }
        (end, plan, told.join("\n"))
    }
}

/// As `lab up` writes it, with what the lab's own inventory says of Kubernetes.
fn inventory(
    lab: &Lab,
    server: &ServerHandle,
    key: &russh::keys::ssh_key::PrivateKey,
    folder: &std::path::Path,
) -> Inventory {
    let own = lab.inventory();
    let hosts = server.hosts().iter().map(|h| LabHost {
        name: h.name.clone(),
        role: own.host(&h.name).expect("a host of the fleet").role,
        port: h.port,
        host_key: h.host_key.clone(),
    });
    let login = LabLogin {
        key,
        sudo_password: false,
    };
    let files = LabFiles::write(&folder.join("lab"), &hosts.collect::<Vec<_>>(), &login).expect("the files");
    let mut inventory = certfleet::config::load_inventory(&files.inventory(), None).expect("an inventory");
    for host in &mut inventory.hosts {
        let said = own.host(&host.name).expect("a host of the fleet");
        host.kubernetes.clone_from(&said.kubernetes);
    }
    inventory
}

/// The built-in playbook with gates that look at once: here every second is a real one.
fn impatient(name: &str) -> Playbook {
    let mut playbook = load_playbook(name).expect("built in");
    for gate in playbook.phases.iter_mut().filter_map(|p| p.gate.as_mut()) {
        gate.quiet = gate.quiet.min(Duration::from_millis(500));
        gate.interval = Duration::from_millis(250);
    }
    for step in playbook.phases.iter_mut().flat_map(|p| &mut p.steps) {
        if let Operation::DeletePods { grace } = step {
            *grace = Duration::from_secs(3);
        }
    }
    playbook
}

async fn recovers(name: &str, playbook: &str, config: LabConfig) {
    let world = World::start(config).await;
    let (end, _, told) = world.run(&impatient(playbook)).await;
    assert_eq!(end, RunEnd::Succeeded, "{name}: {told}");
    world
        .lab
        .status()
        .healthy()
        .unwrap_or_else(|e| panic!("{name}: {e}\n{told}"));
    assert!(world.lab.alarms().is_empty(), "{name}: {:?}", world.lab.alarms());
    world.server.shutdown().await;
}

fn expired(minor: u32, runtime: RuntimeKind) -> LabConfig {
    LabConfig::new(Scenario::Expired)
        .with_versions(minor, runtime)
        .sized(1, 1)
}

#[tokio::test]
async fn other_shapes_recover_over_ssh() {
    let of = |kind| LabConfig {
        distribution: Some(kind),
        ..expired(28, RuntimeKind::Containerd)
    };
    let worlds: [(&str, &str, LabConfig); 6] = [
        ("k3s", "k3s", of(Distribution::K3s)),
        (
            "k3s whose listener is stale",
            "k3s",
            LabConfig {
                stale_listener: true,
                ..of(Distribution::K3s)
            },
        ),
        ("rke2", "rke2", of(Distribution::Rke2)),
        (
            "CRI-O without crictl",
            "renew",
            LabConfig {
                without_client: true,
                ..expired(30, RuntimeKind::CriO)
            },
        ),
        (
            "cri-dockerd, live-restore, kube-vip",
            "renew",
            LabConfig {
                live_restore: true,
                kube_vip: true,
                ..expired(28, RuntimeKind::Docker)
            },
        ),
        (
            "canal, a kept configuration",
            "renew",
            LabConfig {
                cni: Cni::Canal,
                cert_dir: "/srv/kubernetes/pki".to_owned(),
                validity_days: 60,
                kept_config: true,
                ..expired(31, RuntimeKind::Containerd)
            },
        ),
    ];
    let runs = worlds
        .into_iter()
        .map(|(name, playbook, config)| recovers(name, playbook, config));
    futures::future::join_all(runs).await;
}

#[tokio::test]
async fn k3s_servers_are_taken_one_by_one_over_ssh() {
    let config = LabConfig {
        distribution: Some(Distribution::K3s),
        ..LabConfig::new(Scenario::Healthy).sized(3, 1)
    };
    recovers("healthy k3s", "k3s", config).await;
}
