//! Who is connected to whom in etcd: members to each other, and API servers to members.

use std::collections::BTreeSet;

use crate::model::Role;

use super::node::Node;
use super::world::World;

impl World {
    /// Running etcd members open connections to each other: both certificates are read from disk and must be valid.
    pub(super) fn connect_etcd(&mut self) {
        let alive: BTreeSet<String> = self
            .nodes
            .iter()
            .filter_map(|n| n.container("etcd"))
            .map(|c| c.id.clone())
            .collect();
        self.peers.retain(|(a, b)| alive.contains(a) && alive.contains(b));
        let acceptable: Vec<&str> = self.nodes.iter().filter_map(|n| self.acceptable_member(n)).collect();
        let mut fresh = Vec::new();
        for (i, a) in acceptable.iter().enumerate() {
            fresh.extend(acceptable[i + 1..].iter().map(|b| ((*a).to_owned(), (*b).to_owned())));
        }
        self.peers.extend(fresh);
    }

    fn acceptable_member<'a>(&self, node: &'a Node) -> Option<&'a str> {
        let container = node.container("etcd")?;
        let peer = node.files.leaf(&node.pki("etcd/peer.crt"))?;
        let up = self.now >= container.started + self.config.timings.etcd_up;
        let valid = peer.valid(self.clock.wall(self.now + node.offset));
        (up && valid).then_some(container.id.as_str())
    }

    /// The member runs and sees a majority, itself included.
    pub(super) fn member_healthy(&self, node: &Node) -> bool {
        let Some(container) = node.container("etcd") else {
            return false;
        };
        let id = &container.id;
        let seen = self.peers.iter().filter(|(a, b)| a == id || b == id).count() + 1;
        seen > self.members() / 2
    }

    /// Size of the etcd cluster.
    pub(super) fn members(&self) -> usize {
        self.nodes.iter().filter(|n| self.is_member(n)).count()
    }

    /// A member of etcd belongs on the host, whether it runs or not.
    pub(super) fn is_member(&self, node: &Node) -> bool {
        node.role
            == if self.config.etcd > 0 {
                Role::Etcd
            } else {
                Role::ControlPlane
            }
    }

    /// The etcd that this master's API server uses has its quorum.
    pub(super) fn has_etcd(&self, master: &Node) -> bool {
        self.servers_of(master).any(|n| self.member_healthy(n))
    }

    /// The hosts whose etcd this master's API server may use: its own, or all that are elsewhere.
    fn servers_of<'a>(&'a self, master: &Node) -> impl Iterator<Item = &'a Node> {
        let (index, elsewhere) = (master.index, self.config.etcd > 0);
        self.nodes.iter().filter(move |n| {
            if elsewhere {
                n.role == Role::Etcd
            } else {
                n.index == index
            }
        })
    }

    /// Whether an etcd listens for this master's API server, and whether one shows it a certificate that is valid there.
    fn etcd_seen_from(&self, master: &Node) -> (bool, bool) {
        let wall = self.clock.wall(self.now + master.offset);
        let up = |n: &&Node| {
            n.container("etcd")
                .is_some_and(|c| self.now >= c.started + self.config.timings.etcd_up)
        };
        let valid = |n: &Node| {
            n.files
                .leaf(&n.pki("etcd/server.crt"))
                .is_some_and(|leaf| leaf.valid(wall))
        };
        let mut servers = self.servers_of(master).filter(up).peekable();
        (servers.peek().is_some(), servers.any(valid))
    }

    /// An API server without etcd tries to connect: etcd's server certificate and its own client certificate must do.
    pub(super) fn connect_apis(&mut self) {
        let (now, clock) = (self.now, self.clock);
        let seen: Vec<(bool, bool)> = self.nodes.iter().map(|n| self.etcd_seen_from(n)).collect();
        for (node, (etcd_up, server_valid)) in self.nodes.iter_mut().zip(seen) {
            let wall = clock.wall(now + node.offset);
            let Some(api) = node.containers.iter_mut().find(|c| c.component == "kube-apiserver") else {
                continue;
            };
            let client_valid = api.client.as_ref().is_some_and(|leaf| leaf.valid(wall));
            if !etcd_up {
                api.since = None;
            } else if server_valid && client_valid {
                api.since = api.since.or(Some(now));
            }
        }
    }
}
