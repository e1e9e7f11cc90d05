//! `certfleet schema`: what editors need to complete our files.

use crate::cli::args::SchemaOf;
use crate::cli::exit::Exit;
use crate::cli::terminal::print;
use crate::config::{inventory_schema, playbook_schema};

/// Prints the schema.
pub(crate) fn run(of: SchemaOf) -> Exit {
    let schema = match of {
        SchemaOf::Inventory => inventory_schema(),
        SchemaOf::Playbook => playbook_schema(),
    };
    print(&format!("{}\n", schema.trim_end()));
    Exit::Done
}
