//! `certfleet inventory`: what the file means once everything is resolved.

use crate::cli::args::{InventoryArgs, Output};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::session::read_inventory;
use crate::cli::terminal::{Terminal, print};
use crate::model::Inventory;
use crate::report;

/// Prints every host with all its settings.
pub(crate) fn run(args: &InventoryArgs, terminal: Terminal) -> Result<Exit, CliError> {
    let whole = read_inventory(&args.target.inventory, &args.target.limit)?;
    let hosts = whole.hosts.into_iter().filter(|h| args.target.limit.matches(h)).collect();
    let inventory = Inventory { cluster: whole.cluster, hosts };
    let text = match args.output {
        Output::Text => report::inventory_text(&inventory, &terminal.out_style()),
        Output::Json => report::inventory_json(&inventory),
    };
    print(&format!("{}\n", text.trim_end()));
    Ok(Exit::Done)
}
