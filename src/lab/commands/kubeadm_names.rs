//! What `kubeadm certs` renews: names, files, descriptions and signers, in kubeadm's order.

use crate::lab::pki::Signer;
use crate::model::facts::KubeVersion;

/// A certificate that kubeadm renews.
pub(super) struct Renewable {
    pub(super) name: &'static str,
    /// Below the certificate directory without `.crt`, or a kubeconfig in /etc/kubernetes.
    file: &'static str,
    what: &'static str,
    pub(super) signer: Signer,
}

const fn entry(name: &'static str, file: &'static str, what: &'static str, signer: Signer) -> Renewable {
    Renewable {
        name,
        file,
        what,
        signer,
    }
}

/// In kubeadm's own order.
pub(super) const CERTIFICATES: [Renewable; 11] = [
    entry(
        "admin.conf",
        "admin.conf",
        "certificate embedded in the kubeconfig file for the admin to use and for kubeadm itself",
        Signer::Ca,
    ),
    entry(
        "apiserver",
        "apiserver",
        "certificate for serving the Kubernetes API",
        Signer::Ca,
    ),
    entry(
        "apiserver-etcd-client",
        "apiserver-etcd-client",
        "certificate the apiserver uses to access etcd",
        Signer::EtcdCa,
    ),
    entry(
        "apiserver-kubelet-client",
        "apiserver-kubelet-client",
        "certificate for the API server to connect to kubelet",
        Signer::Ca,
    ),
    entry(
        "controller-manager.conf",
        "controller-manager.conf",
        "certificate embedded in the kubeconfig file for the controller manager to use",
        Signer::Ca,
    ),
    entry(
        "etcd-healthcheck-client",
        "etcd/healthcheck-client",
        "certificate for liveness probes to healthcheck etcd",
        Signer::EtcdCa,
    ),
    entry(
        "etcd-peer",
        "etcd/peer",
        "certificate for etcd nodes to communicate with each other",
        Signer::EtcdCa,
    ),
    entry(
        "etcd-server",
        "etcd/server",
        "certificate for serving etcd",
        Signer::EtcdCa,
    ),
    entry(
        "front-proxy-client",
        "front-proxy-client",
        "certificate for the front proxy client",
        Signer::FrontProxyCa,
    ),
    entry(
        "scheduler.conf",
        "scheduler.conf",
        "certificate embedded in the kubeconfig file for the scheduler manager to use",
        Signer::Ca,
    ),
    entry(
        "super-admin.conf",
        "super-admin.conf",
        "certificate embedded in the kubeconfig file for the super-admin",
        Signer::Ca,
    ),
];

impl Renewable {
    fn is_kubeconfig(&self) -> bool {
        self.file.rsplit_once('.').is_some_and(|(_, suffix)| suffix == "conf")
    }

    /// Where it lies.
    pub(super) fn path(&self, cert_dir: &str) -> String {
        if self.is_kubeconfig() {
            format!("/etc/kubernetes/{}", self.file)
        } else {
            format!("{cert_dir}/{}.crt", self.file)
        }
    }

    /// 1.15 misspelt one.
    pub(super) fn words(&self, version: KubeVersion) -> String {
        if version.minor <= 15 {
            self.what.replace("healthcheck etcd", "healtcheck etcd")
        } else {
            self.what.to_owned()
        }
    }

    /// super-admin.conf came with 1.29.
    pub(super) fn known_to(&self, version: KubeVersion) -> bool {
        self.name != "super-admin.conf" || version.minor >= 29
    }
}
