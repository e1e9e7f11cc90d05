//! kube-apiserver: loads its certificates when it starts, serves them until it ends (from 1.17 on it looks at the files
//! once a minute), needs etcd, and judges every request's client certificate.

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use serde_json::{Value, json};

use crate::etcd::Etcd;
use crate::host::{self, flag};
use crate::http::{self, Message};
use crate::klog;
use crate::objects::{self, KINDS, Kind};
use crate::pki::{self, Pair};
use crate::tls::{self, Served};

#[derive(Debug)]
struct Server {
    etcd: Etcd,
    client_ca: String,
    minor: u32,
    version: String,
}

/// How long etcd may be silent before the server gives up.
const ETCD_PATIENCE: Duration = Duration::from_secs(20);

pub fn main(args: &[String]) -> Result<u8> {
    let path = |name: &str| flag(args, name).ok_or_else(|| anyhow!("--{name} is missing"));
    let version = host::version();
    klog::info(
        "server.go:652",
        &format!("external host was not specified, using {}", path("advertise-address")?),
    );
    klog::info("server.go:177", &format!("Version: {}", version.text));
    let (cert, key) = (path("tls-cert-file")?, path("tls-private-key-file")?);
    let pair = pki::read(&cert, &key)?;
    let client_ca = std::fs::read_to_string(path("client-ca-file")?).context("--client-ca-file")?;
    let etcd = Etcd::load(
        &path("etcd-cafile")?,
        &path("etcd-certfile")?,
        &path("etcd-keyfile")?,
        &path("etcd-servers")?,
    )?;
    if !wait_for(&etcd) {
        klog::fatal(
            "instance.go:270",
            "Error creating leases: error creating storage factory: context deadline exceeded",
        );
        return Ok(255);
    }
    let served = Served::new(&pair)?;
    let config = tls::server(served.clone(), Some(&client_ca))?;
    let port = flag(args, "secure-port").unwrap_or_else(|| "6443".to_owned());
    let listener = TcpListener::bind(format!("0.0.0.0:{port}")).context("failed to create listener")?;
    klog::info("secure_serving.go:178", &format!("Serving securely on [::]:{port}"));
    if version.minor >= 17 {
        thread::spawn(move || reload(&served, &cert, &key, pair));
    }
    let server = Arc::new(Server {
        etcd,
        client_ca,
        minor: version.minor,
        version: version.text,
    });
    for tcp in listener.incoming().flatten() {
        let (server, config) = (server.clone(), config.clone());
        thread::spawn(move || server.serve(&config, tcp));
    }
    Ok(1)
}

fn wait_for(etcd: &Etcd) -> bool {
    let started = Instant::now();
    while started.elapsed() < ETCD_PATIENCE {
        match etcd.ready() {
            Ok(()) => return true,
            Err(e) => klog::line(
                'W',
                "clientconn.go:1223",
                &format!(
                    "grpc: addrConn.createTransport failed to connect to {{https://127.0.0.1:2379  <nil> 0 <nil>}}. Err :{e}. Reconnecting..."
                ),
            ),
        }
        thread::sleep(Duration::from_secs(1));
    }
    false
}

fn reload(served: &Served, cert: &str, key: &str, mut held: Pair) {
    loop {
        thread::sleep(Duration::from_secs(60));
        if let Ok(now) = pki::read(cert, key)
            && now.cert != held.cert
            && served.exchange(&now).is_ok()
        {
            klog::info(
                "dynamic_serving_content.go:130",
                &format!("Starting serving-cert::{cert}::{key}"),
            );
            held = now;
        }
    }
}

/// Status and body of an answer.
type Answer = (u16, Value);

impl Server {
    fn serve(&self, config: &Arc<rustls::ServerConfig>, tcp: TcpStream) {
        let peer = tcp.peer_addr().map(|a| a.to_string()).unwrap_or_default();
        let _ = tcp.set_nodelay(true);
        let _ = tcp.set_read_timeout(Some(Duration::from_secs(20)));
        let mut stream = match tls::accept(config, tcp) {
            Ok(stream) => stream,
            Err(e) => {
                return klog::info(
                    "log.go:172",
                    &format!("http: TLS handshake error from {peer}: {}", go_handshake(&e)),
                );
            }
        };
        let _ = stream.sock.set_read_timeout(Some(Duration::from_secs(600)));
        let client = stream
            .conn
            .peer_certificates()
            .and_then(|c| c.first())
            .map(|c| c.to_vec());
        while let Ok(Some(request)) = http::read(&mut stream) {
            let (status, kind, body) = self.answer(&request, client.as_deref());
            if http::respond(&mut stream, status, kind, &body).is_err() {
                return;
            }
        }
    }

    fn answer(&self, request: &Message, client: Option<&[u8]>) -> (u16, &'static str, Vec<u8>) {
        let mut words = request.start.split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let user = match client.map(|c| tls::authenticate(c, &self.client_ca)) {
            None => None,
            Some(Ok(user)) => Some(user),
            Some(Err(failure)) => {
                let text = failure.go_text(self.minor);
                klog::error(
                    "authentication.go:53",
                    &format!("Unable to authenticate the request due to an error: {text}"),
                );
                return json_answer(status_object(401, "Unauthorized", "Unauthorized"));
            }
        };
        if matches!(path, "/healthz" | "/readyz" | "/livez") && (path == "/healthz" || self.minor >= 16) {
            return self.health(path);
        }
        if path == "/version" {
            return json_answer((
                200,
                json!({"major": "1", "minor": self.minor.to_string(), "gitVersion": self.version}),
            ));
        }
        let Some(_) = user else {
            let text = format!(
                "forbidden: User \"system:anonymous\" cannot {} path \"{path}\"",
                method.to_lowercase()
            );
            return json_answer(status_object(403, "Forbidden", &text));
        };
        let as_table = request.header("accept").contains("as=Table");
        json_answer(
            self.resource(method, path, query, &request.body, as_table)
                .unwrap_or_else(|e| {
                    klog::error(
                        "status.go:71",
                        &format!("apiserver received an error that is not an metav1.Status: {e}"),
                    );
                    status_object(500, "InternalError", &format!("{e}"))
                }),
        )
    }

    fn health(&self, path: &str) -> (u16, &'static str, Vec<u8>) {
        match self.etcd.ready() {
            Ok(()) => (200, "text/plain", b"ok".to_vec()),
            Err(_) => {
                let text = format!(
                    "[+]ping ok\n[-]etcd failed: reason withheld\n{} check failed\n",
                    path.trim_start_matches('/')
                );
                (500, "text/plain", text.into_bytes())
            }
        }
    }

    fn resource(&self, method: &str, path: &str, query: &str, body: &[u8], as_table: bool) -> Result<Answer> {
        if let Some(found) = discovery(path) {
            return Ok((200, found));
        }
        let Some(place) = Place::of(path) else {
            return Ok(status_object(
                404,
                "NotFound",
                "the server could not find the requested resource",
            ));
        };
        match (method, place.name) {
            ("GET", None) => self.list(&place, query, as_table),
            ("GET", Some(name)) => Ok(match self.find(&place, name)? {
                Some(object) if as_table => (200, objects::table(place.kind, &[object])),
                Some(object) => (200, object),
                None => not_found(&place, name),
            }),
            ("POST", None) => self.create(&place, body),
            ("PUT", Some(name)) => self.replace(&place, name, body),
            ("DELETE", Some(name)) => self.delete(&place, name),
            _ => Ok(status_object(
                405,
                "MethodNotAllowed",
                "the server does not allow this method on the requested resource",
            )),
        }
    }

    fn list(&self, place: &Place<'_>, query: &str, as_table: bool) -> Result<Answer> {
        let (labels, fields) = (parameter(query, "labelSelector"), parameter(query, "fieldSelector"));
        let mut items = self.etcd.list(&objects::prefix(place.kind, place.namespace))?;
        items.retain(|o| objects::selected(o, &labels) && objects::in_field(o, &fields));
        if as_table {
            return Ok((200, objects::table(place.kind, &items)));
        }
        let list = json!({
            "kind": format!("{}List", place.kind.kind), "apiVersion": place.kind.api,
            "metadata": {"resourceVersion": "1"}, "items": items,
        });
        Ok((200, list))
    }

    fn find(&self, place: &Place<'_>, name: &str) -> Result<Option<Value>> {
        if place.kind.plural != "pods" {
            return self
                .etcd
                .get(&format!("{}{name}", objects::prefix(place.kind, place.namespace)));
        }
        let all = self.etcd.list(&objects::prefix(place.kind, place.namespace))?;
        Ok(all.into_iter().find(|o| o["metadata"]["name"] == name))
    }

    fn create(&self, place: &Place<'_>, body: &[u8]) -> Result<Answer> {
        let mut object: Value = serde_json::from_slice(body)?;
        object["kind"] = json!(place.kind.kind);
        object["apiVersion"] = json!(place.kind.api);
        object["metadata"]["uid"] = json!(uid());
        object["metadata"]["creationTimestamp"] = json!(host::stamp(host::now()));
        if let Some(namespace) = place.namespace {
            object["metadata"]["namespace"] = json!(namespace);
        }
        if self.etcd.create(&objects::key(place.kind, &object), &object)? {
            return Ok((201, object));
        }
        let text = format!("{} {} already exists", place.kind.plural, object["metadata"]["name"]);
        Ok(status_object(409, "AlreadyExists", &text))
    }

    fn replace(&self, place: &Place<'_>, name: &str, body: &[u8]) -> Result<Answer> {
        let mut object: Value = serde_json::from_slice(body)?;
        let Some(old) = self.find(place, name)? else {
            return Ok(not_found(place, name));
        };
        if object["metadata"]["uid"] != old["metadata"]["uid"] {
            return Ok(status_object(
                409,
                "Conflict",
                "the UID in the precondition does not match the UID in record",
            ));
        }
        object["kind"] = json!(place.kind.kind);
        object["apiVersion"] = json!(place.kind.api);
        self.etcd.put(&objects::key(place.kind, &object), &object)?;
        Ok((200, object))
    }

    fn delete(&self, place: &Place<'_>, name: &str) -> Result<Answer> {
        let Some(mut object) = self.find(place, name)? else {
            return Ok(not_found(place, name));
        };
        self.etcd.delete(&objects::key(place.kind, &object))?;
        object["metadata"]["deletionTimestamp"] = json!(host::stamp(host::now()));
        Ok((200, object))
    }
}

/// What a path names.
#[derive(Debug)]
struct Place<'a> {
    kind: Kind,
    namespace: Option<&'a str>,
    name: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let rest = path
            .strip_prefix("/api/v1/")
            .or_else(|| path.strip_prefix("/apis/apps/v1/"))?;
        let mut words = rest.trim_end_matches("/status").split('/');
        let mut word = words.next()?;
        let mut namespace = None;
        if word == "namespaces" {
            namespace = words.next();
            word = words.next()?;
        }
        let kind = *KINDS.iter().find(|k| k.plural == word)?;
        Some(Self {
            kind,
            namespace,
            name: words.next().filter(|n| !n.is_empty()),
        })
    }
}

fn json_answer((status, body): Answer) -> (u16, &'static str, Vec<u8>) {
    (status, "application/json", body.to_string().into_bytes())
}

fn status_object(code: u16, reason: &str, message: &str) -> Answer {
    let object = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": message, "reason": reason, "code": code,
    });
    (code, object)
}

fn not_found(place: &Place<'_>, name: &str) -> Answer {
    let (code, mut object) = status_object(404, "NotFound", &format!("{} \"{name}\" not found", place.kind.plural));
    object["details"] = json!({"name": name, "kind": place.kind.plural});
    (code, object)
}

fn discovery(path: &str) -> Option<Value> {
    let resource = |plural: &str, kind: &str, namespaced: bool, short: &str| {
        json!({
            "name": plural, "singularName": kind.to_lowercase(), "namespaced": namespaced, "kind": kind,
            "verbs": ["create", "delete", "get", "list", "update"], "shortNames": [short],
        })
    };
    let group = json!({"groupVersion": "apps/v1", "version": "v1"});
    match path {
        "/api" => Some(json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []})),
        "/apis" => Some(json!({
            "kind": "APIGroupList", "apiVersion": "v1",
            "groups": [{"name": "apps", "versions": [group], "preferredVersion": group}],
        })),
        "/api/v1" => Some(json!({
            "kind": "APIResourceList", "groupVersion": "v1",
            "resources": [resource("nodes", "Node", false, "no"), resource("pods", "Pod", true, "po")],
        })),
        "/apis/apps/v1" => Some(json!({
            "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "apps/v1",
            "resources": [resource("daemonsets", "DaemonSet", true, "ds")],
        })),
        _ => None,
    }
}

/// A query parameter, percent-decoded.
fn parameter(query: &str, name: &str) -> String {
    let raw = query
        .split('&')
        .find_map(|p| p.strip_prefix(name)?.strip_prefix('='))
        .unwrap_or_default();
    let bytes = raw.as_bytes();
    let (mut out, mut i) = (Vec::new(), 0);
    while i < bytes.len() {
        let decoded = (bytes[i] == b'%')
            .then(|| raw.get(i + 1..i + 3))
            .flatten()
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match decoded {
            Some(b) => {
                out.push(b);
                i += 2;
            }
            None if bytes[i] == b'+' => out.push(b' '),
            None => out.push(bytes[i]),
        }
        i += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn uid() -> String {
    let h = host::random_hex(32);
    format!("{}-{}-4{}-8{}-{}", &h[..8], &h[8..12], &h[13..16], &h[17..20], &h[20..])
}

fn go_handshake(e: &anyhow::Error) -> String {
    match e.downcast_ref::<std::io::Error>() {
        Some(io) => tls::Failure::of(io, "").go_text(19),
        None => e.to_string(),
    }
}
