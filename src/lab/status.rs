//! The fleet from above: what tests assert and `demo` shows.

use std::sync::Arc;

use crate::model::{HostName, Role, RuntimeKind};

use super::calico::PodState;
use super::config::CalicoTrouble;
use super::fleet::is_master;
use super::node::{KUBELET_CLIENT, Node};
use super::pki::Leaf;
use super::static_pods::{self, COMPONENTS, HAPROXY};
use super::world::World;

/// A snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabStatus {
    pub nodes: Vec<NodeStatus>,
    /// `NAMESPACE/NAME: STATUS` of every pod that is not Ready.
    pub pods_not_ready: Vec<String>,
    /// Hosts whose CNI token has expired.
    pub expired_cni_tokens: Vec<HostName>,
}

/// One host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is an answer of its own")]
pub struct NodeStatus {
    pub host: HostName,
    /// The Node object says Ready.
    pub ready: bool,
    /// The kubelet has an open, accepted connection to the API.
    pub connected: bool,
    /// `/readyz` of the API server here; `None` on workers.
    pub api_ready: Option<bool>,
    /// This etcd member sees a majority; `None` where there is none.
    pub etcd_healthy: Option<bool>,
    /// Every process uses the certificate that lies on disk.
    pub served_is_disk: bool,
    /// Every certificate on disk is within its validity.
    pub disk_valid: bool,
    /// A static pod that is none of kubeadm's runs as before; stopping docker without live-restore ends it, too.
    pub bystander_kept: bool,
    /// The run that left the node cordoned.
    pub cordoned_by: Option<String>,
    /// Container ids of the control plane, by name.
    pub containers: Vec<(String, String)>,
    /// How many of them there are when all is well.
    pub components: usize,
}

impl LabStatus {
    pub(super) fn of(world: &World) -> Self {
        let broken = |p: &&super::calico::Pod| !matches!(p.state, PodState::Ready { .. });
        let token = |p: &&super::calico::Pod| p.trouble == Some(CalicoTrouble::Token);
        let show = |p: &super::calico::Pod| format!("{}/{}: {}", p.namespace, p.name, p.status());
        Self {
            nodes: world.nodes.iter().map(|n| NodeStatus::of(world, n)).collect(),
            pods_not_ready: world.pods.iter().filter(broken).map(show).collect(),
            expired_cni_tokens: world
                .pods
                .iter()
                .filter(token)
                .map(|p| world.nodes[p.node].name.clone())
                .collect(),
        }
    }

    /// The node of that name.
    pub fn node(&self, host: &str) -> Option<&NodeStatus> {
        self.nodes.iter().find(|n| n.host.as_str() == host)
    }

    /// Every node is Ready.
    pub fn all_ready(&self) -> bool {
        self.nodes.iter().all(|n| n.ready)
    }

    /// What is wrong, one sentence each; empty = healthy.
    pub fn problems(&self) -> Vec<String> {
        let mut problems: Vec<String> = self.nodes.iter().flat_map(NodeStatus::problems).collect();
        problems.extend(self.pods_not_ready.iter().map(|pod| format!("pod {pod}")));
        problems.extend(
            self.expired_cni_tokens
                .iter()
                .map(|h| format!("{h}: the CNI token has expired")),
        );
        problems
    }

    /// Fails a test when anything is wrong.
    ///
    /// # Errors
    /// All problems, one a line.
    pub fn healthy(&self) -> Result<(), String> {
        let problems = self.problems();
        if problems.is_empty() {
            Ok(())
        } else {
            Err(problems.join("\n"))
        }
    }
}

impl NodeStatus {
    fn of(world: &World, node: &Node) -> Self {
        let (master, alone) = (is_master(node), node.role == Role::Etcd);
        let member = world.is_member(node);
        let moment = world.moment();
        let wall = node.wall(&moment);
        let api_ready = moment.apis.iter().any(|a| a.master == node.index && a.ready);
        let leaves = node.files.below("/etc").chain(node.files.below("/var/lib/kubelet"));
        // A kubelet's earlier certificates stay beside the one that its link leads to.
        let current = node.files.leaf(KUBELET_CLIENT).map(|l| l.serial);
        let earlier = |path: &str, serial| path.contains("/kubelet-client-2") && Some(serial) != current;
        let leaves = leaves.chain(node.files.below(&node.cert_dir));
        // Copies of admin.conf that people and programs use.
        let copies = ["/root", "/home", "/opt"].map(|folder| node.files.below(folder));
        let leaves = leaves.chain(copies.into_iter().flatten());
        // What `certificate rotate` has moved away lies in tls-TIME.
        let ranchers = node
            .files
            .below("/var/lib/rancher")
            .filter(|(path, _)| !path.contains("/tls-"));
        let leaves = leaves.chain(ranchers);
        let disk_valid = leaves
            .filter_map(|(path, f)| f.content.leaf().filter(|l| !earlier(path, l.serial)))
            .all(|leaf| leaf.valid(wall));
        Self {
            host: node.name.clone(),
            ready: alone || world.node_ready(node),
            connected: match &node.rancher {
                Some(own) => own.connected(),
                None => node.kubelet.as_ref().is_some_and(|k| alone || k.connection.is_some()),
            },
            api_ready: master.then_some(api_ready),
            etcd_healthy: member.then(|| world.member_healthy(node)),
            served_is_disk: served_is_disk(node),
            disk_valid: disk_valid && (alone || node.rancher.is_some() || node.files.leaf(KUBELET_CLIENT).is_some()),
            components: if master { 3 } else { 0 } + usize::from(member),
            bystander_kept: bystander_kept(world, node),
            cordoned_by: world.closed.get(&node.index).and_then(|c| c.by.clone()),
            containers: node
                .containers
                .iter()
                .filter(|c| COMPONENTS.contains(&c.component.as_str()))
                .map(|c| (c.component.clone(), c.id.clone()))
                .collect(),
        }
    }

    fn problems(&self) -> Vec<String> {
        let facts = [
            (self.ready, "the node is not Ready"),
            (self.connected, "the kubelet has no connection to the API"),
            (self.api_ready != Some(false), "the API server is not ready"),
            (self.etcd_healthy != Some(false), "etcd has no quorum here"),
            (
                self.served_is_disk,
                "a process uses another certificate than the one on disk",
            ),
            (self.disk_valid, "a certificate on disk is not valid"),
            (self.bystander_kept, "haproxy was ended, and had no part in it"),
            (
                self.cordoned_by.is_none(),
                "the node has the mark of a run that cordoned it",
            ),
            (
                self.containers.len() == self.components,
                "a control-plane container is missing",
            ),
        ];
        let wrong = facts.into_iter().filter(|(good, _)| !good);
        wrong.map(|(_, what)| format!("{}: {what}", self.host)).collect()
    }
}

fn bystander_kept(world: &World, node: &Node) -> bool {
    let Some(before) = world.bystanders.get(&node.name) else {
        return true;
    };
    let ends_with_its_runtime = node.runtime == RuntimeKind::Docker && !node.live_restore;
    node.container(HAPROXY)
        .is_some_and(|now| now.id == *before || ends_with_its_runtime)
}

/// Each process has loaded what it would load now, whether it shows it to callers or to others; only what lies there counts.
fn served_is_disk(node: &Node) -> bool {
    let same = |disk: Option<Arc<Leaf>>, used: Option<&Arc<Leaf>>| {
        disk.is_none_or(|disk| used.is_some_and(|used| used.serial == disk.serial))
    };
    node.containers.iter().all(|c| {
        same(static_pods::serving(node, &c.component), c.serving.as_ref())
            && same(static_pods::client(node, &c.component), c.client.as_ref())
    })
}
