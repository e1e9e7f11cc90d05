//! What the kubelet says of its troubles, in the words of each version.

use crate::host::Version;
use crate::klog;
use crate::tls::Failure;

/// Why a heartbeat failed.
#[derive(Debug)]
pub enum Trouble {
    Connection(Failure),
    Unauthorized,
    Server(String),
}

/// A kubelet that complains: who, to whom, of which version, whether it was ever registered.
#[derive(Debug)]
pub struct Complaint<'a> {
    pub node: &'a str,
    pub url: String,
    pub version: &'a Version,
    pub registered: bool,
}

impl Complaint<'_> {
    /// The lines that a failed heartbeat leaves in the journal.
    pub fn log(&self, trouble: &Trouble) {
        let node = self.node;
        let (place, text) = self.list(trouble);
        klog::error(place, &text);
        if self.registered {
            let get = self.why(
                trouble,
                "Get",
                &format!("/api/v1/nodes/{node}?resourceVersion=0&timeout=10s"),
            );
            let (place, text) = self.update(&get);
            return klog::error(place, &text);
        }
        for (place, text) in self.register(&self.why(trouble, "Post", "/api/v1/nodes")) {
            klog::error(place, &text);
        }
    }

    /// What client-go says of one request that failed.
    fn why(&self, trouble: &Trouble, method: &str, path: &str) -> String {
        let minor = self.version.minor;
        match trouble {
            Trouble::Connection(failure) => {
                let (url, text) = (&self.url, failure.go_text(minor));
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
        }
    }

    /// The reflector that cannot list this node.
    fn list(&self, trouble: &Trouble) -> (&'static str, String) {
        let path = format!(
            "/api/v1/nodes?fieldSelector=metadata.name%3D{}&limit=500&resourceVersion=0",
            self.node
        );
        let list = self.why(trouble, "Get", &path);
        match self.version.minor {
            30.. => (
                "reflector.go:205",
                format!(
                    "\"Failed to watch\" err={:?} logger=\"UnhandledError\" reflector=\"k8s.io/client-go/informers/factory.go:160\" type=\"*v1.Node\"",
                    format!("failed to list *v1.Node: {list}")
                ),
            ),
            17..30 => (
                "reflector.go:138",
                format!(
                    "k8s.io/kubernetes/pkg/kubelet/kubelet.go:438: Failed to watch *v1.Node: failed to list *v1.Node: {list}"
                ),
            ),
            _ => (
                "reflector.go:125",
                format!("k8s.io/kubernetes/pkg/kubelet/kubelet.go:444: Failed to list *v1.Node: {list}"),
            ),
        }
    }

    /// A node that was registered and cannot be updated. Structured logging came to these lines with 1.21.
    fn update(&self, get: &str) -> (&'static str, String) {
        let text = format!("error getting node {:?}: {get}", self.node);
        let line = if self.version.minor >= 21 {
            format!("\"Error updating node status, will retry\" err={text:?}")
        } else {
            format!("Error updating node status, will retry: {text}")
        };
        ("kubelet_node_status.go:447", line)
    }

    /// A node that cannot be registered.
    fn register(&self, post: &str) -> [(&'static str, String); 2] {
        let node = self.node;
        if self.version.minor >= 21 {
            let unknown = format!("node {node:?} not found");
            return [
                (
                    "kubelet_node_status.go:93",
                    format!("\"Unable to register node with API server\" err={post:?} node={node:?}"),
                ),
                ("kubelet.go:2448", format!("\"Error getting node\" err={unknown:?}")),
            ];
        }
        [
            (
                "kubelet_node_status.go:92",
                format!("Unable to register node {node:?} with API server: {post}"),
            ),
            ("kubelet.go:2183", format!("node {node:?} not found")),
        ]
    }
}

/// A text as versions from 1.23 on quote it.
pub fn structured(version: &Version, text: &str) -> String {
    if version.minor >= 23 {
        format!("\"{text}\"")
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(minor: u32, trouble: &Trouble) -> String {
        let version = Version {
            minor,
            text: format!("v1.{minor}.0"),
        };
        let complaint = Complaint {
            node: "m1",
            url: "https://10.0.0.1:6443".to_owned(),
            version: &version,
            registered: false,
        };
        complaint.list(trouble).1
    }

    #[test]
    fn the_words_are_those_of_the_version() {
        let refused = Trouble::Connection(Failure::Refused("10.0.0.1:6443".to_owned()));
        let old = list(15, &refused);
        assert!(
            old.contains("kubelet.go:444: Failed to list *v1.Node: Get https://10.0.0.1:6443/api"),
            "{old}"
        );
        assert!(
            old.ends_with("dial tcp 10.0.0.1:6443: connect: connection refused"),
            "{old}"
        );
        let quoted = list(19, &refused);
        assert!(quoted.contains("Get \"https://10.0.0.1:6443/api/v1/nodes?"), "{quoted}");
        assert!(list(31, &refused).starts_with("\"Failed to watch\" err=\"failed to list *v1.Node: Get \\\"https"));
        assert!(list(19, &Trouble::Unauthorized).ends_with("*v1.Node: Unauthorized"));
    }
}
