//! Steps and probes as written: a bare word (`- backup`) or a map with one key (`- service: { … }`).

use std::fmt;
use std::marker::PhantomData;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::located::{DurationText, Sp, Texts};
use crate::model::gate::UnitState;
use crate::model::playbook::ServiceState;

/// One step.
#[derive(Debug)]
pub(super) enum StepFile {
    Backup,
    RenewCertificates(RenewFile),
    ReissueEtcdCertificates(ReissueEtcdFile),
    Service(ServiceFile),
    RecycleStaticPods,
    ReissueKubeletClient,
    ApproveKubeletServing,
    RefreshKubeconfigCopies,
    PruneBackups(PruneBackupsFile),
    DeletePods(DeletePodsFile),
    Run(RunFile),
}

/// The steps as a person writes them.
pub(super) const STEPS: [&str; 11] = [
    "backup",
    "renew-certificates",
    "reissue-etcd-certificates",
    "service",
    "recycle-static-pods",
    "reissue-kubelet-client",
    "approve-kubelet-serving",
    "refresh-kubeconfig-copies",
    "prune-backups",
    "delete-pods",
    "run",
];

/// A step or probe without settings.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Nothing")]
pub(super) struct Nothing {}

/// `kubeadm certs renew`, name by name, proven by serial and expiry.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RenewCertificates")]
pub(super) struct RenewFile {
    /// `all` (default), or kubeadm's names such as `apiserver` and `admin.conf`.
    pub(super) names: Option<Texts>,
    /// Also certificates that are fresh already. Default: false.
    #[serde(default)]
    pub(super) force: bool,
}

/// What etcd's CA signs, where its key is on another host: key and request here, signature there.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ReissueEtcdCertificates")]
pub(super) struct ReissueEtcdFile {
    /// Also certificates that are fresh already. Default: false.
    #[serde(default)]
    pub(super) force: bool,
}

/// Start or stop a systemd unit.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Service")]
pub(super) struct ServiceFile {
    /// `kubelet`, `runtime` (the container runtime found on the host) or any unit of systemd.
    pub(super) unit: Sp<String>,
    /// The state afterwards.
    pub(super) state: ServiceState,
}

/// Remove old backups of the host; the newest whole ones stay.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PruneBackups")]
pub(super) struct PruneBackupsFile {
    /// How many stay. Default: 5.
    pub(super) keep: Option<Sp<u32>>,
}

/// Delete the pods of the network plugin that deletion can cure, one node at a time.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "DeletePods")]
pub(super) struct DeletePodsFile {
    /// How long a pod may be not ready after its node became Ready. Default: 3m.
    pub(super) grace: Option<Sp<DurationText>>,
}

/// A command line of your own, run by `sh -c`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Run")]
pub(super) struct RunFile {
    pub(super) command: Sp<String>,
    /// A read-only check; exit status 0 means that there is nothing to do.
    pub(super) unless: Option<Sp<String>>,
    /// Done when this port of the host serves a valid certificate that is another than before the run: what tells, after a lost
    /// connection or a power cut, whether the command must be run again. Instead of `unless`.
    pub(super) done_when_served: Option<Sp<u16>>,
    /// Nothing to do where this port serves what the gate's `served` asks for. As `done-when-served`, but where the port showed
    /// nothing when the plan was made, a valid certificate will do. Instead of either.
    pub(super) unless_served: Option<Sp<u16>>,
    /// Default: 5m.
    pub(super) timeout: Option<Sp<DurationText>>,
    /// Who runs both. Default: root.
    #[serde(rename = "as")]
    pub(super) run_as: Option<RunAsFile>,
}

/// Who runs a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "RunAs")]
pub(super) enum RunAsFile {
    Root,
    Login,
}

/// One probe.
#[derive(Debug)]
pub(super) enum ProbeFile {
    /// One of [`PROBES`] except `unit` and `served`.
    Plain(&'static str),
    Unit(UnitFile),
    Served(ServedFile),
}

/// The probes as a person writes them.
pub(super) const PROBES: [&str; 12] = [
    "certificates-on-disk",
    "certificates-in-use",
    "kubelet-journal",
    "unit",
    "api-server",
    "endpoint",
    "etcd",
    "nodes",
    "pods",
    "static-pods",
    "served",
    "component-health",
];

/// A systemd unit is in a state.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Unit")]
pub(super) struct UnitFile {
    /// `kubelet`, `runtime` or any unit of systemd.
    pub(super) name: Sp<String>,
    /// The state to wait for.
    pub(super) state: UnitState,
}

/// A port of the host serves a valid certificate; another one than before the run, where that is known.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Served")]
pub(super) struct ServedFile {
    /// Dialled on 127.0.0.1 of the host.
    pub(super) port: Sp<u16>,
}

/// What can be written as a word or as `word: { settings }`.
pub(super) trait Item: Sized {
    /// Every word.
    const WORDS: &'static [&'static str];
    /// What it is, for errors.
    const WHAT: &'static str;
    /// Without settings; `None` when the word needs some.
    fn bare(word: &'static str) -> Option<Self>;
    /// With settings.
    fn keyed<'de, A: MapAccess<'de>>(word: &'static str, map: &mut A) -> Result<Self, A::Error>;
    /// What to write when settings are missing.
    fn example(word: &str) -> &'static str;
}

impl StepFile {
    /// Steps that have no settings at all.
    fn plain(word: &str) -> Option<Self> {
        match word {
            "backup" => Some(Self::Backup),
            "recycle-static-pods" => Some(Self::RecycleStaticPods),
            "reissue-kubelet-client" => Some(Self::ReissueKubeletClient),
            "approve-kubelet-serving" => Some(Self::ApproveKubeletServing),
            "refresh-kubeconfig-copies" => Some(Self::RefreshKubeconfigCopies),
            _ => None,
        }
    }
}

impl Item for StepFile {
    const WORDS: &'static [&'static str] = &STEPS;
    const WHAT: &'static str = "step";

    fn bare(word: &'static str) -> Option<Self> {
        match word {
            "renew-certificates" => Some(Self::RenewCertificates(RenewFile::default())),
            "reissue-etcd-certificates" => Some(Self::ReissueEtcdCertificates(ReissueEtcdFile::default())),
            "prune-backups" => Some(Self::PruneBackups(PruneBackupsFile::default())),
            "delete-pods" => Some(Self::DeletePods(DeletePodsFile::default())),
            _ => Self::plain(word),
        }
    }

    fn keyed<'de, A: MapAccess<'de>>(word: &'static str, map: &mut A) -> Result<Self, A::Error> {
        if let Some(plain) = Self::plain(word) {
            return map.next_value::<Option<Nothing>>().map(|_| plain);
        }
        Ok(match word {
            "renew-certificates" => Self::RenewCertificates(map.next_value::<Option<RenewFile>>()?.unwrap_or_default()),
            "reissue-etcd-certificates" => {
                Self::ReissueEtcdCertificates(map.next_value::<Option<ReissueEtcdFile>>()?.unwrap_or_default())
            }
            "prune-backups" => Self::PruneBackups(map.next_value::<Option<PruneBackupsFile>>()?.unwrap_or_default()),
            "delete-pods" => Self::DeletePods(map.next_value::<Option<DeletePodsFile>>()?.unwrap_or_default()),
            "service" => Self::Service(map.next_value()?),
            _ => Self::Run(map.next_value()?),
        })
    }

    fn example(word: &str) -> &'static str {
        match word {
            "service" => "- service: { unit: kubelet, state: stopped }",
            _ => "- run: { command: \"systemctl daemon-reload\" }",
        }
    }
}

impl Item for ProbeFile {
    const WORDS: &'static [&'static str] = &PROBES;
    const WHAT: &'static str = "probe";

    fn bare(word: &'static str) -> Option<Self> {
        (!matches!(word, "unit" | "served")).then_some(Self::Plain(word))
    }

    fn keyed<'de, A: MapAccess<'de>>(word: &'static str, map: &mut A) -> Result<Self, A::Error> {
        match word {
            "unit" => map.next_value().map(Self::Unit),
            "served" => map.next_value().map(Self::Served),
            _ => map.next_value::<Option<Nothing>>().map(|_| Self::Plain(word)),
        }
    }

    fn example(word: &str) -> &'static str {
        match word {
            "served" => "- served: { port: 6443 }",
            _ => "- unit: { name: kubelet, state: active }",
        }
    }
}

struct ItemVisitor<T>(PhantomData<T>);

impl<T: Item> ItemVisitor<T> {
    fn known<E: de::Error>(word: &str) -> Result<&'static str, E> {
        let found = T::WORDS.iter().find(|known| **known == word);
        found.copied().ok_or_else(|| E::unknown_variant(word, T::WORDS))
    }
}

impl<'de, T: Item> Visitor<'de> for ItemVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}: a word, or one key with settings", T::WHAT)
    }

    fn visit_str<E: de::Error>(self, word: &str) -> Result<T, E> {
        let word = Self::known(word)?;
        T::bare(word).ok_or_else(|| E::custom(format!("`{word}` needs settings\nwrite `{}`", T::example(word))))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let empty = || de::Error::custom(format!("an empty {0}\nwrite one of its words, or remove it", T::WHAT));
        let word = map.next_key::<String>()?.ok_or_else(empty)?;
        let item = T::keyed(Self::known(&word)?, &mut map)?;
        match map.next_key::<String>()? {
            None => Ok(item),
            Some(second) => Err(de::Error::custom(format!(
                "`{word}` and `{second}` in one {}\nput `- ` before `{second}`, or indent it deeper than `{word}`",
                T::WHAT
            ))),
        }
    }
}

impl<'de> Deserialize<'de> for StepFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor(PhantomData))
    }
}

impl<'de> Deserialize<'de> for ProbeFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor(PhantomData))
    }
}
