//! The playbook as written: phases, with places for later errors. Steps and probes are in `playbook_items`.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};

use super::drain_file::DrainText;
use super::located::{DurationText, Sp};
use super::playbook_items::{ProbeFile, StepFile};
use super::waves::WavesText;

/// Phases in order, each a barrier: no host enters the next phase before every host of this one has passed its gate.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(title = "certfleet playbook")]
pub(super) struct PlaybookFile {
    /// A word; it becomes part of the run's name.
    pub(super) name: Sp<String>,
    /// One sentence for `certfleet playbooks`.
    #[serde(default)]
    pub(super) description: String,
    /// In the order in which they run.
    pub(super) phases: Sp<Vec<Sp<PhaseFile>>>,
}

/// Steps on some hosts, and the gate that proves them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Phase")]
pub(super) struct PhaseFile {
    /// Unique in the playbook.
    pub(super) name: Sp<String>,
    /// `all`, `masters`, `workers`, `etcd`, host names and globs, with commas; `!x` takes hosts out.
    pub(super) hosts: Sp<String>,
    /// Hosts at the same time, as a number or a percentage (rounded down, at least 1). Default: all at once. The gate
    /// is passed after every batch. A list names growing batches, the last for all that follow: `[1, 5%, 25%, 100%]`.
    pub(super) max_parallel: Option<Sp<WavesText>>,
    /// Hosts that may fail before the run stops. Default: 0. The failure of a master always stops it.
    pub(super) max_failures: Option<Sp<ShareText>>,
    /// `accepted` when this phase takes the API or a quorum of etcd down on purpose.
    pub(super) outage: Option<Outage>,
    /// `needed`: steps that the facts show to be needless are skipped, each with the reason. Default: all are done.
    pub(super) when: Option<When>,
    /// `when-healthy`: one host at a time and without an outage where all servers of k3s or RKE2 are well; otherwise as
    /// `max-parallel` says. Default: always as `max-parallel` says.
    pub(super) one_by_one: Option<OneByOne>,
    /// Workers are drained before their first step and uncordoned once their gate has passed. `true`, or a map that
    /// allows more. Default: false.
    pub(super) drain: Option<Sp<DrainText>>,
    /// What is done on each host, in this order.
    #[serde(default)]
    pub(super) steps: Vec<Sp<StepFile>>,
    /// What must be proven before the next batch and the next phase.
    pub(super) gate: Option<Sp<GateFile>>,
}

/// The word that takes responsibility.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outage {
    Accepted,
}

/// The word that spares hosts which need nothing.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum When {
    Needed,
}

/// The word that prefers the gentle order.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum OneByOne {
    WhenHealthy,
}

/// Probes and patience.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Gate")]
pub(super) struct GateFile {
    /// All of them must say yes.
    pub(super) probes: Sp<Vec<Sp<ProbeFile>>>,
    /// How long they must keep saying yes. Default: 10s.
    pub(super) quiet: Option<Sp<DurationText>>,
    /// Time between two rounds. Default: 2s.
    pub(super) interval: Option<Sp<DurationText>>,
    /// After this the gate has failed. Default: 5m.
    pub(super) timeout: Option<Sp<DurationText>>,
}

/// `5` or `25%`.
#[derive(Debug, Clone)]
pub(super) struct ShareText(pub(super) String);

impl<'de> Deserialize<'de> for ShareText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShareVisitor)
    }
}

pub(super) struct ShareVisitor;

impl Visitor<'_> for ShareVisitor {
    type Value = ShareText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of hosts (5) or a percentage (25%)")
    }

    fn visit_u64<E: de::Error>(self, count: u64) -> Result<ShareText, E> {
        Ok(ShareText(count.to_string()))
    }

    fn visit_i64<E: de::Error>(self, count: i64) -> Result<ShareText, E> {
        Ok(ShareText(count.to_string()))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<ShareText, E> {
        Ok(ShareText(text.to_owned()))
    }
}

impl JsonSchema for ShareText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A number of hosts, or a part of them: `5`, `25%`.",
            "oneOf": [{ "type": "integer", "minimum": 0 }, { "type": "string", "pattern": "^[0-9]+%$" }]
        })
    }
}
