//! Docker's engine over its socket, as dockershim used it. Images are empty: the programs are the host's own.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::{BINDS, labels};
use crate::http;
use crate::runtime::{Container, Spec};

const SOCKET: &str = "/run/docker.sock";
/// An empty tar archive.
const NOTHING: [u8; 1024] = [0; 1024];

fn ask(method: &str, path: &str, kind: &str, body: &[u8]) -> Result<(u16, Value)> {
    let mut stream = UnixStream::connect(SOCKET).with_context(|| format!("unix://{SOCKET}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(90)))?;
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat())?;
    let answer = http::read(&mut stream)?.context("docker hung up")?;
    let status = answer.start.split(' ').nth(1).and_then(|s| s.parse().ok()).unwrap_or(0);
    Ok((status, serde_json::from_slice(&answer.body).unwrap_or_default()))
}

fn must(method: &str, path: &str, body: &Value) -> Result<Value> {
    let text = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let (status, answer) = ask(method, path, "application/json", text.as_bytes())?;
    match status {
        200..400 => Ok(answer),
        _ => bail!(
            "Error response from daemon: {}",
            answer["message"].as_str().unwrap_or_default()
        ),
    }
}

pub fn list() -> Result<Vec<Container>> {
    let filters = "%7B%22label%22%3A%5B%22io.kubernetes.container.name%22%5D%7D";
    let all = must(
        "GET",
        &format!("/containers/json?all=1&filters={filters}"),
        &Value::Null,
    )?;
    Ok(all.as_array().into_iter().flatten().map(container).collect())
}

fn container(said: &Value) -> Container {
    let label = |name: &str| said["Labels"][name].as_str().unwrap_or_default().to_owned();
    Container {
        spec: Spec {
            id: said["Id"].as_str().unwrap_or_default().to_owned(),
            name: label("io.kubernetes.container.name"),
            pod: label("io.kubernetes.pod.name"),
            namespace: label("io.kubernetes.pod.namespace"),
            hash: label("annotation.io.kubernetes.container.hash"),
            attempt: label("annotation.io.kubernetes.container.restartCount")
                .parse()
                .unwrap_or(0),
            image: said["Image"].as_str().unwrap_or_default().to_owned(),
            command: Vec::new(),
            log: String::new(),
            started: said["Created"].to_string(),
        },
        running: said["State"] == "running",
        exit_code: 0,
        finished: String::new(),
    }
}

pub fn run(spec: &Spec) -> Result<()> {
    let labels: serde_json::Map<String, Value> = labels(spec)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let binds: Vec<String> = BINDS.iter().map(|b| format!("{b}:{b}")).collect();
    let wanted = json!({
        "Image": spec.image, "Cmd": spec.command, "Labels": labels,
        "HostConfig": {"NetworkMode": "host", "Binds": binds},
    });
    let name = format!(
        "k8s_{}_{}_{}_{}_{}",
        spec.name, spec.pod, spec.namespace, spec.hash, spec.attempt
    );
    let create = format!("/containers/create?name={name}");
    let (status, mut made) = ask("POST", &create, "application/json", wanted.to_string().as_bytes())?;
    if status == 404 {
        import(&spec.image)?;
        made = must("POST", &create, &wanted)?;
    } else if status >= 400 {
        bail!(
            "Error response from daemon: {}",
            made["message"].as_str().unwrap_or_default()
        );
    }
    let id = made["Id"].as_str().context("a container without an id")?;
    must("POST", &format!("/containers/{id}/start"), &Value::Null).map(|_| ())
}

/// What a pull would have brought.
fn import(image: &str) -> Result<()> {
    let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
    let path = format!("/images/create?fromSrc=-&repo={name}&tag={tag}");
    let (status, said) = ask("POST", &path, "application/x-tar", &NOTHING)?;
    if status != 200 {
        bail!("import of {image}: {status} {said}");
    }
    Ok(())
}

pub fn stop(id: &str, seconds: u32) -> Result<()> {
    must("POST", &format!("/containers/{id}/stop?t={seconds}"), &Value::Null).map(|_| ())
}

pub fn remove(id: &str) -> Result<()> {
    must("DELETE", &format!("/containers/{id}?force=1"), &Value::Null).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_lists_is_read() {
        let labels = json!({
            "io.kubernetes.container.name": "etcd", "annotation.io.kubernetes.container.hash": "cafe",
            "annotation.io.kubernetes.container.restartCount": "3",
        });
        let read = container(&json!({"Id": "abc", "State": "exited", "Labels": labels}));
        assert_eq!(
            (read.spec.name.as_str(), read.spec.hash.as_str(), read.spec.attempt),
            ("etcd", "cafe", 3)
        );
        assert!(!read.running);
    }
}
