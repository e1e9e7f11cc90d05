//! YAML files to model.
//!
//! Two stages: `*_file` is what a person wrote, strict and with places; lowering turns it into the model and collects
//! everything that is wrong, so that a file is corrected in one go. An error of syntax or shape ends the first stage
//! and comes alone. Both stages are pure: only `load_*` read files.

mod builtin;
mod drain_file;
mod error;
mod fleet_checks;
mod inventory;
mod inventory_file;
mod located;
mod names;
mod playbook;
mod playbook_checks;
mod playbook_file;
mod playbook_items;
mod playbook_items_schema;
mod schema;
mod settings;
mod source;
mod suggest;
mod waves;
mod yaml;

pub use builtin::builtin_playbooks;
pub use error::{ConfigError, ConfigErrors, ErrorStyle, Place};
pub use inventory::{load_inventory, parse_inventory, resolved_inventory_text};
pub use playbook::{load_playbook, parse_playbook};
pub use schema::{inventory_schema, playbook_schema};
