//! This host's Node object.

use std::fs;

use serde_json::{Value, json};

use super::condition;
use super::manifests::MANIFESTS;
use crate::host::{self, Version};

/// This host's own address.
pub fn address() -> String {
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
