//! dockerd and containerd: one daemon, two characters. Containers are processes under shims. Docker's die with the
//! daemon unless `live-restore` is on; containerd's live on and are known again after a restart.

mod containers;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::host;
use containers::{known, resolve, run, signal_to, stop, stop_all, view};

/// What a container is started from.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Spec {
    pub id: String,
    pub name: String,
    pub pod: String,
    pub namespace: String,
    pub hash: String,
    pub attempt: u32,
    pub image: String,
    pub command: Vec<String>,
    pub log: String,
    pub started: String,
}

/// A container as the daemon shows it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Container {
    #[serde(flatten)]
    pub spec: Spec,
    pub running: bool,
    pub exit_code: i32,
    pub finished: String,
}

/// Path of the socket on which the daemon `name` answers.
pub fn socket(name: &str) -> &'static str {
    if name == "dockerd" {
        "/run/docker.sock"
    } else {
        "/run/containerd/containerd.sock"
    }
}

fn state(name: &str) -> PathBuf {
    Path::new("/run/standins").join(name)
}

/// Asks the daemon behind `socket` one thing.
pub fn ask(socket: &str, request: &Value) -> Result<Value> {
    let mut stream = UnixStream::connect(socket).with_context(|| format!("unix://{socket}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(90)))?;
    stream.write_all(format!("{request}\n").as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    let answer: Value = serde_json::from_str(&line).context("the runtime hung up")?;
    match answer["error"].as_str() {
        Some(error) => Err(anyhow!("{error}")),
        None => Ok(answer),
    }
}

/// All containers that the daemon behind `socket` knows.
pub fn list(socket: &str) -> Result<Vec<Container>> {
    Ok(serde_json::from_value(
        ask(socket, &json!({"op": "list"}))?["containers"].take(),
    )?)
}

pub fn main(name: &str, args: &[String]) -> Result<u8> {
    if args.iter().any(|a| a == "--version" || a == "-v") {
        println!(
            "{}",
            if name == "dockerd" {
                "Docker version 20.10.24+dfsg1, build 297e128"
            } else {
                "containerd containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3"
            }
        );
        return Ok(0);
    }
    let directory = state(name);
    fs::create_dir_all(&directory)?;
    let keep = name == "containerd" || live_restore(args);
    if args.iter().any(|a| a == "--stand-in-stop") {
        if !keep {
            stop_all(&directory, Duration::from_secs(10));
        }
        return Ok(0);
    }
    second_try(name)?;
    if !keep {
        stop_all(&directory, Duration::ZERO);
    }
    let listener = listen(name)?;
    eprintln!(
        "time=\"{}\" level=info msg=\"API listen on {}\"",
        host::stamp(host::now()),
        socket(name)
    );
    notify_ready();
    for stream in listener.incoming().flatten() {
        let directory = directory.clone();
        thread::spawn(move || serve(stream, &directory));
    }
    Ok(1)
}

/// Tells systemd that the unit is up (`Type=notify`).
fn notify_ready() {
    if let (Ok(path), Ok(socket)) = (std::env::var("NOTIFY_SOCKET"), UnixDatagram::unbound()) {
        let _ = socket.send_to(b"READY=1", path);
    }
}

/// A unit that needs two attempts: with this file in place a start fails once.
fn second_try(name: &str) -> Result<()> {
    let marker = format!("{}/fail-once-{name}", host::LAB);
    if fs::remove_file(marker).is_ok() {
        bail!(
            "failed to start daemon: Error initializing network controller: could not delete the default bridge network: network bridge has active endpoints"
        );
    }
    Ok(())
}

fn live_restore(args: &[String]) -> bool {
    let file = fs::read_to_string("/etc/docker/daemon.json").unwrap_or_default();
    let in_file = serde_json::from_str::<Value>(&file).is_ok_and(|v| v["live-restore"].as_bool() == Some(true));
    in_file || args.iter().any(|a| a == "--live-restore" || a == "--live-restore=true")
}

/// Docker's socket comes from docker.socket as standard input; containerd makes its own.
fn listen(name: &str) -> Result<UnixListener> {
    if name == "dockerd" {
        return Ok(UnixListener::from(std::io::stdin().as_fd().try_clone_to_owned()?));
    }
    let path = Path::new(socket(name));
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

fn serve(mut stream: UnixStream, directory: &Path) {
    let mut line = String::new();
    let Ok(reader) = stream.try_clone() else { return };
    if BufReader::new(reader).read_line(&mut line).is_err() {
        return;
    }
    let answer = act(&line, directory).unwrap_or_else(|e| json!({"error": format!("{e:#}")}));
    let _ = stream.write_all(format!("{answer}\n").as_bytes());
}

fn act(line: &str, directory: &Path) -> Result<Value> {
    let request: Value = serde_json::from_str(line)?;
    let id = || request["id"].as_str().ok_or_else(|| anyhow!("no id"));
    match request["op"].as_str() {
        Some("list") => Ok(json!({"containers": known(directory)})),
        Some("run") => run(directory, serde_json::from_value(request["spec"].clone())?),
        Some("stop") => {
            let full = resolve(directory, id()?)?;
            stop(
                &directory.join(&full),
                Duration::from_secs(request["seconds"].as_u64().unwrap_or(10)),
            );
            Ok(json!({"id": full}))
        }
        Some("kill") => {
            let full = resolve(directory, id()?)?;
            let signal = if request["signal"].as_str().is_some_and(|s| s.contains("KILL")) {
                Signal::KILL
            } else {
                Signal::TERM
            };
            signal_to(&directory.join(full), signal);
            Ok(json!({}))
        }
        Some("rm") => {
            let full = resolve(directory, id()?)?;
            if view(&directory.join(&full)).is_some_and(|c| c.running) {
                bail!("container {full} is running");
            }
            fs::remove_dir_all(directory.join(&full))?;
            Ok(json!({"id": full}))
        }
        other => bail!("unknown operation {other:?}"),
    }
}
