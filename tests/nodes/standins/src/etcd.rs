//! Talks to etcd through its v3 JSON gateway, over TLS with the API server's own client certificate.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::http::Session;
use crate::pki::{self, Pair};
use crate::tls::Client;

/// Objects as JSON under keys, with the files loaded once.
#[derive(Debug)]
pub struct Etcd {
    ca: String,
    own: Pair,
    url: String,
    idle: Mutex<Vec<Session>>,
}

impl Etcd {
    /// Loads the files; connects at the first question.
    pub fn load(ca: &str, cert: &str, key: &str, url: &str) -> Result<Self> {
        let own = pki::read(cert, key)?;
        let ca = std::fs::read_to_string(ca)?;
        Client::load(&ca, Some(&own))?;
        Ok(Self {
            ca,
            own,
            url: url.to_owned(),
            idle: Mutex::new(Vec::new()),
        })
    }

    fn ask(&self, path: &str, body: &Value) -> Result<Value> {
        let pooled = self.idle.lock().ok().and_then(|mut idle| idle.pop());
        let mut session = match pooled {
            Some(session) => session,
            None => Session::new(
                Client::load(&self.ca, Some(&self.own))?,
                &self.url,
                Duration::from_secs(3),
            ),
        };
        let (status, answer) = session.ask("POST", path, Some(&body.to_string())).map_err(|f| {
            anyhow!(
                "connection error: desc = \"transport: authentication handshake failed: {}\"",
                f.go_text(19)
            )
        })?;
        if let Ok(mut idle) = self.idle.lock()
            && idle.len() < 4
        {
            idle.push(session);
        }
        if status != 200 {
            bail!("etcdserver: {status}: {}", String::from_utf8_lossy(&answer));
        }
        Ok(serde_json::from_slice(&answer)?)
    }

    /// A read, tried again for as long as etcd's own client does when its only endpoint is away: about 2.5 seconds.
    fn read(&self, body: &Value) -> Result<Value> {
        let began = Instant::now();
        loop {
            match self.ask("/v3/kv/range", body) {
                Err(_) if began.elapsed() < Duration::from_millis(2500) => thread::sleep(Duration::from_millis(50)),
                done => return done,
            }
        }
    }

    /// A linearizable read: works only with quorum.
    pub fn ready(&self) -> Result<()> {
        self.ask("/v3/kv/range", &json!({"key": STANDARD.encode("/registry/health")}))
            .map(|_| ())
    }

    pub fn get(&self, key: &str) -> Result<Option<Value>> {
        let answer = self.read(&json!({"key": STANDARD.encode(key)}))?;
        Ok(values(&answer).into_iter().next())
    }

    /// Everything below `prefix`, in the order of the keys.
    pub fn list(&self, prefix: &str) -> Result<Vec<Value>> {
        let mut end = prefix.as_bytes().to_vec();
        if let Some(last) = end.last_mut() {
            *last += 1;
        }
        let range = json!({"key": STANDARD.encode(prefix), "range_end": STANDARD.encode(end)});
        Ok(values(&self.read(&range)?))
    }

    pub fn put(&self, key: &str, value: &Value) -> Result<()> {
        let body = json!({"key": STANDARD.encode(key), "value": STANDARD.encode(value.to_string())});
        self.ask("/v3/kv/put", &body).map(|_| ())
    }

    /// Puts only where nothing is; says whether it did.
    pub fn create(&self, key: &str, value: &Value) -> Result<bool> {
        let key = STANDARD.encode(key);
        let answer = self.ask(
            "/v3/kv/txn",
            &json!({
                "compare": [{"target": "CREATE", "key": key, "create_revision": "0"}],
                "success": [{"request_put": {"key": key, "value": STANDARD.encode(value.to_string())}}],
            }),
        )?;
        Ok(answer["succeeded"].as_bool().unwrap_or(false))
    }

    pub fn delete(&self, key: &str) -> Result<()> {
        self.ask("/v3/kv/deleterange", &json!({"key": STANDARD.encode(key)}))
            .map(|_| ())
    }
}

/// The objects of an answer, each with its revision as Kubernetes shows it.
fn values(answer: &Value) -> Vec<Value> {
    let pairs = answer["kvs"].as_array().cloned().unwrap_or_default();
    pairs
        .iter()
        .filter_map(|pair| {
            let bytes = STANDARD.decode(pair["value"].as_str()?).ok()?;
            let mut object: Value = serde_json::from_slice(&bytes).ok()?;
            object["metadata"]["resourceVersion"] = pair["mod_revision"].clone();
            Some(object)
        })
        .collect()
}
