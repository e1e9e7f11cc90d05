//! A host with every setting resolved: what `certfleet inventory` prints.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::duration;
use super::facts::RuntimeKind;
use super::ids::HostName;

/// What a host is for. YAML says `masters:`, `workers:` and `etcd:`, as operators do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Runs the static pods of the control plane (and, stacked, etcd).
    ControlPlane,
    /// Runs an etcd member only (kubeadm "external etcd").
    Etcd,
    /// Runs workloads.
    Worker,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Role::ControlPlane => "master",
            Role::Etcd => "etcd",
            Role::Worker => "worker",
        })
    }
}

/// One machine we log in to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    pub name: HostName,
    /// Name or IP address to connect to; the inventory name unless `address:` is given.
    pub address: String,
    pub role: Role,
    pub ssh: SshSettings,
    pub r#become: BecomeSettings,
    pub kubernetes: KubernetesSettings,
}

/// How to log in. `None` leaves the answer to `~/.ssh/config`, then to OpenSSH's own default.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshSettings {
    pub user: Option<String>,
    pub port: Option<u16>,
    /// Private key files, tried in this order; empty = agent, then the usual names in ~/.ssh.
    pub identity: Vec<PathBuf>,
    /// Jump hosts `[user@]host[:port]`, first hop first; empty = directly, whatever `ssh_config` says.
    pub jump: Option<Vec<String>>,
    pub host_key_policy: HostKeyPolicy,
    /// Files to check host keys in; empty = ~/.`ssh/known_hosts` and /`etc/ssh/ssh_known_hosts`.
    pub known_hosts: Vec<PathBuf>,
    /// The `ssh_config` to honour; `None` = ~/.ssh/config when there is one.
    pub config: Option<PathBuf>,
    /// Whether the login password may be asked for (once for the fleet).
    pub password: PasswordSource,
    /// TCP connect, key exchange and authentication, each.
    #[serde(with = "duration")]
    pub connect_timeout: Duration,
    /// Time between keepalives; a host that is silent for three of them is lost (45 s by default).
    #[serde(with = "duration")]
    pub keepalive: Duration,
    /// Also offer SHA-1 and CBC algorithms of OpenSSH before 7.0 (opt-in, unsafe on open networks).
    pub legacy_algorithms: bool,
}

impl Default for SshSettings {
    fn default() -> Self {
        Self {
            user: None,
            port: None,
            identity: Vec::new(),
            jump: None,
            host_key_policy: HostKeyPolicy::Strict,
            known_hosts: Vec::new(),
            config: None,
            password: PasswordSource::None,
            connect_timeout: Duration::from_secs(15),
            keepalive: Duration::from_secs(15),
            legacy_algorithms: false,
        }
    }
}

/// What to do about a host key that `known_hosts` does not list. A changed or revoked key is always refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HostKeyPolicy {
    /// Refuse, and print the fingerprint and the remedy.
    Strict,
    /// Record it on first sight, as OpenSSH's `StrictHostKeyChecking=accept-new` does.
    AcceptNew,
}

/// Where a password comes from. Never a file, never an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PasswordSource {
    /// There is none; needing one is an error.
    None,
    /// Asked once on the terminal, for the whole fleet.
    Prompt,
}

/// How commands become root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BecomeSettings {
    pub method: BecomeMethod,
    pub password: PasswordSource,
}

impl Default for BecomeSettings {
    fn default() -> Self {
        Self {
            method: BecomeMethod::Sudo,
            password: PasswordSource::None,
        }
    }
}

/// The program that raises rights on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BecomeMethod {
    /// `sudo -n`, then `sudo -S` with our own prompt when a password is allowed.
    Sudo,
    /// `doas -n`; a password is not supported by doas without a terminal.
    Doas,
    /// `su root -c`, with a password.
    Su,
    /// The login user is root already.
    None,
}

/// What kubeadm was told on this host, where it differs from the defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KubernetesSettings {
    /// Directory of the PKI; kubeadm's `certificatesDir`.
    pub cert_dir: String,
    /// systemd unit of the kubelet.
    pub kubelet_unit: String,
    /// Container runtime; `None` = found out from the host.
    pub runtime: Option<RuntimeKind>,
    /// kubeadm on the host, a name in PATH or a path.
    pub kubeadm: String,
    /// kubectl on the host, a name in PATH or a path.
    pub kubectl: String,
    /// Name of the Node object; `None` = the host's name, lower case.
    pub node_name: Option<String>,
    /// Copies of admin.conf elsewhere on the host: `check` compares them with kubeadm's own, `renew` refreshes them.
    pub kubeconfigs: Vec<String>,
    /// Pods that must be looked after once the nodes are back.
    pub cni: CniSettings,
}

impl Default for KubernetesSettings {
    fn default() -> Self {
        Self {
            cert_dir: "/etc/kubernetes/pki".to_owned(),
            kubelet_unit: "kubelet".to_owned(),
            runtime: None,
            kubeadm: "kubeadm".to_owned(),
            kubectl: "kubectl".to_owned(),
            node_name: None,
            kubeconfigs: Vec::new(),
            cni: CniSettings::default(),
        }
    }
}

/// Where the CNI's pods live: data, so that other CNIs need no code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CniSettings {
    /// Namespaces to look in.
    pub namespaces: Vec<String>,
    /// Label selectors in the order in which pods are recycled: typha, node agent, controllers, API server.
    pub labels: Vec<String>,
}

impl Default for CniSettings {
    /// Calico by manifest and by operator, and canal.
    fn default() -> Self {
        let own = |items: &[&str]| items.iter().map(|s| (*s).to_owned()).collect();
        Self {
            namespaces: own(&["kube-system", "calico-system", "calico-apiserver", "tigera-operator"]),
            labels: own(&[
                "k8s-app=calico-typha",
                "k8s-app=calico-node",
                "k8s-app=canal",
                "k8s-app=calico-kube-controllers",
                "k8s-app=calico-apiserver",
            ]),
        }
    }
}
