//! The kubelet's pods: static ones as processes under the runtime, others as objects whose status is kept.

use std::collections::HashMap;
use std::fs;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};

use super::engine::Engine;
use super::manifests::{Manifest, manifests};
use super::node::address;
use super::{condition, stuck_since};
use crate::host;
use crate::runtime::{Container, Spec};
use crate::{klog, objects};

/// When a crashed container may be started again.
#[derive(Debug, Default)]
struct Backoff {
    attempts: u32,
    not_before: Option<Instant>,
}

#[derive(Debug)]
pub struct StaticPods {
    engine: Engine,
    /// What ran at the last look.
    seen: Mutex<Vec<Container>>,
    backoff: Mutex<HashMap<String, Backoff>>,
    started: Instant,
}

impl StaticPods {
    pub fn new(engine: Engine) -> Self {
        Self {
            engine,
            seen: Mutex::default(),
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
        let containers = self.engine.list()?;
        if let Ok(mut seen) = self.seen.lock() {
            seen.clone_from(&containers);
        }
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
        self.engine.stop(&container.spec.id, 30)
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
            let _ = self.engine.remove(&dead.spec.id);
        }
        let attempt = old.iter().map(|c| c.spec.attempt + 1).max().unwrap_or(0);
        self.engine.run(&spec(manifest, attempt)?)
    }

    /// Mirror pods that the API server does not have yet.
    pub fn mirrors(node: &str, known: &[Value]) -> Vec<Value> {
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
            let running = self
                .seen
                .lock()
                .is_ok_and(|all| all.iter().any(|c| c.running && c.spec.name == name));
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
