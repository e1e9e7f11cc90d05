//! Where a kubelet finds what it needs.

use std::sync::Arc;

use jiff::Timestamp;

use super::file_tree::{Content, FileTree, Found};
use super::node::KUBELET_CLIENT;
use super::pki::Leaf;

/// The kubelet's kubeconfig.
pub(super) const KUBELET_CONF: &str = "/etc/kubernetes/kubelet.conf";
/// A key whose certificate is asked for. Below /run: gone with a restart.
pub(super) const PENDING_KEY: &str = "/run/certfleet/kubelet-client/key";

/// The pair that a kubelet makes for itself when it starts and finds none.
pub(super) const SERVING: &str = "/var/lib/kubelet/pki/kubelet.crt";

/// The client certificate that a kubelet starts with: what kubelet.conf holds must be valid, then the link counts.
pub(super) fn client(files: &FileTree, now: Timestamp) -> Option<Arc<Leaf>> {
    if let Found::File(file) = files.find(KUBELET_CLIENT)
        && let Content::Mismatched { .. } = file.content
    {
        return None;
    }
    match files.leaf(KUBELET_CONF) {
        Some(leaf) if leaf.expired(now) => Some(leaf),
        inside => files.leaf(KUBELET_CLIENT).or(inside),
    }
}
