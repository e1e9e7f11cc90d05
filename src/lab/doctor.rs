//! Makes single files of a host wrong, for those who test what looks at hosts. None of it is a change that a run made.

use std::sync::Arc;

use crate::model::HostName;

use super::clock::{DAY, shift};
use super::etcd_files;
use super::file_tree::{Content, FileTree};
use super::fleet::Lab;
use super::node::KUBELET_CLIENT;
use super::pki::LabError;
use super::world::World;

impl Lab {
    /// Issues the certificate in a file anew, written now, valid between these days from now; processes keep what they
    /// have loaded. A CA keeps its key, and so what it signed.
    ///
    /// # Errors
    /// A certificate that cannot be made.
    pub fn reissue(&self, host: &HostName, path: &str, (from, until): (i64, i64)) -> Result<(), LabError> {
        self.with(|w| {
            let Some(index) = w.nodes.iter().position(|n| n.name == *host) else {
                return Ok(());
            };
            let path = target(&w.nodes[index].files, path);
            let content = w.nodes[index].files.entry(&path).map(|f| f.content.clone());
            let now = w.clock.wall(w.now);
            let days = (shift(now, from * DAY), shift(now, until * DAY));
            let fresh = match content {
                Some(Content::CaCertificate(ca)) => Content::CaCertificate(Arc::new(ca.redated(days.0, days.1)?)),
                Some(content) => match content.leaf().cloned() {
                    Some(leaf) => content.with_leaf(w.issue(leaf.spec.clone(), days.0, days.1)?),
                    None => return Ok(()),
                },
                None => return Ok(()),
            };
            put(w, index, &path, fresh);
            Ok(())
        })
    }

    /// Writes a file of text: a manifest, a setting, rubbish.
    pub fn write_file(&self, host: &HostName, path: &str, text: &str) {
        self.on_node(host, |w, index| put(w, index, path, Content::Text(text.to_owned())));
    }

    /// The kubelet of the host writes these lines, now.
    pub fn kubelet_says(&self, host: &HostName, lines: &[String]) {
        self.on_node(host, |w, index| {
            let moment = w.moment();
            let node = &mut w.nodes[index];
            let pid = node.unit("kubelet").map_or(0, |u| u.pid);
            for line in lines {
                node.log(&moment, "kubelet.service", "kubelet", pid, line.clone().into_bytes());
            }
        });
    }

    /// The API server of a master was told to take its certificate from /etc/ssl/api.crt, where a copy of the present one is.
    pub fn own_certificate(&self, host: &HostName) {
        self.tell_api_server(host, ("tls-cert-file", "/etc/ssl/api.crt"), "apiserver.crt");
    }

    /// It was told to show etcd a copy of its client certificate from a directory where kubeadm has none.
    pub fn own_etcd_client(&self, host: &HostName) {
        let path = "/etc/kubernetes/pki/etcd/apiserver-etcd-client.crt";
        self.tell_api_server(host, ("etcd-certfile", path), "apiserver-etcd-client.crt");
    }

    /// A flag of the API server names a file, which is a copy of one of kubeadm's.
    fn tell_api_server(&self, host: &HostName, (flag, path): (&str, &str), copied: &str) {
        self.on_node(host, |w, index| {
            let node = &w.nodes[index];
            let manifest = super::static_pods::manifest("kube-apiserver");
            let text = node.files.entry(&manifest).map(|f| f.content.text());
            let leaf = node.files.leaf(&node.pki(copied));
            if let (Some(text), Some(leaf)) = (text, leaf) {
                let mark = "    - kube-apiserver\n";
                let told = text.replace(mark, &format!("{mark}    - --{flag}={path}\n"));
                put(w, index, path, Content::Certificate(leaf));
                put(w, index, &manifest, Content::Text(told));
            }
        });
    }

    /// An etcd that ran on this master in earlier days left its certificate, which has expired since.
    ///
    /// # Errors
    /// A certificate that cannot be made.
    pub fn leave_member_behind(&self, host: &HostName) -> Result<(), LabError> {
        self.with(|w| {
            let Some(index) = w.nodes.iter().position(|n| n.name == *host) else {
                return Ok(());
            };
            let node = &w.nodes[index];
            let path = node.pki("etcd/server.crt");
            let [(_, spec), ..] = etcd_files::leaves(node.name.as_str(), &node.address);
            let now = w.clock.wall(w.now);
            let leaf = w.issue(spec, shift(now, -800 * DAY), shift(now, -435 * DAY))?;
            put(w, index, &path, Content::Certificate(leaf));
            Ok(())
        })
    }

    /// Removes a file.
    pub fn remove_file(&self, host: &HostName, path: &str) {
        self.on_node(host, |w, index| {
            w.nodes[index].files.remove(path);
        });
    }

    /// Replaces a file by a symlink.
    pub fn link_file(&self, host: &HostName, path: &str, target: &str) {
        self.on_node(host, |w, index| put(w, index, path, Content::Link(target.to_owned())));
    }

    /// The file of a kubelet's client certificate holds the key of another one; a kubelet that runs has loaded what was there before.
    ///
    /// # Errors
    /// A certificate that cannot be made.
    pub fn mismatch_kubelet_client(&self, host: &HostName) -> Result<(), LabError> {
        self.with(|w| {
            let Some(index) = w.nodes.iter().position(|n| n.name == *host) else {
                return Ok(());
            };
            let Some(leaf) = w.nodes[index].files.leaf(KUBELET_CLIENT) else {
                return Ok(());
            };
            let key = w.issue(leaf.spec.clone(), leaf.not_before, leaf.not_after)?;
            let path = target(&w.nodes[index].files, KUBELET_CLIENT);
            put(w, index, &path, Content::Mismatched { leaf, key });
            Ok(())
        })
    }

    /// Copies a file to another path or another host, as `scp` does.
    pub fn copy_file(&self, (from, path): (&HostName, &str), (to, as_path): (&HostName, &str)) {
        self.with(|w| {
            let source = w.nodes.iter().find(|n| n.name == *from);
            let content = source.and_then(|n| n.files.entry(path)).map(|f| f.content.clone());
            let there = w.nodes.iter().position(|n| n.name == *to);
            if let (Some(content), Some(index)) = (content, there) {
                put(w, index, as_path, content);
            }
        });
    }

    /// The kubelet of this host has asked for a serving certificate, and nobody has approved it.
    pub fn request_serving_certificate(&self, host: &HostName) {
        self.with(|w| w.serving_requests.push(host.clone()));
    }

    fn on_node(&self, host: &HostName, change: impl FnOnce(&mut World, usize)) {
        self.with(|w| {
            if let Some(index) = w.nodes.iter().position(|n| n.name == *host) {
                change(w, index);
            }
        });
    }
}

/// Where a path leads.
fn target(files: &FileTree, path: &str) -> String {
    match files.entry(path).map(|f| &f.content) {
        Some(Content::Link(target)) => target.clone(),
        _ => path.to_owned(),
    }
}

/// Written now by the host's clock; the key of a certificate follows it.
fn put(world: &mut World, index: usize, path: &str, content: Content) {
    let node = &mut world.nodes[index];
    let modified = world.clock.wall(world.now + node.offset);
    if let Content::Certificate(leaf) = &content {
        let key = Content::Key(Arc::clone(leaf));
        node.files.put(path.replace(".crt", ".key"), key, modified);
    }
    node.files.put(path, content, modified);
}
