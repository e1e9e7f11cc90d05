//! Who speaks: from the journal's identifier, the klog source file and pid, or the layout of the text.

use super::klog::Klog;
use super::reflector;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// The kubelet, under whatever name it runs.
    Kubelet,
    /// systemd.
    Systemd,
    /// journald.
    Journald,
    /// A row of `kubectl describe` or `kubectl get events`.
    Event,
    /// Anything else: API server, etcd, kubectl, kubeadm, a plugin.
    Other,
    /// The line does not tell.
    Unknown,
}

/// Names under which kubelet runs (OpenShift, hyperkube images, snaps).
const KUBELETS: &[&str] = &["kubenswrapper", "origin-node", "atomic-openshift-node", "hyperkube", "openshift-node"];

/// Names that only carry the kubelet's output, or run several components in one process.
const WRAPPERS: &[&str] = &[
    "sh", "bash", "docker", "podman", "rkt", "k3s", "k3s-agent", "rke2", "k0s", "minikube", "localkube", "kubelite", "microk8s.daemon-kubelite", "systemd-run",
    "start.sh", "env", "nsenter", "taskset", "ctr", "nerdctl", "tee", "cat", "logger", "kube-node",
];

/// Source files that only the kubelet has: they outweigh pid 1.
const KUBELET_FILES: &[&str] = &[
    "kubelet.go", "kubelet_node_status.go", "kubelet_pods.go", "kubelet_network.go", "kubelet_network_linux.go", "kubelet_getters.go", "kubelet_volumes.go",
    "kubelet_resources.go", "bootstrap.go", "eviction_manager.go", "pod_workers.go", "kuberuntime_manager.go", "kuberuntime_container.go",
    "kuberuntime_sandbox.go", "kuberuntime_image.go", "status_manager.go", "csi_plugin.go", "nodeinfomanager.go", "setters.go", "container_manager_linux.go",
    "nestedpendingoperations.go", "prober.go", "desired_state_of_world_populator.go", "volume_manager.go", "pod_container_deletor.go", "generic.go",
    "cloud_request_manager.go", "remote_image.go", "remote_runtime.go", "cni.go", "docker_sandbox.go", "certificate_map.go", "nodelease.go",
];

/// Source files of libraries that the kubelet shares with others: outside a container they are taken as the kubelet's.
const SHARED_FILES: &[&str] = &[
    "server.go", "run.go", "transport.go", "webhook.go", "event.go", "events.go", "controller.go", "lease.go", "certificate_manager.go", "certificate_store.go",
    "csr.go", "token_manager.go", "projected.go", "secret.go", "configmap.go", "runtime.go", "mirror_client.go", "reconciler.go", "reconciler_common.go",
    "operation_generator.go", "manager.go", "container_manager.go", "plugin_watcher.go", "image_gc_manager.go", "apiserver.go", "config.go", "file.go", "log.go",
    "logs.go", "shared_informer.go", "kube_config.go", "certificate.go", "errors.go", "csi_attacher.go", "csi_mounter.go", "round_trippers.go",
];

/// Source files of other components.
const OTHER_FILES: &[&str] = &[
    "authentication.go", "leaderelection.go", "memcache.go", "proxier.go", "server_others.go", "dynamic_serving_content.go", "dynamic_cafile_content.go",
    "available_controller.go", "handler_proxy.go", "cacher.go", "watcher.go", "cidrallocator.go", "repair.go", "kubeletfinalize.go", "cert_rotation.go",
    "controllermanager.go", "node_lifecycle_controller.go", "garbagecollector.go", "resource_quota_controller.go", "job_controller.go", "httplog.go",
    "instance.go", "storage_rbac.go", "lease.go:apiserver", "config_logging.go", "peer.go", "stream.go", "waitcontrolplane.go", "tls.go", "scheduler.go",
    "eventhandlers.go", "initconfiguration.go", "checks.go", "loadbalancer.go", "round_tripper.go", "wrap.go", "finisher.go", "apf_controller.go",
];

/// How plain lines of other programs begin.
const OTHER_STARTS: &[&str] = &[
    "Unable to connect to the server", "The connection to the server", "error execution phase", "failure loading", "failed to load certificate", "[kubelet-check]",
    "[preflight]", "[init]", "[certs]", "[kubeconfig]", "[wait-control-plane]", "[check-expiration]", "[renew]", "[upgrade", "[kubelet-", "[api-check]", "[discovery]",
    "[join]", "[reset]", "[ERROR", "[INFO", "[WARN", "[FATAL", "[DEBUG", "INFO[", "WARN[", "ERRO[", "FATA[", "level=", "time=\"", "time=2", "Error from server",
    "Error response from daemon", "error: You must be logged in", "error: couldn't", "error: unable to", "couldn't get current server", "couldn't validate",
    "health check for peer", "rejected connection", "Internal error occurred", "curl: (", "Unable to authenticate the request", "Unhandled Error",
    "Error: ", "failed to dial", "tls: ", "http: TLS handshake", "{\"level\"", "{\"severity\"", "Error while ", "ERROR: ", "WARNING: ", "FATAL: ", "ts=",
];

/// Highest pid that means "in a container of its own".
const CONTAINER_PID: u32 = 20;

/// Who speaks.
pub(super) fn who(ident: Option<&str>, klog: Option<&Klog<'_>>, text: &str) -> Who {
    match ident.map(by_ident) {
        Some(Who::Unknown) | None => by_text(klog, text),
        Some(known) => known,
    }
}

fn by_ident(ident: &str) -> Who {
    let name = ident.trim_start_matches('(').trim_end_matches(')');
    let name = name.rsplit('/').next().unwrap_or(name);
    let name = name.strip_suffix(".service").unwrap_or(name);
    if name.contains("kubelet") || KUBELETS.contains(&name) {
        Who::Kubelet
    } else if name == "systemd" || name == "init" {
        Who::Systemd
    } else if name.starts_with("systemd-journal") || name == "journal" {
        Who::Journald
    } else if WRAPPERS.contains(&name) || name.is_empty() || name == "unknown" {
        Who::Unknown
    } else {
        Who::Other
    }
}

fn by_text(klog: Option<&Klog<'_>>, text: &str) -> Who {
    if let Some(klog) = klog {
        return by_klog(klog);
    }
    if is_event_row(text) {
        Who::Event
    } else if is_dated(text) || OTHER_STARTS.iter().any(|start| text.starts_with(start)) {
        Who::Other
    } else {
        Who::Unknown
    }
}

fn by_klog(klog: &Klog<'_>) -> Who {
    if KUBELET_FILES.contains(&klog.file) || klog.path.starts_with("kubelet/") {
        return Who::Kubelet;
    }
    if klog.file.starts_with("reflector.go") {
        let own_path = klog.body.contains("pkg/kubelet/") || klog.body.contains("object-\"");
        let kubelet = reflector::is_kubelet(klog.body).unwrap_or(true) && (own_path || !in_container(klog));
        return if kubelet { Who::Kubelet } else { Who::Other };
    }
    match klog.file {
        file if OTHER_FILES.contains(&file) || in_container(klog) => Who::Other,
        file if SHARED_FILES.contains(&file) => Who::Kubelet,
        _ => Who::Unknown,
    }
}

fn in_container(klog: &Klog<'_>) -> bool {
    klog.pid.is_some_and(|pid| (1..=CONTAINER_PID).contains(&pid))
}

/// `2022-08-12 19:18:19.009 [FATAL][29] …` (calico), `2023-05-24 02:17:33.760448 I | embed: …` (capnslog), Go's log.
fn is_dated(text: &str) -> bool {
    let b = text.as_bytes();
    b.len() > 10
        && b.iter().take(4).all(u8::is_ascii_digit)
        && matches!(b.get(4), Some(b'-' | b'/'))
        && matches!(b.get(7), Some(b'-' | b'/'))
}

/// `Warning  FailedCreatePodSandBox  4m3s  kubelet  …`, columns parted by two blanks or a tab.
pub(super) fn is_event_row(text: &str) -> bool {
    ["Warning", "Normal"]
        .iter()
        .filter_map(|kind| text.strip_prefix(kind))
        .any(|rest| rest.starts_with("  ") || rest.starts_with('\t'))
}

/// Whether a plain line starts as one that is surely a whole record of its own.
pub(super) fn starts_record(text: &str) -> bool {
    is_event_row(text)
        || is_dated(text)
        || OTHER_STARTS.iter().any(|start| text.starts_with(start))
        || ["error", "Error", "failed", "Failed", "failure", "k8s-", "part of the existing"].iter().any(|start| text.starts_with(start))
}
