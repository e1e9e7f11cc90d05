//! ctr: `tasks ls`, `tasks kill`, `containers ls` with label filters, `version`.

use anyhow::{Result, bail};
use serde_json::json;

use super::{address, all_of, label, plain};
use crate::host::flag;
use crate::runtime::{self, Container};

pub fn ctr(args: &[String]) -> Result<u8> {
    let words = plain(args, &["--address", "-a", "-n", "--namespace", "--signal", "-s"]);
    let socket = address(args, "address");
    match words.as_slice() {
        ["tasks" | "t" | "task", "ls" | "list", ..] => {
            println!("{:<64}    {:<8}    STATUS    ", "TASK", "PID");
            for c in runtime::list(&socket)? {
                println!(
                    "{:<64}    {:<8}    {}    ",
                    c.spec.id,
                    0,
                    if c.running { "RUNNING" } else { "STOPPED" }
                );
            }
        }
        ["containers" | "c", "ls" | "list", filters @ ..] => {
            for c in runtime::list(&socket)? {
                if filters.iter().all(|f| f.split(',').all(|t| ctr_filter(&c, t))) {
                    println!("{}", c.spec.id);
                }
            }
        }
        ["tasks" | "t" | "task", "kill", id] => {
            let signal = flag(args, "signal").or_else(|| all_of(args, &["-s"]).into_iter().next());
            runtime::ask(&socket, &json!({"op": "kill", "id": id, "signal": signal}))?;
        }
        ["version"] => println!("Client:\n  Version:  1.6.20~ds1"),
        other => bail!("No help topic for {other:?}"),
    }
    Ok(0)
}

/// `labels."NAME"==VALUE`
fn ctr_filter(c: &Container, term: &str) -> bool {
    let Some((name, value)) = term.split_once("==") else {
        return true;
    };
    let name = name.trim_start_matches("labels.").trim_matches('"');
    label(c, name) == Some(value.trim_matches('"'))
}
