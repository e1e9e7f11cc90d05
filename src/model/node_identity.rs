//! Which names belong to a host: what its kubelet may ask a certificate for.

use serde::{Deserialize, Serialize};

use super::ids::HostName;

/// One host as the API server knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct NodeIdentity {
    pub host: HostName,
    /// Name of the Node object.
    pub node: String,
    /// DNS names and addresses of this host, and of no other.
    pub names: Vec<String>,
}
