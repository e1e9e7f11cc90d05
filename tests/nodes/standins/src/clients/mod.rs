//! docker, crictl and ctr: as much of each as a person with an expired cluster types, and as certfleet's scripts need.

mod crictl;
mod ctr;
mod docker;

pub use crictl::crictl;
pub use ctr::ctr;
pub use docker::docker;

use anyhow::{Result, anyhow};
use serde_json::Value;

use crate::host::flag;
use crate::runtime::{self, Container};

/// Words that are neither flags nor values of the flags named in `valued`.
fn plain<'a>(args: &'a [String], valued: &[&str]) -> Vec<&'a str> {
    let mut words = Vec::new();
    let mut skip = false;
    for word in args {
        if skip {
            skip = false;
        } else if word.starts_with('-') {
            skip = valued.contains(&word.as_str());
        } else {
            words.push(word.as_str());
        }
    }
    words
}

/// Every value of a flag that may be given more than once.
fn all_of(args: &[String], names: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (i, word) in args.iter().enumerate() {
        for name in names {
            if word == name {
                found.extend(args.get(i + 1).cloned());
            } else if let Some(v) = word.strip_prefix(&format!("{name}=")) {
                found.push(v.to_owned());
            }
        }
    }
    found
}

fn has(args: &[String], names: &[&str]) -> bool {
    args.iter().any(|a| names.contains(&a.as_str()))
}

fn label<'a>(c: &'a Container, name: &str) -> Option<&'a str> {
    match name {
        "io.kubernetes.container.name" => Some(&c.spec.name),
        "io.kubernetes.pod.namespace" => Some(&c.spec.namespace),
        "io.kubernetes.pod.name" => Some(&c.spec.pod),
        "annotation.io.kubernetes.container.hash" => Some(&c.spec.hash),
        _ => None,
    }
}

fn labelled(c: &Container, filter: &str) -> bool {
    match filter.split_once('=') {
        Some((name, value)) => label(c, name) == Some(value),
        None => label(c, filter).is_some(),
    }
}

const VALUED: [&str; 14] = [
    "--filter",
    "-f",
    "--format",
    "-t",
    "--time",
    "--name",
    "--label",
    "--state",
    "-s",
    "--timeout",
    "--runtime-endpoint",
    "-r",
    "--address",
    "-n",
];

fn each(ids: &[&str], socket: &str, request: &dyn Fn(&str) -> Value) -> Result<()> {
    for id in ids {
        runtime::ask(socket, &request(id))?;
        println!("{id}");
    }
    Ok(())
}

fn logs(words: &[&str], socket: &str) -> Result<()> {
    let id = words.get(1).ok_or_else(|| anyhow!("whose logs?"))?;
    let found = runtime::list(socket)?.into_iter().find(|c| c.spec.id.starts_with(id));
    let c = found.ok_or_else(|| anyhow!("No such container: {id}"))?;
    print!("{}", std::fs::read_to_string(c.spec.log)?);
    Ok(())
}

fn address(args: &[String], name: &str) -> String {
    let given = flag(args, name).or_else(|| all_of(args, &["-r", "-a"]).into_iter().next());
    given.map_or_else(
        || runtime::socket("containerd").to_owned(),
        |u| u.trim_start_matches("unix://").to_owned(),
    )
}
