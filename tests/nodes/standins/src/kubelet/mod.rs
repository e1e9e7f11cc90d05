//! kubelet: runs the static pods, talks to the API server with its own client certificate and says in klog's words what
//! comes of it. Silent while its connection lives, whatever has expired meanwhile.

mod agent;
mod engine;
mod manifests;
mod node;
mod pods;
mod words;

use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::host::{self, Version, flag};
use crate::http::{self, Session};
use crate::tls::{Client, Served};
use crate::{klog, objects, pki, runtime, tls};
use agent::Agent;
use engine::Engine;
use pods::StaticPods;

const CONFIG: &str = "/etc/kubernetes/kubelet.conf";
const BOOTSTRAP: &str = "/etc/kubernetes/bootstrap-kubelet.conf";
const CLIENT_PEM: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

pub fn main(args: &[String]) -> Result<u8> {
    let version = host::version();
    if args.iter().any(|a| a == "--version") {
        println!("Kubernetes {}", version.text);
        return Ok(0);
    }
    klog::info("server.go:411", &format!("Version: {}", version.text));
    if std::fs::remove_file(format!("{}/fail-once-kubelet", host::LAB)).is_ok() {
        klog::fatal(
            "server.go:274",
            "failed to run Kubelet: Failed to start ContainerManager failed to initialize top level QOS containers",
        );
        return Ok(255);
    }
    let socket = flag(args, "container-runtime-endpoint").map_or_else(
        || runtime::socket("dockerd").to_owned(),
        |u| u.trim_start_matches("unix://").to_owned(),
    );
    let config = match pki::kubeconfig(CONFIG) {
        Ok(config) => config,
        Err(e) => {
            return Ok(fatal(
                &version,
                &format!("failed to run Kubelet: unable to load bootstrap kubeconfig: {e}"),
            ));
        }
    };
    if bootstrap_needed(&config, &version)? {
        let text = format!(
            "failed to run Kubelet: unable to load bootstrap kubeconfig: stat {BOOTSTRAP}: no such file or directory"
        );
        return Ok(fatal(&version, &text));
    }
    let engine = Engine::of(&socket);
    if let Err(e) = engine.list() {
        klog::error("runtime.go", &format!("connection to container runtime failed: {e:#}"));
        return Ok(fatal(
            &version,
            &format!(
                "failed to run Kubelet: failed to create kubelet: cannot connect to the container runtime at unix://{socket}"
            ),
        ));
    }
    klog::info(
        "certificate_store.go:130",
        &format!("Loading cert/key pair from {CLIENT_PEM:?}."),
    );
    let client = Client::load(&config.ca, Some(&config.client))?;
    let session = Session::new(client, &config.server, Duration::from_secs(5));
    thread::spawn(serve);
    thread::spawn(flood);
    let pods = Arc::new(StaticPods::new(engine));
    let mine = pods.clone();
    thread::spawn(move || mine.run());
    Agent {
        session,
        node: host::hostname(),
        version,
        pods,
        registered: false,
        refusals: None,
    }
    .run()
}

/// Klog's `F` line, and from 1.23 what cobra's `Run` prints instead.
fn fatal(version: &Version, text: &str) -> u8 {
    if version.minor >= 23 {
        klog::error("run.go:74", &format!("\"command failed\" err=\"{text}\""));
        return 1;
    }
    klog::fatal("server.go:274", text);
    255
}

/// Whether the client certificate is of no use any more, so that a bootstrap kubeconfig would be needed.
fn bootstrap_needed(config: &pki::Kubeconfig, version: &Version) -> Result<bool> {
    let (_, until) = pki::validity(&pki::der(&config.client.cert)?).context(CLIENT_PEM)?;
    if host::now() <= until || std::path::Path::new(BOOTSTRAP).exists() {
        return Ok(false);
    }
    let date = host::stamp(until).replace('T', " ").replace('Z', " +0000 UTC");
    let file = if version.minor >= 22 {
        format!(" in {CONFIG}")
    } else {
        String::new()
    };
    let text = format!("part of the existing bootstrap client certificate{file} is expired: {date}");
    if version.minor >= 31 {
        klog::error(
            "bootstrap.go:266",
            &format!("\"Unhandled Error\" err=\"{text}\" logger=\"UnhandledError\""),
        );
    } else {
        klog::error("bootstrap.go:265", &text);
    }
    Ok(true)
}

/// Says something harmless so many times a second, when the file asks for it.
fn flood() {
    let text = std::fs::read_to_string(format!("{}/flood", host::LAB)).unwrap_or_default();
    let rate: u32 = text.trim().parse().unwrap_or(0);
    if rate == 0 {
        return;
    }
    loop {
        let started = Instant::now();
        for n in 0..rate / 10 {
            klog::info(
                "reconciler.go:224",
                &format!(
                    "operationExecutor.VerifyControllerAttachedVolume started for volume \"etc-ca-certificates\" number {n}"
                ),
            );
        }
        thread::sleep(Duration::from_millis(100).saturating_sub(started.elapsed()));
    }
}

/// The kubelet's own port, 10250, with its self-signed certificate.
fn serve() {
    let serving = || -> Result<()> {
        let pair = pki::read("/var/lib/kubelet/pki/kubelet.crt", "/var/lib/kubelet/pki/kubelet.key")?;
        let config = tls::server(Served::new(&pair)?, None)?;
        for tcp in TcpListener::bind("0.0.0.0:10250")?.incoming().flatten() {
            let config = config.clone();
            thread::spawn(move || {
                let _ = tcp.set_read_timeout(Some(Duration::from_secs(20)));
                if let Ok(mut stream) = tls::accept(&config, tcp) {
                    let _ = http::read(&mut stream);
                    let _ = http::respond(&mut stream, 401, "text/plain", b"Unauthorized");
                }
            });
        }
        Ok(())
    };
    if let Err(e) = serving() {
        klog::error("server.go:148", &format!("failed to serve on 10250: {e:#}"));
    }
}

/// Whether a calico pod born at `created` is one that a restart left stuck.
pub fn stuck_since(created: &str) -> bool {
    let marker = std::fs::metadata(format!("{}/calico-stuck", host::LAB)).and_then(|m| m.modified());
    let Some(marked) = marker.ok().and_then(|m| m.duration_since(std::time::UNIX_EPOCH).ok()) else {
        return false;
    };
    objects::unix(created).is_some_and(|t| t < i64::try_from(marked.as_secs()).unwrap_or(i64::MAX))
}

/// `{type, status}` with the times that Kubernetes adds.
pub fn condition(kind: &str, status: bool, reason: &str, since: &str) -> Value {
    let now = host::stamp(host::now());
    json!({
        "type": kind, "status": if status { "True" } else { "False" }, "reason": reason,
        "lastHeartbeatTime": now, "lastTransitionTime": since,
    })
}
