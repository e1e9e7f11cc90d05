//! JSON Schemas of both files, for editors: printed by `certfleet schema`, checked in under `docs/reference/`.

use schemars::{JsonSchema, schema_for};

use super::inventory_file::InventoryFile;
use super::playbook_file::PlaybookFile;

/// Schema of an inventory file, pretty, with a newline at the end.
pub fn inventory_schema() -> String {
    pretty::<InventoryFile>()
}

/// Schema of a playbook file, pretty, with a newline at the end.
pub fn playbook_schema() -> String {
    pretty::<PlaybookFile>()
}

fn pretty<T: JsonSchema>() -> String {
    format!("{:#}\n", schema_for!(T).to_value())
}
