//! `certfleet:prune-backups MODE KEEP DIRECTORY`: as the script. In the lab no backup is ever damaged.

use std::collections::BTreeSet;

use crate::lab::context::Context;
use crate::lab::node::Node;
use crate::model::ExitStatus;

pub(super) fn run(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let [mode, keep, directory] = arguments else {
        return context.fail(2, "certfleet: prune-backups needs MODE KEEP DIRECTORY");
    };
    let Some(keep) = keep.parse::<usize>().ok().filter(|k| *k > 0) else {
        return context.fail(2, format!("not a number of backups to keep: {keep}"));
    };
    let mut names = context.node(|n| backups(n, directory));
    names.reverse();
    let old = names.split_off(keep.min(names.len()));
    for name in &names {
        context.out(format!("kept\t{name}\n"));
    }
    if mode == "look" {
        for name in &old {
            context.out(format!("old\t{name}\n"));
        }
        return ExitStatus::Code(u32::from(!old.is_empty()));
    }
    for name in &old {
        context.record(format!("certfleet:prune-backups {name}"));
        context.change(|n, _| remove(n, &format!("{directory}/{name}")));
        context.out(format!("removed\t{name}\n"));
    }
    ExitStatus::Code(0)
}

/// Directories with the name of a run, oldest first.
fn backups(node: &Node, directory: &str) -> Vec<String> {
    let is_run = |name: &&str| {
        let stamp = name.split_once('-').map_or("", |(stamp, _)| stamp);
        stamp.starts_with(|c: char| c.is_ascii_digit()) && stamp.contains('T') && stamp.ends_with('Z')
    };
    let below = node.files.below(directory);
    let names = below.filter_map(|(path, _)| path[directory.len() + 1..].split('/').next());
    let unique: BTreeSet<&str> = names.filter(is_run).collect();
    unique.into_iter().map(str::to_owned).collect()
}

fn remove(node: &mut Node, folder: &str) {
    let gone: Vec<String> = node.files.below(folder).map(|(path, _)| path.clone()).collect();
    for path in gone {
        node.files.remove(&path);
    }
}
