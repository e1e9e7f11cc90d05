//! certfleet:drain with the kubectl of this machine, if it has one, against an API of one node and three pods.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use certfleet::model::{Output, RunId, scripts};
use certfleet::probes::cordon::{self, Left};
use serde_json::{Value, json};

use crate::tree::{Tree, said};

/// What the API keeps.
struct State {
    node: Value,
    pods: Vec<(&'static str, &'static str)>,
    /// Names of pods that a disruption budget keeps.
    budget: Vec<&'static str>,
}

fn api(budget: &[&'static str]) -> (u16, Arc<Mutex<State>>) {
    let state = Arc::new(Mutex::new(State {
        node: json!({"kind": "Node", "apiVersion": "v1", "spec": {},
            "status": {"conditions": [{"type": "DiskPressure", "status": "False"}, {"type": "Ready", "status": "True"}]},
            "metadata": {"name": "w1", "resourceVersion": "7", "annotations": {"other": "x"}}}),
        pods: vec![("web-0", "ReplicaSet"), ("web-1", "ReplicaSet"), ("agent", "DaemonSet")],
        budget: budget.to_vec(),
    }));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let shared = Arc::clone(&state);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let state = Arc::clone(&shared);
            std::thread::spawn(move || serve(stream, &state));
        }
    });
    (port, state)
}

/// One request a connection.
fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).unwrap_or(0);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    let _ = reader.read_exact(&mut body);
    let words: Vec<&str> = first.split(' ').collect();
    let path = words.get(1).copied().unwrap_or("/").split('?').next().unwrap_or("/");
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let (code, answer) = answer(&mut state.lock().unwrap(), words[0], path, &body);
    let text = answer.to_string();
    let _ = write!(
        reader.get_mut(),
        "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{text}",
        text.len()
    );
}

fn answer(state: &mut State, method: &str, path: &str, body: &Value) -> (u16, Value) {
    let resource = |name: &str, kind: &str, namespaced: bool| json!({"name": name, "singularName": "", "kind": kind, "namespaced": namespaced, "verbs": ["get", "list", "patch", "create"]});
    let resources = |group: &str, list: Vec<Value>| {
        (
            200,
            json!({"kind": "APIResourceList", "groupVersion": group, "resources": list}),
        )
    };
    let mut eviction = resource("pods/eviction", "Eviction", true);
    (eviction["group"], eviction["version"]) = (json!("policy"), json!("v1"));
    let group = |name: &str| {
        let version = json!({"groupVersion": format!("{name}/v1"), "version": "v1"});
        json!({"name": name, "versions": [version], "preferredVersion": version})
    };
    match (method, path) {
        ("GET", "/api") => (200, json!({"kind": "APIVersions", "versions": ["v1"]})),
        ("GET", "/apis") => (
            200,
            json!({"kind": "APIGroupList", "groups": [group("apps"), group("policy")]}),
        ),
        ("GET", "/api/v1") => resources(
            "v1",
            vec![
                resource("nodes", "Node", false),
                resource("pods", "Pod", true),
                eviction,
            ],
        ),
        ("GET", "/apis/apps/v1") => resources("apps/v1", vec![resource("daemonsets", "DaemonSet", true)]),
        ("GET", "/apis/policy/v1") => resources("policy/v1", Vec::new()),
        ("GET", "/api/v1/nodes/w1") => (200, state.node.clone()),
        ("GET", "/apis/apps/v1/namespaces/shop/daemonsets/owner") => (
            200,
            json!({"kind": "DaemonSet", "apiVersion": "apps/v1", "metadata": {"name": "owner", "namespace": "shop", "uid": "u"}}),
        ),
        ("GET", "/api/v1/pods") => {
            let items: Vec<Value> = state.pods.iter().map(|(name, owner)| json!({
                "metadata": {"name": name, "namespace": "shop", "uid": name, "ownerReferences": [{"kind": owner, "apiVersion": "apps/v1", "name": "owner", "uid": "u", "controller": true}]},
                "spec": {"nodeName": "w1", "containers": []}, "status": {"phase": "Running"},
            })).collect();
            (
                200,
                json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": items}),
            )
        }
        ("PATCH", "/api/v1/nodes/w1") => patch(state, body),
        ("POST", _) => evict(state, path),
        _ => (404, status(404, "NotFound", "not found")),
    }
}

fn status(code: u16, reason: &str, message: &str) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message})
}

fn patch(state: &mut State, body: &Value) -> (u16, Value) {
    let wanted = &body["metadata"]["resourceVersion"];
    if !wanted.is_null() && *wanted != state.node["metadata"]["resourceVersion"] {
        return (409, status(409, "Conflict", "the object has been modified"));
    }
    merge(&mut state.node, body);
    state.node["metadata"]["resourceVersion"] = json!("8");
    (200, state.node.clone())
}

fn merge(into: &mut Value, from: &Value) {
    for (key, value) in from.as_object().into_iter().flatten() {
        if value.is_null() {
            into.as_object_mut().unwrap().remove(key);
        } else if value.is_object() {
            merge(&mut into[key], value);
        } else {
            into[key] = value.clone();
        }
    }
}

fn evict(state: &mut State, path: &str) -> (u16, Value) {
    let name = path
        .trim_end_matches("/eviction")
        .rsplit('/')
        .next()
        .unwrap_or_default();
    if state.budget.contains(&name) {
        let why = "Cannot evict pod as it would violate the pod's disruption budget.";
        return (429, status(429, "TooManyRequests", why));
    }
    state.pods.retain(|(pod, _)| *pod != name);
    (201, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"}))
}

fn run(tree: &Tree, words: &[&str]) -> Output {
    let all: Vec<&str> = [words[0], "r1", "w1", "kubectl"]
        .into_iter()
        .chain(words[1..].iter().copied())
        .collect();
    // The machine's own kubectl, wherever that is.
    let path = std::env::var("PATH").unwrap_or_default();
    tree.run_with_path(&["sh"], &scripts::DRAIN, &all, &path)
}

#[test]
fn a_real_kubectl_says_what_is_read() {
    if Command::new("kubectl").args(["version", "--client"]).output().is_err() {
        // Elsewhere the stub of `drain.rs` is all there is.
        return;
    }
    let tree = Tree::new();
    let (port, state) = api(&["web-1"]);
    let conf = json!({"apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "k", "cluster": {"server": format!("http://127.0.0.1:{port}")}}],
        "users": [{"name": "u", "user": {}}], "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}]});
    tree.write("/etc/kubernetes/admin.conf", conf.to_string());
    let kept = run(&tree, &["drain", "6"]);
    assert_eq!(cordon::left(&kept), Left::Lifted, "{}", said(&kept));
    assert_eq!(
        cordon::refusal(&kept),
        "a disruption budget keeps shop/web-1 on its node"
    );
    assert_eq!(cordon::evicted(&kept), 1, "{}", said(&kept));
    assert_eq!(state.lock().unwrap().node["spec"], json!({}));

    state.lock().unwrap().budget.clear();
    let done = run(
        &tree,
        &["drain", "6", "--delete-emptydir-data", "--force", "--grace-period=5"],
    );
    assert_eq!(cordon::left(&done), Left::Ours, "{}", said(&done));
    let look = |tree| cordon::parse_look(&run(tree, &["look"])).unwrap();
    assert!(cordon::judge_drained(&look(&tree), &RunId::new("r1")).passed());
    assert_eq!(state.lock().unwrap().pods, [("agent", "DaemonSet")]);
    assert_eq!(cordon::left(&run(&tree, &["uncordon"])), Left::Lifted);
    assert!(!look(&tree).cordoned);
    assert_eq!(
        state.lock().unwrap().node["metadata"]["annotations"],
        json!({"other": "x"})
    );
}
