//! Containerd through its own client, since crictl is in no Debian package here. What was asked for is kept in files, as a
//! kubelet keeps its checkpoints; whether it runs is what `ctr tasks ls` says.

use std::collections::HashMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::{BINDS, labels};
use crate::host;
use crate::runtime::{Container, Spec};

const SPECS: &str = "/run/standins/cri";
const ROOTS: &str = "/var/lib/lab-rootfs";

fn ctr(args: &[String]) -> Result<String> {
    let done = Command::new("/usr/bin/ctr")
        .args(["-n", "k8s.io"])
        .args(args)
        .output()
        .context("ctr")?;
    if !done.status.success() {
        bail!(
            "ctr {}: {}",
            args.first().map_or("", |a| a),
            String::from_utf8_lossy(&done.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_owned).collect()
}

/// Status by id, from the table that `ctr tasks ls` prints.
fn tasks() -> Result<HashMap<String, String>> {
    let table = ctr(&words("tasks ls"))?;
    Ok(rows(&table))
}

fn rows(table: &str) -> HashMap<String, String> {
    let rows = table.lines().skip(1).filter_map(|line| {
        let mut columns = line.split_whitespace();
        Some((columns.next()?.to_owned(), columns.nth(1)?.to_owned()))
    });
    rows.collect()
}

pub fn list() -> Result<Vec<Container>> {
    let tasks = tasks()?;
    let files = fs::read_dir(SPECS).into_iter().flatten().flatten();
    let mut all: Vec<Container> = files
        .filter_map(|f| serde_json::from_slice::<Spec>(&fs::read(f.path()).ok()?).ok())
        .map(|spec| Container {
            running: tasks.get(&spec.id).is_some_and(|s| s == "RUNNING"),
            exit_code: 0,
            finished: String::new(),
            spec,
        })
        .collect();
    all.sort_by(|a, b| b.spec.started.cmp(&a.spec.started));
    Ok(all)
}

fn file_of(id: &str) -> PathBuf {
    PathBuf::from(SPECS).join(id)
}

pub fn run(wanted: &Spec) -> Result<()> {
    let mut spec = wanted.clone();
    spec.id = host::random_hex(64);
    spec.started = host::nano_stamp(host::now());
    let root = format!("{ROOTS}/{}", spec.id);
    fs::create_dir_all(SPECS)?;
    // runc makes the mount points in the root file system, which is otherwise empty.
    fs::create_dir_all(&root)?;
    fs::write(file_of(&spec.id), serde_json::to_vec(&spec)?)?;
    let mut args =
        words("run --detach --net-host --rootfs --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin");
    args.extend(["--log-uri".to_owned(), format!("file://{}", spec.log)]);
    for (name, value) in labels(&spec) {
        args.extend(["--label".to_owned(), format!("{name}={value}")]);
    }
    args.extend(["--label".to_owned(), "io.cri-containerd.kind=container".to_owned()]);
    for bind in BINDS {
        args.extend([
            "--mount".to_owned(),
            format!("type=bind,src={bind},dst={bind},options=rbind:rw"),
        ]);
    }
    args.extend([root, spec.id.clone()]);
    args.extend(spec.command.iter().cloned());
    ctr(&args).map(|_| ())
}

pub fn stop(id: &str, seconds: u32) -> Result<()> {
    let signal = |name: &str| ctr(&["tasks", "kill", "--signal", name, id].map(str::to_owned));
    signal("SIGTERM")?;
    let began = Instant::now();
    while tasks()?.get(id).is_some_and(|s| s == "RUNNING") {
        if began.elapsed() >= Duration::from_secs(u64::from(seconds)) {
            signal("SIGKILL")?;
        }
        thread::sleep(Duration::from_millis(300));
    }
    Ok(())
}

pub fn remove(id: &str) -> Result<()> {
    // A container without a task is no error here, nor is a task without a container.
    let _ = ctr(&["tasks", "delete", "--force", id].map(str::to_owned));
    let _ = ctr(&["containers", "delete", id].map(str::to_owned));
    let _ = fs::remove_dir_all(format!("{ROOTS}/{id}"));
    Ok(fs::remove_file(file_of(id))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_tasks_is_read() {
        let read = rows("TASK    PID     STATUS    \nabc     1042    RUNNING\ndef     0       STOPPED\n");
        assert_eq!(read.get("abc").map(String::as_str), Some("RUNNING"));
        assert_eq!(read.get("def").map(String::as_str), Some("STOPPED"));
        assert_eq!(read.len(), 2);
    }
}
