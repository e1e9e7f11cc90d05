//! What to do about it: a certfleet command to copy, or work for a person.

use serde::{Deserialize, Serialize};

/// The remedy of a diagnosis.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cure {
    /// A command line of certfleet, to copy.
    Command(String),
    /// What a person does, in words; commands inside are to be run on the named host.
    Manual(String),
}

impl Cure {
    /// The words, without the kind.
    pub fn text(&self) -> &str {
        match self {
            Cure::Command(text) | Cure::Manual(text) => text,
        }
    }
}

/// What a kubelet serves that signs for itself.
pub(super) const SELF_SIGNED: &str = "/var/lib/kubelet/pki/kubelet.crt";

/// Builds cures for one inventory file.
#[derive(Debug, Clone)]
pub(super) struct Cures {
    inventory: String,
}

impl Cures {
    pub(super) fn new(inventory: &str) -> Self {
        Self {
            inventory: crate::model::shell_words::quote(inventory),
        }
    }

    pub(super) fn restart(&self) -> Cure {
        Cure::Command(format!("certfleet restart -i {}", self.inventory))
    }

    pub(super) fn renew(&self) -> Cure {
        Cure::Command(format!("certfleet renew -i {}", self.inventory))
    }

    /// A kubelet that will not start again: `renew` gives it a new certificate, where a master can sign one.
    pub(super) fn kubelet_client(&self, signable: bool) -> Cure {
        if signable { self.renew() } else { kubelet_client() }
    }

    /// A self-signed one that has expired is put aside by `renew` where that may run (`renewable`), and the kubelet makes a new one; one
    /// that will end later is not touched, and one that somebody else issued is theirs.
    pub(super) fn kubelet_serving(&self, path: &str, renewable: bool) -> Cure {
        if path == SELF_SIGNED && renewable {
            self.renew()
        } else {
            kubelet_serving(path)
        }
    }

    pub(super) fn journal(&self) -> Cure {
        Cure::Command(format!("certfleet journal -i {} --only-signs", self.inventory))
    }
}

/// Work for a person.
pub(super) fn manual(text: impl Into<String>) -> Cure {
    Cure::Manual(text.into())
}

/// The authority itself ends: no leaf can outlive it.
pub(super) fn new_authority() -> Cure {
    manual(
        "renew the CA itself before anything else: kubeadm does not; distribute the new ca.crt to every host and kubeconfig, \
         then renew all leaf certificates and restart (kubernetes.io: \"Manual Rotation of CA Certificates\")",
    )
}

/// The key that could sign is elsewhere.
pub(super) fn external_authority() -> Cure {
    manual(
        "have new certificates signed by the owner of the CA (`kubeadm certs generate-csr` makes the requests), put them in place, then `certfleet restart`",
    )
}

/// kubeadm does not renew what is not its own.
pub(super) fn own_file(what: &str) -> Cure {
    manual(format!(
        "a flag in the manifest names the file of {what}, and kubeadm does not renew it: have it issued anew by whoever made it, then `certfleet restart`"
    ))
}

/// Whoever runs that etcd looks after it.
pub(super) fn etcd_elsewhere() -> Cure {
    manual(
        "that etcd is not in this inventory: whoever runs it renews its certificates, and signs a new apiserver-etcd-client for the \
         masters; then `certfleet restart`",
    )
}

/// A kubelet that will not start again, and no master that could sign.
fn kubelet_client() -> Cure {
    manual(
        "give the node a new client certificate: make a key and a request on the node (subject O=system:nodes, CN=system:node:NAME), \
         have it signed where the key of the cluster's CA is, write certificate and key to a new file below /var/lib/kubelet/pki, point \
         kubelet-client-current.pem at it, start the kubelet; the key never leaves the node",
    )
}

/// A self-signed one is made anew at the next start; one that somebody else issued is not.
fn kubelet_serving(path: &str) -> Cure {
    if !path.starts_with("/var/lib/kubelet/pki/") {
        return manual(format!(
            "{path} is what the kubelet's configuration names (tlsCertFile): have it issued anew by whoever made it, then restart the kubelet"
        ));
    }
    manual(
        "move kubelet.crt and kubelet.key in /var/lib/kubelet/pki aside and restart the kubelet: it makes a new pair at its start",
    )
}

/// A kubelet with the CA of another cluster, or of an earlier one.
pub(super) fn believe() -> Cure {
    manual(
        "compare `sha256sum /etc/kubernetes/pki/ca.crt` of the masters, put it into certificate-authority-data of /etc/kubernetes/kubelet.conf \
         there (`base64 -w0`), and restart that kubelet",
    )
}

/// A file of another host.
pub(super) fn remake(names: &str) -> Cure {
    manual(format!(
        "do not copy certificates between hosts: move the files of {names} aside there, run `kubeadm init phase certs …` for each \
         on that host (it takes the host's own names), then restart it"
    ))
}
