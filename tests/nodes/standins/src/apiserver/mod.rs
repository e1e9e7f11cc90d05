//! kube-apiserver: loads its certificates when it starts, serves them until it ends (from 1.17 on it looks at the files
//! once a minute), needs etcd, and judges every request's client certificate.

mod discovery;
mod drain;
mod resources;

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
use crate::pki::{self, Pair};
use crate::tls::{self, Served};
use drain::{Busy, Drain};

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
    let drain = Drain::on_sigterm(&port)?;
    drain.accept(listener, |tcp, busy| {
        let (server, config, drain) = (server.clone(), config.clone(), drain.clone());
        thread::spawn(move || server.serve(&config, tcp, &drain, busy));
    });
    Ok(0)
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
    fn serve(&self, config: &Arc<rustls::ServerConfig>, tcp: TcpStream, drain: &Drain, first: Busy) {
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
        let mut first = Some(first);
        while let Ok(Some(request)) = http::read(&mut stream) {
            let busy = first.take().unwrap_or_else(|| drain.busy());
            let (status, kind, body) = self.answer(&request, client.as_deref());
            let sent = http::respond(&mut stream, status, kind, &body);
            drop(busy);
            if sent.is_err() || drain.ending() {
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
        if self.etcd.ready().is_ok() {
            return (200, "text/plain", b"ok".to_vec());
        }
        let name = path.trim_start_matches('/');
        let text = format!("[+]ping ok\n[-]etcd failed: reason withheld\n{name} check failed\n");
        (500, "text/plain", text.into_bytes())
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

fn go_handshake(e: &anyhow::Error) -> String {
    match e.downcast_ref::<std::io::Error>() {
        Some(io) => tls::Failure::of(io, "").go_text(19),
        None => e.to_string(),
    }
}
