//! Static pods as their manifests say.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};

pub(super) const MANIFESTS: &str = "/etc/kubernetes/manifests";

/// A static pod as its manifest says.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub name: String,
    pub image: String,
    pub command: Vec<String>,
    pub hash: String,
}

/// All that the kubelet's directory holds, in the order of their names.
pub fn manifests() -> Vec<Manifest> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_lab_writes_is_what_the_kubelet_reads() {
        let command = vec!["kube-scheduler".to_owned(), "--leader-elect=true".to_owned()];
        let text = crate::lab::manifests::manifest("kube-scheduler", "v1.19.16", &command);
        let read = manifest(&text).unwrap();
        assert_eq!((read.name.as_str(), read.command), ("kube-scheduler", command));
        assert_eq!(read.image, "k8s.gcr.io/kube-scheduler:v1.19.16");
        let changed = manifest(&text.replace("true", "false")).unwrap();
        assert_ne!(changed.hash, read.hash);
        assert!(manifest("apiVersion: v1\nkind: Pod\n").is_none());
    }
}
