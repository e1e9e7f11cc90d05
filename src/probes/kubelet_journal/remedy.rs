//! What a person should do, one sentence per kind of trouble.

use super::class::Class;

pub(super) const EXPIRED_SERVER: &str = "the API server (or the balancer in front of it) still serves an expired certificate: run the `renew` playbook, which renews on every master and restarts its kube-apiserver container; restarting kubelet alone does not";
pub(super) const EXPIRED_CLIENT: &str = "the kubelet's own client certificate has expired and kubeadm does not renew it: run the step `reissue-kubelet-client` on this node, then start kubelet";
pub(super) const CLOCK: &str = "a clock is wrong: compare `date -u` on this node and on every master, fix time synchronisation (chronyc tracking), then run again";
pub(super) const WRONG_CA: &str = "this node trusts another CA than the one that signed the API server's certificate: compare sha256 of /etc/kubernetes/pki/ca.crt on every master with certificate-authority-data in this node's kubelet.conf, and put the masters' ca.crt there";
pub(super) const SAN: &str = "the API server's certificate lacks the address this node dials: correct `server:` in kubelet.conf, or add the address to apiServer.certSANs and make apiserver.crt anew (kubeadm init phase certs apiserver) on every master";
pub(super) const UNAUTHORIZED: &str = "the API server does not accept this kubelet's client certificate: run the step `reissue-kubelet-client` on this node, and check that client-ca-file of every kube-apiserver is the CA that signs it";
pub(super) const BOOTSTRAP: &str = "the kubelet has no usable client certificate and no bootstrap file, and never starts by waiting: run the step `reissue-kubelet-client` on this node (or make a token with `kubeadm token create` and a bootstrap-kubelet.conf), then start kubelet";
pub(super) const PEER: &str = "whoever terminates TLS in front of the API server refuses this kubelet's certificate: run the step `reissue-kubelet-client`, and check the CA bundle of the balancer in kubelet.conf's `server:`";
pub(super) const X509: &str = "kubelet cannot verify the API server's certificate: compare the certificate in use with the one on disk (probe `certificates-in-use`) and read the whole line with `journalctl -u kubelet -o cat -n 20`";
pub(super) const CONFIG: &str = "kubelet cannot start with this configuration: read `journalctl -u kubelet -n 50`, correct the file or flag it names, then `systemctl restart kubelet`";
pub(super) const DIED: &str = "kubelet stopped: its last lines before this one name the cause (`journalctl -u kubelet -n 50`); correct it, then `systemctl restart kubelet`";
pub(super) const START_LIMIT: &str = "systemd gave up on kubelet: correct the cause named above this line, then `systemctl reset-failed kubelet && systemctl start kubelet`";
pub(super) const RUNTIME: &str =
    "kubelet does not reach the container runtime: start containerd, CRI-O or docker on this node first, then kubelet";
pub(super) const BLOB: &str = "the text is hidden: read it with `journalctl -u kubelet -o json` or `--all`";
pub(super) const SUPPRESSED: &str =
    "journald dropped lines (RateLimitBurst): what is missing may be the cause, so look again for a longer time";
pub(super) const CSR: &str =
    "a certificate request waits for approval: `kubectl get csr`, then `kubectl certificate approve NAME`";
pub(super) const CNI: &str = "the CNI plugin's own credentials are stale: recreate the CNI pod of this node (calico: the step `delete-pods`); the kubelet is not at fault";

/// The remedy for trouble between this kubelet and its API server, by class.
pub(super) fn of(class: Class) -> Option<&'static str> {
    Some(match class {
        Class::Expired => EXPIRED_SERVER,
        Class::NotYetValid => CLOCK,
        Class::UnknownAuthority => WRONG_CA,
        Class::SanMismatch => SAN,
        Class::Unauthorized => UNAUTHORIZED,
        Class::BootstrapFailed => BOOTSTRAP,
        Class::RejectedByPeer => PEER,
        Class::OtherError => X509,
        _ => return None,
    })
}
