//! The kubelet's pods: static ones as processes under the runtime, others as objects whose status is kept.

use std::collections::HashMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use crate::host::{self, Version};
use crate::kubelet::{condition, stuck_since};
use crate::runtime::{self, Container, Spec};
use crate::{klog, objects};

const MANIFESTS: &str = "/etc/kubernetes/manifests";

/// A static pod as its manifest says.
#[derive(Debug, Clone)]
struct Manifest {
    name: String,
    image: String,
    command: Vec<String>,
    hash: String,
}

/// When a crashed container may be started again.
#[derive(Debug, Default)]
struct Backoff {
    attempts: u32,
    not_before: Option<Instant>,
}

#[derive(Debug)]
pub struct StaticPods {
    socket: String,
    backoff: Mutex<HashMap<String, Backoff>>,
    started: Instant,
}

impl StaticPods {
    pub fn new(socket: String) -> Self {
        Self {
            socket,
            backoff: Mutex::default(),
            started: Instant::now(),
        }
    }

    /// Brings what runs in line with the manifests, for ever.
    pub fn run(&self) {
        loop {
            if let Err(e) = self.sync() {
                klog::error(
                    "generic.go:205",
                    &format!("GenericPLEG: Unable to retrieve pods: rpc error: code = Unknown desc = {e:#}"),
                );
                thread::sleep(Duration::from_secs(2));
            }
            thread::sleep(Duration::from_secs(1));
        }
    }

    fn sync(&self) -> Result<()> {
        let containers = runtime::list(&self.socket)?;
        let manifests = manifests();
        for manifest in &manifests {
            let mine: Vec<&Container> = containers.iter().filter(|c| c.spec.name == manifest.name).collect();
            for old in mine.iter().filter(|c| c.running && c.spec.hash != manifest.hash) {
                self.stop(old)?;
            }
            if !mine.iter().any(|c| c.running && c.spec.hash == manifest.hash) {
                self.start(manifest, &mine)?;
            }
        }
        for left in containers
            .iter()
            .filter(|c| c.running && !manifests.iter().any(|m| m.name == c.spec.name))
        {
            self.stop(left)?;
        }
        Ok(())
    }

    fn stop(&self, container: &Container) -> Result<()> {
        klog::info(
            "kuberuntime_container.go:635",
            &format!(
                "Killing container \"docker://{}\" with a 30 second grace period",
                container.spec.id
            ),
        );
        runtime::ask(
            &self.socket,
            &json!({"op": "stop", "id": container.spec.id, "seconds": 30}),
        )
        .map(|_| ())
    }

    /// Starts a container unless it crashed a moment ago: 10 s, then twice as long each time, up to 5 minutes.
    fn start(&self, manifest: &Manifest, old: &[&Container]) -> Result<()> {
        let Ok(mut all) = self.backoff.lock() else {
            return Ok(());
        };
        let backoff = all.entry(manifest.name.clone()).or_default();
        if backoff.not_before.is_some_and(|t| Instant::now() < t) {
            return Ok(());
        }
        let delay = Duration::from_secs(10 * (1 << backoff.attempts.min(5))).min(Duration::from_secs(300));
        if backoff.attempts > 0 {
            klog::error(
                "pod_workers.go:191",
                &format!(
                    "Error syncing pod, skipping: failed to \"StartContainer\" for {:?} with CrashLoopBackOff: \"back-off {}s restarting failed container={} pod={}_kube-system\"",
                    manifest.name,
                    delay.as_secs(),
                    manifest.name,
                    pod_name(&manifest.name, &host::hostname())
                ),
            );
        }
        backoff.attempts += 1;
        backoff.not_before = Some(
            Instant::now()
                + if backoff.attempts == 1 {
                    Duration::ZERO
                } else {
                    delay / 2
                },
        );
        // Two dead ones are kept, as the kubelet keeps one and the runtime another.
        for dead in old.iter().filter(|c| !c.running).skip(1) {
            let _ = runtime::ask(&self.socket, &json!({"op": "rm", "id": dead.spec.id}));
        }
        let attempt = old.iter().map(|c| c.spec.attempt + 1).max().unwrap_or(0);
        runtime::ask(&self.socket, &json!({"op": "run", "spec": spec(manifest, attempt)?})).map(|_| ())
    }

    /// Mirror pods that the API server does not have yet.
    pub fn mirrors(&self, node: &str, known: &[Value]) -> Vec<Value> {
        let missing = manifests().into_iter().filter(|m| {
            let name = pod_name(&m.name, node);
            !known.iter().any(|p| p["metadata"]["name"] == name.as_str())
        });
        missing
            .map(|m| json!({
                "metadata": {"name": pod_name(&m.name, node), "labels": {"component": m.name, "tier": "control-plane"},
                    "annotations": {"kubernetes.io/config.mirror": m.hash}},
                "spec": {"nodeName": node, "hostNetwork": true, "containers": [{"name": m.name, "image": m.image}]},
                "status": {"phase": "Pending"},
            }))
            .collect()
    }

    /// The pod with its status as it is now, when that differs from what is written.
    pub fn observe(&self, pod: &Value) -> Option<Value> {
        let owned = pod["metadata"]["ownerReferences"][0]["kind"] == "DaemonSet";
        let name = pod["spec"]["containers"][0]["name"].as_str().unwrap_or_default();
        let created = pod["metadata"]["creationTimestamp"].as_str().unwrap_or_default();
        let (ready, reason) = if owned {
            let stuck = stuck_since(created);
            // A pod of the network takes a moment; after a kubelet start it is looked at anew.
            let young =
                objects::seconds_since(created).unwrap_or(0) < 2 || self.started.elapsed() < Duration::from_secs(2);
            match (stuck, young) {
                (true, _) => (false, "CrashLoopBackOff"),
                (false, true) => return None,
                _ => (true, ""),
            }
        } else {
            let running =
                runtime::list(&self.socket).is_ok_and(|all| all.iter().any(|c| c.running && c.spec.name == name));
            (running, if running { "" } else { "CrashLoopBackOff" })
        };
        let old = &pod["status"]["containerStatuses"][0];
        if old["ready"] == ready && old["state"]["waiting"]["reason"].as_str().unwrap_or_default() == reason {
            return None;
        }
        let mut changed = pod.clone();
        changed["status"] = pod_status(pod, name, ready, reason);
        Some(changed)
    }
}

fn pod_status(pod: &Value, name: &str, ready: bool, reason: &str) -> Value {
    let now = host::stamp(host::now());
    let state = if ready {
        json!({"running": {"startedAt": now}})
    } else {
        json!({"waiting": {"reason": reason, "message": format!("back-off 5m0s restarting failed container={name}")}})
    };
    let restarts = pod["status"]["containerStatuses"][0]["restartCount"]
        .as_u64()
        .unwrap_or(0)
        + u64::from(!ready);
    let ip = address();
    json!({
        "phase": "Running", "hostIP": ip, "podIP": ip, "startTime": pod["metadata"]["creationTimestamp"],
        "conditions": [
            condition("Initialized", true, "", &now),
            condition("Ready", ready, if ready { "" } else { "ContainersNotReady" }, &now),
            condition("PodScheduled", true, "", &now),
        ],
        "containerStatuses": [{"name": name, "ready": ready, "restartCount": restarts, "state": state}],
    })
}

fn pod_name(manifest: &str, node: &str) -> String {
    format!("{manifest}-{node}")
}

fn spec(manifest: &Manifest, attempt: u32) -> Result<Spec> {
    fs::create_dir_all("/var/log/containers")?;
    let pod = pod_name(&manifest.name, &host::hostname());
    Ok(Spec {
        id: String::new(),
        name: manifest.name.clone(),
        namespace: "kube-system".to_owned(),
        hash: manifest.hash.clone(),
        attempt,
        image: manifest.image.clone(),
        command: manifest.command.clone(),
        log: format!("/var/log/containers/{pod}_kube-system_{}.log", manifest.name),
        pod,
        started: String::new(),
    })
}

fn manifests() -> Vec<Manifest> {
    let entries = fs::read_dir(MANIFESTS).into_iter().flatten().flatten();
    let mut all: Vec<Manifest> = entries
        .filter(|e| !e.file_name().to_string_lossy().starts_with('.'))
        .filter_map(|e| manifest(&fs::read_to_string(e.path()).ok()?))
        .collect();
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

/// Reads the one shape of manifest that kubeadm writes.
fn manifest(text: &str) -> Option<Manifest> {
    let mut lines = text
        .lines()
        .skip_while(|l| !l.trim_start().trim_start_matches("- ").starts_with("command:"));
    lines.next()?;
    let command = lines
        .map_while(|l| {
            l.trim_start()
                .strip_prefix("- ")
                .map(|w| w.trim_matches('"').to_owned())
        })
        .collect();
    let value = |key: &str| {
        text.lines().find_map(|l| {
            l.trim_start()
                .trim_start_matches("- ")
                .strip_prefix(key)
                .map(|v| v.trim().to_owned())
        })
    };
    let mut hash = DefaultHasher::new();
    text.hash(&mut hash);
    let component = value("component:")?;
    Some(Manifest {
        name: component,
        image: value("image:").unwrap_or_default(),
        command,
        hash: format!("{:08x}", hash.finish() & 0xffff_ffff),
    })
}

fn address() -> String {
    let text = fs::read_to_string(format!("{}/address", host::LAB)).unwrap_or_default();
    text.trim().split('/').next().unwrap_or_default().to_owned()
}

/// This host's Node object.
pub fn node(name: &str, version: &Version) -> Value {
    let mut node = json!({
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}},
        "spec": {},
        "status": {},
    });
    if fs::exists(format!("{MANIFESTS}/kube-apiserver.yaml")).unwrap_or(false) {
        node["metadata"]["labels"]["node-role.kubernetes.io/master"] = json!("");
        node["metadata"]["labels"]["node-role.kubernetes.io/control-plane"] = json!("");
    }
    refresh(&mut node, name, version);
    node
}

/// Writes the kubelet's heartbeat into the node's status.
pub fn refresh(node: &mut Value, name: &str, version: &Version) {
    let now = host::stamp(host::now());
    let old = node["status"]["conditions"]
        .as_array()
        .and_then(|all| all.iter().find(|c| c["type"] == "Ready"))
        .cloned();
    let since = match old {
        Some(c) if c["status"] == "True" => c["lastTransitionTime"].as_str().unwrap_or(&now).to_owned(),
        _ => now,
    };
    let docker = fs::exists("/run/standins/dockerd").unwrap_or(false);
    node["status"] = json!({
        "addresses": [{"type": "InternalIP", "address": address()}, {"type": "Hostname", "address": name}],
        "conditions": [
            condition("MemoryPressure", false, "KubeletHasSufficientMemory", &since),
            condition("DiskPressure", false, "KubeletHasNoDiskPressure", &since),
            condition("PIDPressure", false, "KubeletHasSufficientPID", &since),
            condition("Ready", true, "KubeletReady", &since),
        ],
        "nodeInfo": {"kubeletVersion": version.text, "osImage": "Debian GNU/Linux 12 (bookworm)", "architecture": "amd64",
            "containerRuntimeVersion": if docker { "docker://20.10.24" } else { "containerd://1.6.20" },
            "bootID": fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim()},
    });
}
