//! docker: `ps`, `inspect`, `stop`, `rm`, `logs`, `version`.

use anyhow::{Result, anyhow, bail};
use serde_json::json;

use super::{VALUED, all_of, each, has, label, labelled, logs, plain};
use crate::host::flag;
use crate::runtime::{self, Container};

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
        let format = flag(args, "format").or_else(|| all_of(args, &["-f"]).into_iter().next());
        println!("{}", format.map_or_else(|| whole(c), |f| fill(&f, c, true)));
    }
    Ok(())
}

/// What `docker inspect` says of a container without being told a format.
fn whole(c: &Container) -> String {
    let state = json!({
        "Status": if c.running { "running" } else { "exited" }, "Running": c.running,
        "ExitCode": c.exit_code, "StartedAt": c.spec.started, "FinishedAt": c.finished,
    });
    let all = json!([{
        "Id": c.spec.id, "Name": names(c), "Path": c.spec.command.first(), "LogPath": c.spec.log, "State": state,
    }]);
    format!("{all:#}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Spec;

    fn api_server() -> Container {
        Container {
            spec: Spec {
                id: "0123456789abcdef0123".to_owned(),
                name: "kube-apiserver".to_owned(),
                pod: "kube-apiserver-m1".to_owned(),
                namespace: "kube-system".to_owned(),
                hash: "cafe".to_owned(),
                attempt: 2,
                image: "k8s.gcr.io/kube-apiserver:v1.19.16".to_owned(),
                command: vec!["kube-apiserver".to_owned()],
                log: "/var/log/a.log".to_owned(),
                started: "2026-11-22T22:00:00.5Z".to_owned(),
            },
            running: true,
            exit_code: 0,
            finished: String::new(),
        }
    }

    #[test]
    fn go_templates_are_filled_with_fields_and_labels() {
        let c = api_server();
        let format = r#"{{.ID}}\t{{.Label "io.kubernetes.container.name"}} {{.Names}}"#;
        let names = "k8s_kube-apiserver_kube-apiserver-m1_kube-system_cafe_2";
        assert_eq!(fill(format, &c, false), format!("0123456789ab\tkube-apiserver {names}"));
        assert_eq!(
            fill("{{.Id}} {{.State.StartedAt}}", &c, true),
            "0123456789abcdef0123 2026-11-22T22:00:00.5Z"
        );
    }

    #[test]
    fn inspect_without_a_format_is_json() {
        let value: serde_json::Value = serde_json::from_str(&whole(&api_server())).unwrap();
        assert_eq!(value[0]["State"]["Running"], true);
    }
}
