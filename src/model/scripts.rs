//! The POSIX shell scripts that certfleet runs on hosts. Their arguments and output formats are specified in
//! `docs/reference/host-commands.md`; `probes` and `operations` build and parse them, `lab` answers them by name.
//!
//! They are data, and live here because three layers that never import each other share them.

/// One script, sent whole with every call: nothing is installed on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Script {
    pub name: &'static str,
    pub text: &'static str,
}

impl Script {
    /// `$0` of the script: `certfleet:NAME`.
    pub fn tag(&self) -> String {
        format!("certfleet:{}", self.name)
    }
}

/// What the host is: one round trip for everything that is cheap to ask.
pub const FACTS: Script = Script {
    name: "facts",
    text: include_str!("scripts/facts.sh"),
};
/// Public parts of every certificate.
pub const READ_CERTIFICATES: Script = Script {
    name: "read-certificates",
    text: concat!(
        include_str!("scripts/pem.sh"),
        include_str!("scripts/read-certificates.sh")
    ),
};
/// Running control-plane containers.
pub const CONTAINERS: Script = Script {
    name: "containers",
    text: concat!(
        include_str!("scripts/control-plane.sh"),
        include_str!("scripts/containers.sh")
    ),
};
/// Stops the control-plane containers while the kubelet is down.
pub const STOP_STATIC_PODS: Script = Script {
    name: "stop-static-pods",
    text: concat!(
        include_str!("scripts/control-plane.sh"),
        include_str!("scripts/stop-static-pods.sh")
    ),
};
/// Health and members of the local etcd.
pub const ETCD_HEALTH: Script = Script {
    name: "etcd-health",
    text: include_str!("scripts/etcd-health.sh"),
};
/// Copies /etc/kubernetes and the kubelet's PKI to a root-only directory.
pub const BACKUP: Script = Script {
    name: "backup",
    text: include_str!("scripts/backup.sh"),
};

/// What decides whether a renewed certificate is in use: process starts, copies of kubeconfigs, tokens, settings.
pub const INSPECT: Script = Script {
    name: "inspect",
    text: concat!(include_str!("scripts/pem.sh"), include_str!("scripts/inspect.sh")),
};
/// The chain that a TLS server shows, by openssl on the host.
pub const SERVED: Script = Script {
    name: "served",
    text: include_str!("scripts/served.sh"),
};

/// Runs a changing command once, in a session of its own, and tells how it ended to whoever asks.
pub const SUPERVISE: Script = Script {
    name: "supervise",
    text: include_str!("scripts/supervise.sh"),
};
/// One run per cluster: a directory on every master.
pub const LOCK: Script = Script {
    name: "lock",
    text: include_str!("scripts/lock.sh"),
};
/// Puts a backup back.
pub const RESTORE: Script = Script {
    name: "restore",
    text: include_str!("scripts/restore.sh"),
};
/// Removes old backups, never the newest whole ones.
pub const PRUNE_BACKUPS: Script = Script {
    name: "prune-backups",
    text: include_str!("scripts/prune-backups.sh"),
};

/// The node's half of a new client certificate for its kubelet: key and request, installation.
pub const KUBELET_CLIENT: Script = Script {
    name: "kubelet-client",
    text: concat!(
        include_str!("scripts/exchange.sh"),
        include_str!("scripts/kubelet-client.sh")
    ),
};
/// The master's half: signs the request with ca.key.
pub const SIGN_KUBELET_CLIENT: Script = Script {
    name: "sign-kubelet-client",
    text: concat!(
        include_str!("scripts/sign.sh"),
        include_str!("scripts/sign-kubelet-client.sh")
    ),
};
/// The half of a host whose certificates are signed by etcd's CA elsewhere: keys and requests, installation.
pub const ETCD_CERTIFICATES: Script = Script {
    name: "etcd-certificates",
    text: concat!(
        include_str!("scripts/exchange.sh"),
        include_str!("scripts/etcd-certificates.sh")
    ),
};
/// The half of the host that holds the key of etcd's CA: signs the requests.
pub const SIGN_ETCD_CERTIFICATES: Script = Script {
    name: "sign-etcd-certificates",
    text: concat!(
        include_str!("scripts/sign.sh"),
        include_str!("scripts/sign-etcd-certificates.sh")
    ),
};
/// Gives copies of admin.conf the renewed certificate.
pub const REFRESH_COPIES: Script = Script {
    name: "refresh-copies",
    text: include_str!("scripts/refresh-copies.sh"),
};

/// Takes workload off a node and lets it come back.
pub const DRAIN: Script = Script {
    name: "drain",
    text: include_str!("scripts/drain.sh"),
};
/// `/healthz` of controller-manager and scheduler.
pub const COMPONENT_HEALTH: Script = Script {
    name: "component-health",
    text: include_str!("scripts/component-health.sh"),
};

/// All scripts, for tests that hold each of them to the same rules.
pub const ALL: [&Script; 19] = [
    &FACTS,
    &READ_CERTIFICATES,
    &CONTAINERS,
    &STOP_STATIC_PODS,
    &ETCD_HEALTH,
    &BACKUP,
    &INSPECT,
    &SERVED,
    &SUPERVISE,
    &LOCK,
    &RESTORE,
    &KUBELET_CLIENT,
    &SIGN_KUBELET_CLIENT,
    &ETCD_CERTIFICATES,
    &SIGN_ETCD_CERTIFICATES,
    &REFRESH_COPIES,
    &PRUNE_BACKUPS,
    &DRAIN,
    &COMPONENT_HEALTH,
];
