//! Who speaks: from the journal's identifier, the klog source file and pid, or the layout of the text.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::klog::Klog;
use super::names::{KUBELET_FILES, KUBELETS, NOT_KUBELETS, OTHER_FILES, OTHER_STARTS, SHARED_FILES, WRAPPERS};
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
    if name.contains("kubelet") && NOT_KUBELETS.iter().any(|end| name.ends_with(end)) {
        Who::Other
    } else if name.contains("kubelet") || KUBELETS.contains(&name) {
        Who::Kubelet
    } else if matches!(name, "systemd" | "init" | "init.scope") {
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
    let known = FILES.get(klog.file).copied();
    if known == Some(File::Kubelet) || klog.path.starts_with("kubelet/") {
        return Who::Kubelet;
    }
    if klog.file.starts_with("reflector.go") {
        let own_path = klog.body.contains("pkg/kubelet/") || klog.body.contains("object-\"");
        let kubelet = reflector::is_kubelet(klog.body).unwrap_or(true) && (own_path || !in_container(klog));
        return if kubelet { Who::Kubelet } else { Who::Other };
    }
    match known {
        Some(File::Other) => Who::Other,
        _ if in_container(klog) => Who::Other,
        // The kubelet says so from its server.go alone; an API server did from several files.
        _ if klog.file != "server.go" && klog.body.starts_with("Unable to authenticate the request") => Who::Other,
        // What a server offers is asked by kubectl and controllers.
        _ if ["/api?timeout=", "/apis?timeout="]
            .iter()
            .any(|path| klog.body.contains(path)) =>
        {
            Who::Other
        }
        Some(_) => Who::Kubelet,
        None => Who::Unknown,
    }
}

/// Whose a klog source file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum File {
    Kubelet,
    Shared,
    Other,
}

/// Source files by name.
static FILES: LazyLock<HashMap<&str, File>> = LazyLock::new(|| {
    let of = |files: &'static [&str], whose| files.iter().map(move |file| (*file, whose));
    let kubelet = of(KUBELET_FILES, File::Kubelet);
    kubelet
        .chain(of(SHARED_FILES, File::Shared))
        .chain(of(OTHER_FILES, File::Other))
        .collect()
});

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
        || [
            "error",
            "Error",
            "failed",
            "Failed",
            "failure",
            "k8s-",
            "part of the existing",
        ]
        .iter()
        .any(|start| text.starts_with(start))
}
