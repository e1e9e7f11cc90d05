//! `drain: true`, or what draining may do: `drain: { timeout: 10m, delete-emptydir-data: true }`.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserializer, MapAccess, Visitor};

use super::located::{DurationText, Sp};
use super::playbook_file::PhaseFile;
use super::settings::Context;
use crate::model::playbook::DrainSettings;

/// As written.
#[derive(Debug)]
pub(super) enum DrainText {
    Whether(bool),
    How(DrainFile),
}

/// What draining may do beside evicting pods that a controller makes anew elsewhere.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[schemars(rename = "Drain")]
pub(super) struct DrainFile {
    /// How long all evictions of one node may take, disruption budgets included. Default: 5m.
    timeout: Option<Sp<DurationText>>,
    /// Evict pods with an emptyDir; what is in it is lost. Default: false, and such a pod refuses the drain.
    #[serde(default)]
    delete_emptydir_data: bool,
    /// Evict pods that no controller makes anew; they are gone. Default: false, and such a pod refuses the drain.
    #[serde(default)]
    force: bool,
    /// How long each pod gets to end. Default: what the pod says itself.
    grace_period: Option<Sp<DurationText>>,
}

impl<'de> Deserialize<'de> for DrainText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(DrainVisitor)
    }
}

struct DrainVisitor;

impl<'de> Visitor<'de> for DrainVisitor {
    type Value = DrainText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true, false, or a map such as { timeout: 10m }")
    }

    fn visit_bool<E: de::Error>(self, whether: bool) -> Result<DrainText, E> {
        Ok(DrainText::Whether(whether))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<DrainText, A::Error> {
        DrainFile::deserialize(MapAccessDeserializer::new(map)).map(DrainText::How)
    }
}

impl JsonSchema for DrainText {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DrainOrNot".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let how = generator.subschema_for::<DrainFile>();
        json_schema!({
            "description": "Whether workers are drained, or what draining may do.",
            "anyOf": [{ "type": "boolean" }, how]
        })
    }
}

/// The settings of a phase, if it drains.
pub(super) fn lower_drain(cx: &mut Context<'_>, phase: &PhaseFile) -> Option<DrainSettings> {
    let text = phase.drain.as_ref()?;
    let settings = match &text.value {
        DrainText::Whether(false) => return None,
        DrainText::Whether(true) => DrainSettings::default(),
        DrainText::How(file) => lower_settings(cx, file),
    };
    if phase
        .hosts
        .split(',')
        .all(|term| matches!(term.trim(), "masters" | "etcd"))
    {
        let message = "`drain` in a phase without workers";
        let hint = "masters and etcd hosts are never drained; remove it, or write `hosts: workers`";
        cx.complain(text.at, message, hint);
    }
    Some(settings)
}

fn lower_settings(cx: &mut Context<'_>, file: &DrainFile) -> DrainSettings {
    let standard = DrainSettings::default();
    let timeout = file
        .timeout
        .as_ref()
        .map_or(standard.timeout, |text| cx.duration(text, standard.timeout));
    if let Some(text) = file.timeout.as_ref().filter(|_| timeout.as_secs() == 0) {
        cx.complain(
            text.at,
            "a drain without time",
            "write for example `5m`: it always has an end",
        );
    }
    let grace = file
        .grace_period
        .as_ref()
        .map(|text| cx.duration(text, standard.timeout));
    DrainSettings {
        timeout,
        delete_emptydir_data: file.delete_emptydir_data,
        force: file.force,
        grace_period: grace.map(|g| g.as_secs()),
    }
}
