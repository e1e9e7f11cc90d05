//! Containers as directories below /run/standins: what was asked for, the shim, the process, how it ended.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::{Container, Spec};
use crate::host;

pub fn known(directory: &Path) -> Vec<Container> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut all: Vec<Container> = entries.filter_map(|e| view(&e.path())).collect();
    all.sort_by(|a, b| b.spec.started.cmp(&a.spec.started));
    all
}

pub fn resolve(directory: &Path, id: &str) -> Result<String> {
    let found = known(directory).into_iter().find(|c| c.spec.id.starts_with(id));
    found
        .map(|c| c.spec.id)
        .ok_or_else(|| anyhow!("No such container: {id}"))
}

pub fn view(directory: &Path) -> Option<Container> {
    let spec: Spec = serde_json::from_slice(&fs::read(directory.join("spec.json")).ok()?).ok()?;
    let end = fs::read_to_string(directory.join("exit")).ok();
    let (code, finished) = end.as_deref().and_then(|e| e.split_once(' ')).unwrap_or(("137", ""));
    let running = end.is_none() && (shim_lives(directory) || !directory.join("pid").exists());
    Some(Container {
        running,
        exit_code: code.parse().unwrap_or(0),
        finished: finished.to_owned(),
        spec,
    })
}

/// Whether the process that waits for the container is still there.
fn shim_lives(directory: &Path) -> bool {
    let Some(pid) = number(&directory.join("shim")) else {
        return true;
    };
    fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|c| c.contains(&*directory.to_string_lossy()))
}

fn number(path: &Path) -> Option<i32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

pub fn run(directory: &Path, mut spec: Spec) -> Result<Value> {
    spec.id = host::random_hex(64);
    spec.started = host::nano_stamp(host::now());
    let own = directory.join(&spec.id);
    let partial = directory.join(format!("{}.partial", spec.id));
    fs::create_dir_all(&partial)?;
    fs::write(partial.join("spec.json"), serde_json::to_vec(&spec)?)?;
    fs::rename(&partial, &own)?;
    let mut shim = Command::new("/usr/local/bin/containerd-shim")
        .arg(&own)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .env_remove("LISTEN_FDS")
        .spawn()?;
    fs::write(own.join("shim"), shim.id().to_string())?;
    thread::spawn(move || shim.wait());
    Ok(json!({"id": spec.id}))
}

pub fn signal_to(directory: &Path, signal: Signal) {
    if let Some(pid) = number(&directory.join("pid")).and_then(Pid::from_raw)
        && !directory.join("exit").exists()
    {
        let _ = kill_process(pid, signal);
    }
}

pub fn stop(directory: &Path, grace: Duration) {
    let gone = |patience: Duration| {
        let started = Instant::now();
        while view(directory).is_some_and(|c| c.running) {
            if started.elapsed() >= patience {
                return false;
            }
            thread::sleep(Duration::from_millis(50));
        }
        true
    };
    signal_to(directory, Signal::TERM);
    if !gone(grace) {
        signal_to(directory, Signal::KILL);
        gone(Duration::from_secs(5));
    }
}

pub fn stop_all(directory: &Path, grace: Duration) {
    let running = known(directory).into_iter().filter(|c| c.running);
    let all: Vec<_> = running
        .map(|c| {
            let own = directory.join(&c.spec.id);
            thread::spawn(move || stop(&own, grace))
        })
        .collect();
    for one in all {
        let _ = one.join();
    }
}
