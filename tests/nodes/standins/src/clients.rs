//! docker, crictl and ctr: as much of each as a person with an expired cluster types, and as certfleet's scripts need.

use anyhow::{Result, anyhow, bail};
use serde_json::{Value, json};

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

pub fn docker(args: &[String]) -> Result<u8> {
    let words = plain(args, &VALUED);
    let socket = runtime::socket("dockerd");
    let outcome = match words.first().copied() {
        Some("version" | "--version") => {
            println!("Docker version 20.10.24+dfsg1, build 297e128");
            Ok(())
        }
        Some("ps") => docker_ps(args, socket),
        Some("inspect") => docker_inspect(args, &words[1..], socket),
        Some("stop") => {
            let seconds = all_of(args, &["-t", "--time"])
                .first()
                .and_then(|s| s.parse::<u64>().ok())
                .unwrap_or(10);
            each(
                &words[1..],
                socket,
                &|id| json!({"op": "stop", "id": id, "seconds": seconds}),
            )
        }
        Some("rm") => each(&words[1..], socket, &|id| json!({"op": "rm", "id": id})),
        Some("logs") => logs(&words, socket),
        other => bail!("docker: {other:?} is not a docker command of the stand-in"),
    };
    outcome.map(|()| 0).map_err(|e| {
        if e.downcast_ref::<std::io::Error>().is_some() {
            return anyhow!(
                "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
            );
        }
        anyhow!("Error response from daemon: {e:#}")
    })
}

fn docker_ps(args: &[String], socket: &str) -> Result<()> {
    let filters = all_of(args, &["--filter", "-f"]);
    let every = has(args, &["-a", "--all"]);
    let format = flag(args, "format").unwrap_or_else(|| "{{.ID}}\t{{.Names}}\t{{.Status}}".to_owned());
    for c in runtime::list(socket)? {
        let wanted = filters.iter().all(|f| match f.split_once('=') {
            Some(("label", l)) => labelled(&c, l),
            Some(("status", s)) => (s == "running") == c.running,
            Some(("name", n)) => names(&c).contains(n.trim_matches(&['^', '$'][..])),
            _ => true,
        });
        if wanted && (every || c.running) {
            let format = if has(args, &["-q", "--quiet"]) {
                "{{.ID}}"
            } else {
                &format
            };
            println!("{}", fill(format, &c, has(args, &["--no-trunc"])));
        }
    }
    Ok(())
}

fn names(c: &Container) -> String {
    format!(
        "k8s_{}_{}_{}_{}_{}",
        c.spec.name, c.spec.pod, c.spec.namespace, c.spec.hash, c.spec.attempt
    )
}

/// Go templates, of which only fields and labels are known.
fn fill(format: &str, c: &Container, whole: bool) -> String {
    let id = if whole { &c.spec.id[..] } else { &c.spec.id[..12] };
    let status = if c.running {
        "Up".to_owned()
    } else {
        format!("Exited ({})", c.exit_code)
    };
    let mut text = format.replace("\\t", "\t");
    for (field, value) in [
        ("ID", id),
        ("Id", &c.spec.id),
        ("Names", &names(c)),
        ("Status", &status),
        ("Image", &c.spec.image),
        ("State.StartedAt", &c.spec.started),
        ("State.Status", if c.running { "running" } else { "exited" }),
        ("State.Running", if c.running { "true" } else { "false" }),
        ("Created", &c.spec.started),
    ] {
        text = text.replace(&format!("{{{{.{field}}}}}"), value);
    }
    while let Some(start) = text.find("{{.Label \"") {
        let Some(end) = text[start..].find("\"}}") else { break };
        let value = label(c, &text[start + 10..start + end]).unwrap_or_default().to_owned();
        text.replace_range(start..start + end + 3, &value);
    }
    text
}

fn docker_inspect(args: &[String], ids: &[&str], socket: &str) -> Result<()> {
    let all = runtime::list(socket)?;
    for id in ids {
        let c = all
            .iter()
            .find(|c| c.spec.id.starts_with(id))
            .ok_or_else(|| anyhow!("No such object: {id}"))?;
        match flag(args, "format").or_else(|| all_of(args, &["-f"]).into_iter().next()) {
            Some(format) => println!("{}", fill(&format, c, true)),
            None => println!(
                "{:#}",
                json!([{
                    "Id": c.spec.id, "Name": names(c), "Path": c.spec.command.first(), "LogPath": c.spec.log,
                    "State": {"Status": if c.running { "running" } else { "exited" }, "Running": c.running,
                        "ExitCode": c.exit_code, "StartedAt": c.spec.started, "FinishedAt": c.finished},
                }])
            ),
        }
    }
    Ok(())
}

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
