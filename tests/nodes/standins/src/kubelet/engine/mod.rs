//! The container runtime as the kubelet uses it: the stand-in's daemon, Debian's docker, or Debian's containerd.

mod ctr;
mod docker;

use std::path::Path;

use anyhow::Result;
use serde_json::json;

use crate::runtime::{self, Container, Spec};

/// Who runs containers here.
#[derive(Debug)]
pub enum Engine {
    StandIn(String),
    Docker,
    Containerd,
}

/// What a container sees of its host: enough for a program that lives outside of any image.
const BINDS: [&str; 5] = ["/usr", "/lib", "/lib64", "/etc", "/var"];

impl Engine {
    /// The stand-ins are below /usr/local, the real daemons where Debian puts them.
    pub fn of(socket: &str) -> Self {
        let real = |daemon: &str| Path::new(daemon).exists();
        if socket.ends_with("docker.sock") && real("/usr/sbin/dockerd") {
            return Self::Docker;
        }
        if socket.ends_with("containerd.sock") && real("/usr/bin/containerd") {
            return Self::Containerd;
        }
        Self::StandIn(socket.to_owned())
    }

    /// Static pods' containers, running or not, the newest first.
    pub fn list(&self) -> Result<Vec<Container>> {
        match self {
            Self::StandIn(socket) => runtime::list(socket),
            Self::Docker => docker::list(),
            Self::Containerd => ctr::list(),
        }
    }

    pub fn run(&self, spec: &Spec) -> Result<()> {
        match self {
            Self::StandIn(socket) => runtime::ask(socket, &json!({"op": "run", "spec": spec})).map(|_| ()),
            Self::Docker => docker::run(spec),
            Self::Containerd => ctr::run(spec),
        }
    }

    /// SIGTERM, and SIGKILL after so many seconds.
    pub fn stop(&self, id: &str, seconds: u32) -> Result<()> {
        match self {
            Self::StandIn(socket) => {
                runtime::ask(socket, &json!({"op": "stop", "id": id, "seconds": seconds})).map(|_| ())
            }
            Self::Docker => docker::stop(id, seconds),
            Self::Containerd => ctr::stop(id, seconds),
        }
    }

    pub fn remove(&self, id: &str) -> Result<()> {
        match self {
            Self::StandIn(socket) => runtime::ask(socket, &json!({"op": "rm", "id": id})).map(|_| ()),
            Self::Docker => docker::remove(id),
            Self::Containerd => ctr::remove(id),
        }
    }
}

/// The labels that dockershim and CRI put on a container.
fn labels(spec: &Spec) -> Vec<(&'static str, String)> {
    vec![
        ("io.kubernetes.container.name", spec.name.clone()),
        ("io.kubernetes.pod.name", spec.pod.clone()),
        ("io.kubernetes.pod.namespace", spec.namespace.clone()),
        ("annotation.io.kubernetes.container.hash", spec.hash.clone()),
        (
            "annotation.io.kubernetes.container.restartCount",
            spec.attempt.to_string(),
        ),
    ]
}
