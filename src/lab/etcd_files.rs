//! An etcd on hosts of its own: what kubeadm leaves there, and where its CA's key is.

use std::sync::Arc;

use crate::model::Role;

use super::config::{EtcdKey, LabConfig};
use super::file_tree::Content;
use super::pki::{LabError, LeafSpec, Signer};
use super::scenario::address;
use super::scenario_files::{manifest_text, put_leaves};
use super::static_pods::manifest;
use super::story::Story;
use super::world::World;

/// The certificates of a member, below the certificate directory.
pub(super) fn leaves(name: &str, address: &str) -> [(&'static str, LeafSpec); 3] {
    let sans: Vec<String> = ["localhost", "127.0.0.1", "::1", name, address]
        .map(str::to_owned)
        .into();
    let both = |sans| LeafSpec {
        client: true,
        ..LeafSpec::server(name, sans, Signer::EtcdCa)
    };
    [
        ("etcd/server", both(sans.clone())),
        ("etcd/peer", both(sans)),
        (
            "etcd/healthcheck-client",
            LeafSpec::client("kube-etcd-healthcheck-client", Some("system:masters"), Signer::EtcdCa),
        ),
    ]
}

/// Where the API servers find an etcd that is elsewhere; nothing for a stacked one.
pub(super) fn servers(config: &LabConfig) -> Vec<String> {
    let first = config.masters + config.workers;
    let hosts = first..first + config.etcd;
    hosts
        .map(|index| format!("https://{}:2379", address(config, index, Role::Etcd)))
        .collect()
}

/// As `kubeadm init phase certs etcd-*` and `kubeadm init phase etcd local` leave it.
pub(super) fn put_etcd_files(world: &mut World, index: usize, story: &Story) -> Result<(), LabError> {
    put_leaves(world, index, story.in_use)?;
    let config = &world.config;
    let keeps = match config.etcd_key {
        EtcdKey::First => index == config.masters + config.workers,
        EtcdKey::Each => true,
        EtcdKey::Nowhere => false,
    };
    let authority = Arc::clone(&world.pki.etcd);
    let node = &mut world.nodes[index];
    let (certificate, key) = (node.pki("etcd/ca.crt"), node.pki("etcd/ca.key"));
    let own = &node.address;
    let flags = [
        format!("--listen-client-urls=https://127.0.0.1:2379,https://{own}:2379"),
        format!("--listen-peer-urls=https://{own}:2380"),
    ];
    let files = &mut node.files;
    files.put(
        certificate,
        Content::CaCertificate(Arc::clone(&authority)),
        story.created,
    );
    if keeps {
        files.put(key, Content::CaKey(authority), story.created);
    }
    files.put(
        manifest("etcd"),
        Content::Text(manifest_text("etcd", &flags)),
        story.created,
    );
    Ok(())
}
