//! `certfleet playbooks [NAME]`: what is built in, and the text to copy.

use crate::cli::args::PlaybooksArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::terminal::print;
use crate::config::{builtin_playbooks, parse_playbook};

/// Lists names with descriptions, or prints one file.
pub(crate) fn run(args: &PlaybooksArgs) -> Result<Exit, CliError> {
    match &args.name {
        None => print(&list()?),
        Some(name) => print(text_of(name)?),
    }
    Ok(Exit::Done)
}

fn list() -> Result<String, CliError> {
    let mut text = String::new();
    for (name, yaml) in builtin_playbooks() {
        let playbook = parse_playbook(yaml, name)?;
        text.push_str(&format!("{name:<10} {}\n", playbook.description));
    }
    text.push_str("\nPrint one with `certfleet playbooks NAME`, copy and change it, and run it with `certfleet run FILE -i INVENTORY`.\n");
    Ok(text)
}

fn text_of(name: &str) -> Result<&'static str, CliError> {
    let found = builtin_playbooks().iter().find(|(n, _)| *n == name);
    found.map(|(_, yaml)| *yaml).ok_or_else(|| {
        let names: Vec<&str> = builtin_playbooks().iter().map(|(n, _)| *n).collect();
        CliError::usage(format!("there is no built-in playbook `{name}`"), format!("There are {}.", names.join(", ")))
    })
}
