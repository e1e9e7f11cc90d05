//! kube-controller-manager and kube-scheduler: they hold the client certificate of their kubeconfig from start to end,
//! and end when the API server does not take it. The manager also makes the calico-node pods and judges silent nodes.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use crate::host::{self, flag};
use crate::http::{self, Session};
use crate::tls::{self, Client, Served};
use crate::{klog, objects, pki};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    Manager,
    Scheduler,
}

/// How long the API server may be away: at the start, and for a leader.
const PATIENCE: Duration = Duration::from_secs(10);

pub fn main(args: &[String], which: Which) -> Result<u8> {
    let version = host::version();
    let kubeconfig = flag(args, "kubeconfig").ok_or_else(|| anyhow!("--kubeconfig is missing"))?;
    let config = pki::kubeconfig(&kubeconfig)?;
    let port = if which == Which::Manager { 10257 } else { 10259 };
    let name = if which == Which::Manager {
        "kube-controller-manager"
    } else {
        "kube-scheduler"
    };
    serve(port)?;
    klog::info(
        "secure_serving.go:178",
        &format!("Serving securely on 127.0.0.1:{port}"),
    );
    let mut session = Session::new(
        Client::load(&config.ca, Some(&config.client))?,
        &config.server,
        Duration::from_secs(5),
    );
    let mut well = Instant::now();
    let mut led = false;
    while well.elapsed() < PATIENCE {
        match round(&mut session, which) {
            Ok(()) => {
                if !led {
                    klog::info(
                        "leaderelection.go:253",
                        &format!("successfully acquired lease kube-system/{name}"),
                    );
                }
                led = true;
                well = Instant::now();
            }
            Err(why) => klog::error(
                "leaderelection.go:321",
                &format!(
                    "error retrieving resource lock kube-system/{name}: {}",
                    why.map_or_else(
                        || "Unauthorized".to_owned(),
                        |f| format!(
                            "Get {}/api/v1/namespaces/kube-system/endpoints/{name}?timeout=10s: {}",
                            session.url(),
                            f.go_text(version.minor)
                        )
                    )
                ),
            ),
        }
        thread::sleep(Duration::from_secs(1));
    }
    klog::fatal(
        "controllermanager.go:279",
        if led {
            "leaderelection lost"
        } else {
            "failed to wait for apiserver being healthy: timed out waiting for the condition"
        },
    );
    Ok(255)
}

fn serve(port: u16) -> Result<()> {
    let config = tls::server(Served::new(&pki::self_signed(&host::hostname())?)?, None)?;
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    thread::spawn(move || {
        for tcp in listener.incoming().flatten() {
            let config = config.clone();
            thread::spawn(move || {
                let _ = tcp.set_read_timeout(Some(Duration::from_secs(20)));
                if let Ok(mut stream) = tls::accept(&config, tcp) {
                    let _ = http::read(&mut stream);
                    let _ = http::respond(&mut stream, 200, "text/plain", b"ok");
                }
            });
        }
    });
    Ok(())
}

/// Why a round failed; no failure means 401.
type Why = Option<tls::Failure>;

fn ask(session: &mut Session, method: &str, path: &str, body: Option<&Value>) -> Result<(u16, Value), Why> {
    let text = body.map(Value::to_string);
    let (status, answer) = session.ask(method, path, text.as_deref()).map_err(Some)?;
    match status {
        401 | 403 => Err(None),
        500.. => Err(Some(tls::Failure::Other(String::from_utf8_lossy(&answer).into_owned()))),
        _ => Ok((status, serde_json::from_slice(&answer).unwrap_or_default())),
    }
}

fn items(list: &Value) -> Vec<Value> {
    list["items"].as_array().cloned().unwrap_or_default()
}

fn round(session: &mut Session, which: Which) -> Result<(), Why> {
    let nodes = items(&ask(session, "GET", "/api/v1/nodes", None)?.1);
    if which == Which::Scheduler {
        return Ok(());
    }
    for node in &nodes {
        judge(session, node)?;
    }
    calico(session, &nodes)
}

/// A node that said nothing for 40 seconds is not ready.
fn judge(session: &mut Session, node: &Value) -> Result<(), Why> {
    let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let Some(at) = conditions.iter().position(|c| c["type"] == "Ready") else {
        return Ok(());
    };
    let silent = conditions[at]["lastHeartbeatTime"]
        .as_str()
        .and_then(objects::seconds_since)
        .unwrap_or(0);
    if silent < 40 || conditions[at]["status"] == "Unknown" {
        return Ok(());
    }
    let mut changed = node.clone();
    let ready = &mut changed["status"]["conditions"][at];
    ready["status"] = json!("Unknown");
    ready["reason"] = json!("NodeStatusUnknown");
    ready["message"] = json!("Kubelet stopped posting node status.");
    ready["lastTransitionTime"] = json!(host::stamp(host::now()));
    let path = format!(
        "/api/v1/nodes/{}/status",
        node["metadata"]["name"].as_str().unwrap_or_default()
    );
    ask(session, "PUT", &path, Some(&changed)).map(|_| ())
}

const SETS: &str = "/apis/apps/v1/namespaces/kube-system/daemonsets";
const PODS: &str = "/api/v1/namespaces/kube-system/pods";

/// The daemon set of the network plugin: one pod a node, and numbers that tell how many are well.
fn calico(session: &mut Session, nodes: &[Value]) -> Result<(), Why> {
    let (status, set) = ask(session, "GET", &format!("{SETS}/calico-node"), None)?;
    if status == 404 {
        let labels = json!({"k8s-app": "calico-node"});
        let new = json!({
            "metadata": {"name": "calico-node", "labels": labels, "generation": 1},
            "spec": {"selector": {"matchLabels": labels}, "updateStrategy": {"type": "RollingUpdate"}}, "status": {},
        });
        return ask(session, "POST", SETS, Some(&new)).map(|_| ());
    }
    let pods = items(
        &ask(
            session,
            "GET",
            &format!("{PODS}?labelSelector=k8s-app%3Dcalico-node"),
            None,
        )?
        .1,
    );
    for node in nodes {
        let name = node["metadata"]["name"].as_str().unwrap_or_default();
        if !pods.iter().any(|p| p["spec"]["nodeName"] == name) {
            ask(session, "POST", PODS, Some(&calico_pod(name, &set)))?;
        }
    }
    let well = pods.iter().filter(|p| objects::ready(p)).count();
    let numbers = json!({
        "desiredNumberScheduled": nodes.len(), "currentNumberScheduled": pods.len(), "numberReady": well,
        "numberAvailable": well, "numberUnavailable": nodes.len().saturating_sub(well),
        "updatedNumberScheduled": pods.len(), "numberMisscheduled": 0, "observedGeneration": 1,
    });
    if set["status"] == numbers {
        return Ok(());
    }
    let mut changed = set;
    changed["status"] = numbers;
    ask(session, "PUT", &format!("{SETS}/calico-node/status"), Some(&changed)).map(|_| ())
}

fn calico_pod(node: &str, set: &Value) -> Value {
    json!({
        "metadata": {
            "name": format!("calico-node-{}", host::random_hex(5)),
            "labels": {"k8s-app": "calico-node", "controller-revision-hash": "6d9bfc6f4b", "pod-template-generation": "1"},
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "calico-node", "uid": set["metadata"]["uid"], "controller": true}],
        },
        "spec": {"nodeName": node, "hostNetwork": true, "terminationGracePeriodSeconds": 0,
            "containers": [{"name": "calico-node", "image": "calico/node:v3.16.4"}]},
        "status": {"phase": "Pending"},
    })
}
