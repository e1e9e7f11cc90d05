//! The JSON Schema of steps and probes, for editors: derived ones do not know a bare word beside a map with one key.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::playbook_items::{
    DeletePodsFile, Item, Nothing, PROBES, ProbeFile, PruneBackupsFile, ReissueEtcdFile, RenewFile, RunFile, STEPS,
    ServedFile, ServiceFile, StepFile, UnitFile,
};

/// `{ word: settings }` and nothing else.
fn keyed_schema(word: &str, settings: &Schema) -> Schema {
    json_schema!({
        "type": "object",
        "properties": { (word): settings },
        "required": [word],
        "additionalProperties": false
    })
}

fn item_schema(bare: &[&str], keyed: Vec<Schema>) -> Schema {
    let mut alternatives = vec![json_schema!({ "enum": bare })];
    alternatives.extend(keyed);
    json_schema!({ "oneOf": alternatives })
}

impl JsonSchema for StepFile {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Step".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let bare: Vec<&str> = STEPS.into_iter().filter(|w| Self::bare(w).is_some()).collect();
        let keyed = vec![
            keyed_schema("backup", &generator.subschema_for::<Nothing>()),
            keyed_schema("renew-certificates", &generator.subschema_for::<RenewFile>()),
            keyed_schema(
                "reissue-etcd-certificates",
                &generator.subschema_for::<ReissueEtcdFile>(),
            ),
            keyed_schema("service", &generator.subschema_for::<ServiceFile>()),
            keyed_schema("recycle-static-pods", &generator.subschema_for::<Nothing>()),
            keyed_schema("reissue-kubelet-client", &generator.subschema_for::<Nothing>()),
            keyed_schema("approve-kubelet-serving", &generator.subschema_for::<Nothing>()),
            keyed_schema("refresh-kubeconfig-copies", &generator.subschema_for::<Nothing>()),
            keyed_schema("prune-backups", &generator.subschema_for::<PruneBackupsFile>()),
            keyed_schema("delete-pods", &generator.subschema_for::<DeletePodsFile>()),
            keyed_schema("run", &generator.subschema_for::<RunFile>()),
        ];
        item_schema(&bare, keyed)
    }
}

impl JsonSchema for ProbeFile {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Probe".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let bare: Vec<&str> = PROBES.into_iter().filter(|w| Self::bare(w).is_some()).collect();
        let unit = keyed_schema("unit", &generator.subschema_for::<UnitFile>());
        let served = keyed_schema("served", &generator.subschema_for::<ServedFile>());
        item_schema(&bare, vec![unit, served])
    }
}
