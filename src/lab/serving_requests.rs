//! Requests of kubelets for their serving certificates, as the API server keeps them (`serverTLSBootstrap`).

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};

use super::asked_key;
use super::clock::{DAY, Millis, shift};
use super::file_tree::Content;
use super::pki::{LabError, LeafSpec, Signer, pem};
use super::world::World;

/// The link that a kubelet makes once it has got its serving certificate.
pub(super) const SERVING: &str = "/var/lib/kubelet/pki/kubelet-server-current.pem";

/// One request.
#[derive(Debug)]
pub(super) struct ServingRequest {
    pub(super) name: String,
    node: usize,
    created: Millis,
    names: Vec<String>,
    /// Base64 of the PEM.
    request: String,
    pub(super) approved: bool,
}

fn spec(node: &str, names: Vec<String>) -> LeafSpec {
    LeafSpec {
        organization: Some("system:nodes".to_owned()),
        ..LeafSpec::server(format!("system:node:{node}"), names, Signer::Ca)
    }
}

impl World {
    /// Kubelets with a connection ask as long as they have none; somebody with a node's rights may ask for more.
    pub(super) fn ask_for_serving(&mut self) -> Result<(), LabError> {
        let Some(odd) = self.config.serving_requests.clone() else {
            return Ok(());
        };
        for index in 0..self.nodes.len() {
            let node = &self.nodes[index];
            let connected = node.kubelet.as_ref().is_some_and(|k| k.connection.is_some());
            if connected && node.files.entry(SERVING).is_none() {
                let (name, names) = (
                    format!("csr-{}", node.name),
                    vec![node.name.to_string(), node.address.clone()],
                );
                self.add_serving_request(name, index, names)?;
            }
        }
        for (host, wanted) in odd {
            if let Some(index) = self.nodes.iter().position(|n| n.name.as_str() == host) {
                self.add_serving_request(format!("csr-odd-{host}"), index, vec![host, wanted])?;
            }
        }
        Ok(())
    }

    fn add_serving_request(&mut self, name: String, node: usize, names: Vec<String>) -> Result<(), LabError> {
        if self.csr_objects.iter().any(|r| r.name == name) {
            return Ok(());
        }
        let (leaf, der) = asked_key::make(spec(self.nodes[node].name.as_str(), names.clone()))?;
        self.watch.learn(&Arc::new(leaf));
        self.csr_objects.push(ServingRequest {
            name,
            node,
            created: self.now,
            names,
            request: BASE64.encode(pem("CERTIFICATE REQUEST", &der)),
            approved: false,
        });
        Ok(())
    }

    /// `kubectl get certificatesigningrequests --output=json`.
    pub(super) fn serving_requests_json(&self) -> String {
        let items: Vec<Value> = self.csr_objects.iter().map(|r| self.serving_request_json(r)).collect();
        format!("{:#}\n", json!({"apiVersion": "v1", "kind": "List", "items": items}))
    }

    fn serving_request_json(&self, request: &ServingRequest) -> Value {
        let status = if request.approved {
            json!({"conditions": [{"type": "Approved", "status": "True"}]})
        } else {
            json!({})
        };
        let created = self.clock.wall(request.created).strftime("%Y-%m-%dT%H:%M:%SZ");
        json!({
            "metadata": {"name": request.name, "creationTimestamp": created.to_string()},
            "spec": {
                "signerName": "kubernetes.io/kubelet-serving",
                "username": format!("system:node:{}", self.nodes[request.node].name),
                "groups": ["system:nodes", "system:authenticated"],
                "usages": ["digital signature", "server auth"],
                "request": request.request,
            },
            "status": status,
        })
    }

    /// `kubectl certificate approve NAME`: the controller signs, the kubelet fetches. False: there is no such request.
    pub(super) fn approve_serving(&mut self, name: &str) -> Result<bool, LabError> {
        let Some(request) = self.csr_objects.iter_mut().find(|r| r.name == name) else {
            return Ok(false);
        };
        request.approved = true;
        let (index, names) = (request.node, request.names.clone());
        let now = self.clock.wall(self.now);
        let leaf = self.issue(
            spec(self.nodes[index].name.as_str(), names),
            shift(now, -300),
            shift(now, 365 * DAY),
        )?;
        self.nodes[index].files.put(SERVING, Content::Bundle(leaf), now);
        Ok(true)
    }
}
