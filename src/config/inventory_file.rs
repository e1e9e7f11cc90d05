//! The inventory as written: every key, no defaults, with places for later errors.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor, value::MapAccessDeserializer};

use super::located::{DurationText, Sp, Texts, present};
use crate::model::facts::RuntimeKind;
use crate::model::host::{BecomeMethod, HostKeyPolicy, PasswordSource};

/// The hosts of one cluster and how to reach them. Settings at host level win over those of the group, those over the
/// top level, those over the built-in defaults.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "certfleet inventory")]
pub(super) struct InventoryFile {
    /// Name of the cluster: typed by a person to confirm an outage.
    pub(super) cluster: Sp<String>,
    /// How to log in to every host.
    #[serde(default)]
    pub(super) ssh: SshFile,
    /// How commands become root on every host.
    #[serde(default)]
    pub(super) r#become: BecomeFile,
    /// What differs from kubeadm's defaults on every host.
    #[serde(default)]
    pub(super) kubernetes: KubernetesFile,
    /// The control plane. At least one host.
    #[serde(default, deserialize_with = "present")]
    #[schemars(required, with = "GroupFile")]
    pub(super) masters: Option<GroupFile>,
    /// Hosts that run workloads.
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "GroupFile")]
    pub(super) workers: Option<GroupFile>,
    /// Hosts that run an etcd member only (kubeadm's external etcd).
    #[serde(default, deserialize_with = "present")]
    #[schemars(with = "GroupFile")]
    pub(super) etcd: Option<GroupFile>,
}

/// Hosts of one kind and the settings they share.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Group")]
pub(super) struct GroupFile {
    /// Names, ranges such as `worker[01-40].example.com`, or maps with settings of their own.
    pub(super) hosts: Sp<Vec<Sp<HostItem>>>,
    /// How to log in to the hosts of this group.
    #[serde(default)]
    pub(super) ssh: SshFile,
    /// How commands become root on the hosts of this group.
    #[serde(default)]
    pub(super) r#become: BecomeFile,
    /// What differs from kubeadm's defaults on the hosts of this group.
    #[serde(default)]
    pub(super) kubernetes: KubernetesFile,
}

/// A host: its name alone, or a map.
#[derive(Debug)]
pub(super) enum HostItem {
    Name(String),
    Map(Box<HostFile>),
}

/// One host, or a range of hosts that share these settings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Host")]
pub(super) struct HostFile {
    /// The name in plans, reports and `--limit`; also the address unless one is given. May be a range.
    pub(super) name: Sp<String>,
    /// Name or IP address to connect to. A range of as many addresses when `name` is a range.
    pub(super) address: Option<Sp<String>>,
    /// How to log in to this host.
    #[serde(default)]
    pub(super) ssh: SshFile,
    /// How commands become root on this host.
    #[serde(default)]
    pub(super) r#become: BecomeFile,
    /// What differs from kubeadm's defaults on this host.
    #[serde(default)]
    pub(super) kubernetes: KubernetesFile,
}

/// How to log in. What is not set is left to ~/.ssh/config, then to OpenSSH's defaults.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Ssh")]
pub(super) struct SshFile {
    /// Login name.
    pub(super) user: Option<Sp<String>>,
    /// TCP port.
    #[schemars(range(min = 1))]
    pub(super) port: Option<Sp<u16>>,
    /// Private key file or files, tried in this order. `~` is the home directory; a relative path starts at the inventory file.
    pub(super) identity: Option<Texts>,
    /// Jump hosts `[user@]host[:port]`, first hop first, as a list or with commas; `none` for a direct connection.
    pub(super) jump: Option<Texts>,
    /// What to do about a host key that `known_hosts` does not list. Default: strict.
    pub(super) host_key_policy: Option<HostKeyPolicy>,
    /// File or files to check host keys in. Default: `~/.ssh/known_hosts` and `/etc/ssh/ssh_known_hosts`.
    pub(super) known_hosts: Option<Texts>,
    /// The `ssh_config` to honour. Default: ~/.ssh/config when there is one; `/dev/null` for none.
    pub(super) config: Option<Sp<String>>,
    /// Whether the login password is asked for, once for the fleet. Default: none.
    pub(super) password: Option<PasswordSource>,
    /// For TCP connect, key exchange and authentication, each. Default: 15s.
    pub(super) connect_timeout: Option<Sp<DurationText>>,
    /// Time between keepalives; a host that is silent for three of them is lost. Default: 15s.
    pub(super) keepalive: Option<Sp<DurationText>>,
    /// Also offer SHA-1 and CBC algorithms, for OpenSSH before 7.0. Default: false.
    pub(super) legacy_algorithms: Option<bool>,
}

/// How commands become root.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Become")]
pub(super) struct BecomeFile {
    /// The program that raises rights; `none` when the login user is root. Default: sudo.
    pub(super) method: Option<BecomeMethod>,
    /// Whether its password is asked for, once for the fleet. Default: none.
    pub(super) password: Option<PasswordSource>,
}

/// Where a host differs from kubeadm's defaults.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Kubernetes")]
pub(super) struct KubernetesFile {
    /// kubeadm's `certificatesDir` on the host. Default: /etc/kubernetes/pki.
    pub(super) cert_dir: Option<Sp<String>>,
    /// systemd unit of the kubelet. Default: kubelet.
    pub(super) kubelet_unit: Option<Sp<String>>,
    /// Container runtime. Default: found out from the host.
    pub(super) runtime: Option<RuntimeKind>,
    /// kubeadm on the host, a name in PATH or a path. Default: kubeadm.
    pub(super) kubeadm: Option<Sp<String>>,
    /// kubectl on the host, a name in PATH or a path. Default: kubectl.
    pub(super) kubectl: Option<Sp<String>>,
    /// Name of the Node object; for a single host only. Default: the host's own name, lower case.
    pub(super) node_name: Option<Sp<String>>,
    /// Copies of admin.conf elsewhere on the host: `check` compares them with kubeadm's own, `renew` refreshes them.
    pub(super) kubeconfigs: Option<Vec<Sp<String>>>,
    /// Pods that are looked after once the nodes are back.
    #[serde(default)]
    pub(super) cni: CniFile,
}

/// Where the pods of the network plugin live. Default: calico (manifest and operator) and canal.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Cni")]
pub(super) struct CniFile {
    /// Namespaces to look in.
    pub(super) namespaces: Option<Vec<String>>,
    /// Label selectors, in the order in which pods are recycled.
    pub(super) labels: Option<Vec<String>>,
}

impl<'de> Deserialize<'de> for HostItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HostItemVisitor)
    }
}

struct HostItemVisitor;

impl<'de> Visitor<'de> for HostItemVisitor {
    type Value = HostItem;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a host name in quotes, or `{ name: …, address: … }`")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<HostItem, E> {
        Ok(HostItem::Name(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<HostItem, A::Error> {
        let host = HostFile::deserialize(MapAccessDeserializer::new(map))?;
        Ok(HostItem::Map(Box::new(host)))
    }
}

impl JsonSchema for HostItem {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "HostItem".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let host = generator.subschema_for::<HostFile>();
        json_schema!({ "oneOf": [{ "type": "string" }, host] })
    }
}
