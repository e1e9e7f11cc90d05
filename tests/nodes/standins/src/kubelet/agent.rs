//! The part of the kubelet that talks to the API server: registers, posts its status, looks after its pods.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::Value;

use super::node;
use super::pods::StaticPods;
use super::words::{Complaint, Trouble, structured};
use crate::host::{self, Version};
use crate::http::Session;
use crate::klog;

#[derive(Debug)]
pub struct Agent {
    pub session: Session,
    pub node: String,
    pub version: Version,
    pub pods: Arc<StaticPods>,
    pub registered: bool,
    /// Since when the server has been refusing our certificate.
    pub refusals: Option<Instant>,
}

impl Agent {
    pub fn run(&mut self) -> Result<u8> {
        let mut pause = 1;
        loop {
            match self.beat() {
                Ok(()) => {
                    pause = 1;
                    self.refusals = None;
                    thread::sleep(Duration::from_secs(2));
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
            let new = node::node(&self.node, &self.version);
            self.ask("POST", "/api/v1/nodes", Some(&new))?;
        } else {
            node::refresh(&mut node, &self.node, &self.version);
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
        for mirror in StaticPods::mirrors(&self.node, &pods) {
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
            klog::error("transport.go:106", &structured(&self.version, text));
            return false;
        }
        let since = *self.refusals.get_or_insert_with(Instant::now);
        if since.elapsed() < Duration::from_secs(10) {
            return false;
        }
        let text = "The currently active client certificate has expired and the server is responsive, exiting.";
        if self.version.minor >= 23 {
            klog::error("transport.go:123", &structured(&self.version, text));
        } else {
            klog::fatal("transport.go:105", text);
        }
        true
    }

    fn complain(&self, trouble: &Trouble) {
        let complaint = Complaint {
            node: &self.node,
            url: self.session.url(),
            version: &self.version,
            registered: self.registered,
        };
        complaint.log(trouble);
    }
}
