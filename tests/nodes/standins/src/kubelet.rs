//! kubelet: runs the static pods, talks to the API server with its own client certificate and says in klog's words what
//! comes of it. Silent while its connection lives, whatever has expired meanwhile.

use std::net::TcpListener;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::host::{self, Version, flag};
use crate::http::{self, Session};
use crate::kubelet_pods::{self, StaticPods};
use crate::tls::{Client, Failure, Served};
use crate::{klog, objects, pki, runtime, tls};

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
    if let Err(e) = runtime::list(&socket) {
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
    let pods = Arc::new(StaticPods::new(socket));
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
    while rate > 0 {
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

/// The part that talks to the API server.
#[derive(Debug)]
struct Agent {
    session: Session,
    node: String,
    version: Version,
    pods: Arc<StaticPods>,
    registered: bool,
    /// Since when the server has been refusing our certificate.
    refusals: Option<Instant>,
}

impl Agent {
    fn run(&mut self) -> Result<u8> {
        let mut pause = 1;
        loop {
            match self.beat() {
                Ok(()) => {
                    pause = 1;
                    self.refusals = None;
                    thread::sleep(Duration::from_secs(4));
                }
                Err(trouble) => {
                    self.complain(&trouble);
                    if self.own_expired(&trouble) {
                        return Ok(255);
                    }
                    thread::sleep(Duration::from_secs(pause));
                    pause = (pause * 2).min(7);
                }
            }
        }
    }

    fn ask(&mut self, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value), Trouble> {
        let text = body.map(Value::to_string);
        let (status, answer) = self
            .session
            .ask(method, path, text.as_deref())
            .map_err(Trouble::Connection)?;
        match status {
            401 => Err(Trouble::Unauthorized),
            500.. => Err(Trouble::Server(String::from_utf8_lossy(&answer).trim().to_owned())),
            _ => Ok((status, serde_json::from_slice(&answer).unwrap_or_default())),
        }
    }

    /// Registers if need be, posts the node's status and looks after its pods.
    fn beat(&mut self) -> Result<(), Trouble> {
        let path = format!("/api/v1/nodes/{}", self.node);
        let (status, mut node) = self.ask("GET", &path, None)?;
        if status == 404 {
            let new = kubelet_pods::node(&self.node, &self.version);
            self.ask("POST", "/api/v1/nodes", Some(&new))?;
        } else {
            kubelet_pods::refresh(&mut node, &self.node, &self.version);
            self.ask("PUT", &format!("{path}/status"), Some(&node))?;
            if !self.registered {
                klog::info(
                    "kubelet_node_status.go:109",
                    &self.quoted(
                        "Node was previously registered",
                        &format!("Node {} was previously registered", self.node),
                    ),
                );
            }
        }
        if !self.registered {
            self.registered = true;
            klog::info(
                "kubelet_node_status.go:73",
                &self.quoted(
                    "Successfully registered node",
                    &format!("Successfully registered node {}", self.node),
                ),
            );
        }
        self.sync_pods()
    }

    /// Structured logging came to these lines with 1.21.
    fn quoted(&self, structured: &str, old: &str) -> String {
        if self.version.minor >= 21 {
            format!("\"{structured}\" node=\"{}\"", self.node)
        } else {
            old.to_owned()
        }
    }

    fn sync_pods(&mut self) -> Result<(), Trouble> {
        let path = format!("/api/v1/pods?fieldSelector=spec.nodeName%3D{}", self.node);
        let (_, list) = self.ask("GET", &path, None)?;
        let pods = list["items"].as_array().cloned().unwrap_or_default();
        for mirror in self.pods.mirrors(&self.node, &pods) {
            self.ask("POST", "/api/v1/namespaces/kube-system/pods", Some(&mirror))?;
        }
        for pod in pods {
            if let Some(changed) = self.pods.observe(&pod) {
                let meta = &pod["metadata"];
                let (namespace, name) = (
                    meta["namespace"].as_str().unwrap_or_default(),
                    meta["name"].as_str().unwrap_or_default(),
                );
                self.ask(
                    "PUT",
                    &format!("/api/v1/namespaces/{namespace}/pods/{name}/status"),
                    Some(&changed),
                )?;
            }
        }
        Ok(())
    }

    /// A running kubelet with an expired certificate: it ends when the server is there, and complains when it is not.
    fn own_expired(&mut self, trouble: &Trouble) -> bool {
        let expired = self.session.tls.own.is_some_and(|(_, until)| host::now() > until);
        if !expired {
            return false;
        }
        if !matches!(trouble, Trouble::Unauthorized) {
            let text = "The currently active client certificate has expired, but the server is not responsive. A restart may be necessary to retrieve new initial credentials.";
            klog::error("transport.go:106", &self.structured(text));
            return false;
        }
        let since = *self.refusals.get_or_insert_with(Instant::now);
        if since.elapsed() < Duration::from_secs(10) {
            return false;
        }
        let text = "The currently active client certificate has expired and the server is responsive, exiting.";
        if self.version.minor >= 23 {
            klog::error("transport.go:123", &self.structured(text));
        } else {
            klog::fatal("transport.go:105", text);
        }
        true
    }

    fn structured(&self, text: &str) -> String {
        if self.version.minor >= 23 {
            format!("\"{text}\"")
        } else {
            text.to_owned()
        }
    }

    fn complain(&self, trouble: &Trouble) {
        let (node, url, minor) = (&self.node, self.session.url(), self.version.minor);
        let why = |method: &str, path: &str| match trouble {
            Trouble::Connection(failure) => {
                let text = failure.go_text(minor);
                // Go quotes the URL from 1.14 on, with which Kubernetes 1.19 was built.
                if minor >= 19 {
                    format!("{method} \"{url}{path}\": {text}")
                } else {
                    format!("{method} {url}{path}: {text}")
                }
            }
            Trouble::Unauthorized => "Unauthorized".to_owned(),
            Trouble::Server(text) => {
                format!("an error on the server ({text:?}) has prevented the request from succeeding")
            }
        };
        let list = why(
            "Get",
            &format!("/api/v1/nodes?fieldSelector=metadata.name%3D{node}&limit=500&resourceVersion=0"),
        );
        if minor >= 30 {
            klog::error(
                "reflector.go:205",
                &format!(
                    "\"Failed to watch\" err={:?} logger=\"UnhandledError\" reflector=\"k8s.io/client-go/informers/factory.go:160\" type=\"*v1.Node\"",
                    format!("failed to list *v1.Node: {list}")
                ),
            );
        } else if minor >= 17 {
            klog::error(
                "reflector.go:138",
                &format!(
                    "k8s.io/kubernetes/pkg/kubelet/kubelet.go:438: Failed to watch *v1.Node: failed to list *v1.Node: {list}"
                ),
            );
        } else {
            klog::error(
                "reflector.go:125",
                &format!("k8s.io/kubernetes/pkg/kubelet/kubelet.go:444: Failed to list *v1.Node: {list}"),
            );
        }
        if self.registered {
            let get = why("Get", &format!("/api/v1/nodes/{node}?resourceVersion=0&timeout=10s"));
            let text = format!("error getting node {node:?}: {get}");
            let line = if minor >= 21 {
                format!("\"Error updating node status, will retry\" err={text:?}")
            } else {
                format!("Error updating node status, will retry: {text}")
            };
            return klog::error("kubelet_node_status.go:447", &line);
        }
        let post = why("Post", "/api/v1/nodes");
        if minor >= 21 {
            klog::error(
                "kubelet_node_status.go:93",
                &format!("\"Unable to register node with API server\" err={post:?} node={node:?}"),
            );
            klog::error(
                "kubelet.go:2448",
                &format!("\"Error getting node\" err={:?}", format!("node {node:?} not found")),
            );
        } else {
            klog::error(
                "kubelet_node_status.go:92",
                &format!("Unable to register node {node:?} with API server: {post}"),
            );
            klog::error("kubelet.go:2183", &format!("node {node:?} not found"));
        }
    }
}

/// Why a heartbeat failed.
#[derive(Debug)]
enum Trouble {
    Connection(Failure),
    Unauthorized,
    Server(String),
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
