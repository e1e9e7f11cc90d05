//! crictl: `ps`, `pods`, `inspect`, `stop`, `rm`, `logs`, `info`, `version`.

use anyhow::{Result, anyhow, bail};
use serde_json::json;

use super::{VALUED, address, all_of, each, has, labelled, logs, plain};
use crate::host::flag;
use crate::runtime;

pub fn crictl(args: &[String]) -> Result<u8> {
    let words = plain(args, &VALUED);
    let socket = address(args, "runtime-endpoint");
    match words.first().copied() {
        Some("version" | "--version") => println!("crictl version v1.26.0"),
        Some("info") => {
            runtime::list(&socket)?;
            println!(
                "{}",
                json!({"status": {"conditions": [{"type": "RuntimeReady", "status": true}]}})
            );
        }
        Some("ps") => crictl_ps(args, &socket)?,
        Some("pods") => crictl_pods(args, &socket)?,
        Some("inspect") => {
            for id in &words[1..] {
                crictl_inspect(id, &socket)?;
            }
        }
        Some("stop") => {
            // `--timeout` before the command is the connection's, after it the container's.
            let at = args.iter().position(|a| a == "stop").unwrap_or(0);
            let seconds = flag(&args[at..], "timeout")
                .and_then(|s| s.parse::<u64>().ok())
                .unwrap_or(0);
            each(
                &words[1..],
                &socket,
                &|id| json!({"op": "stop", "id": id, "seconds": seconds}),
            )?;
        }
        Some("rm") => each(&words[1..], &socket, &|id| json!({"op": "rm", "id": id}))?,
        Some("logs") => logs(&words, &socket)?,
        other => bail!("No help topic for {other:?}"),
    }
    Ok(0)
}

fn crictl_ps(args: &[String], socket: &str) -> Result<()> {
    let state = flag(args, "state").or_else(|| all_of(args, &["-s"]).into_iter().next());
    let every = has(args, &["-a", "--all"]) || state.is_some();
    let name = flag(args, "name");
    let labels = all_of(args, &["--label"]);
    if !has(args, &["-q", "--quiet"]) {
        println!(
            "{:<14} {:<26} {:<10} {:<8} POD",
            "CONTAINER", "NAME", "STATE", "ATTEMPT"
        );
    }
    for c in runtime::list(socket)? {
        let shown = if c.running { "Running" } else { "Exited" };
        let wanted = state.as_ref().is_none_or(|s| s.eq_ignore_ascii_case(shown))
            && name.as_ref().is_none_or(|n| matches(&c.spec.name, n))
            && labels.iter().all(|l| labelled(&c, l));
        if !wanted || !(every || c.running) {
            continue;
        }
        let id = if has(args, &["--no-trunc"]) {
            &c.spec.id[..]
        } else {
            &c.spec.id[..13]
        };
        if has(args, &["-q", "--quiet"]) {
            println!("{id}");
        } else {
            println!(
                "{id:<14} {:<26} {shown:<10} {:<8} {}",
                c.spec.name, c.spec.attempt, c.spec.pod
            );
        }
    }
    Ok(())
}

/// crictl's names are regular expressions; anchors are all that is known here.
fn matches(name: &str, pattern: &str) -> bool {
    let bare = pattern.trim_start_matches('^').trim_end_matches('$');
    match (pattern.starts_with('^'), pattern.ends_with('$')) {
        (true, true) => name == bare,
        (true, false) => name.starts_with(bare),
        (false, true) => name.ends_with(bare),
        (false, false) => name.contains(bare),
    }
}

fn crictl_pods(args: &[String], socket: &str) -> Result<()> {
    let mut pods: Vec<(String, bool)> = Vec::new();
    for c in runtime::list(socket)? {
        match pods.iter_mut().find(|(p, _)| *p == c.spec.pod) {
            Some((_, ready)) => *ready |= c.running,
            None => pods.push((c.spec.pod, c.running)),
        }
    }
    for (pod, ready) in pods {
        if has(args, &["-q", "--quiet"]) {
            println!("{pod}");
        } else {
            println!("{pod:<40} {}", if ready { "Ready" } else { "NotReady" });
        }
    }
    Ok(())
}

fn crictl_inspect(id: &str, socket: &str) -> Result<()> {
    let found = runtime::list(socket)?.into_iter().find(|c| c.spec.id.starts_with(id));
    let c = found.ok_or_else(|| {
        anyhow!("rpc error: code = NotFound desc = an error occurred when try to find container \"{id}\": not found")
    })?;
    println!(
        "{:#}",
        json!({"status": {
            "id": c.spec.id, "metadata": {"attempt": c.spec.attempt, "name": c.spec.name},
            "state": if c.running { "CONTAINER_RUNNING" } else { "CONTAINER_EXITED" },
            "createdAt": c.spec.started, "startedAt": c.spec.started, "finishedAt": c.finished, "exitCode": c.exit_code,
            "labels": {"io.kubernetes.container.name": c.spec.name, "io.kubernetes.pod.name": c.spec.pod,
                "io.kubernetes.pod.namespace": c.spec.namespace},
        }})
    );
    Ok(())
}
