//! client-go's reflector is in every client: whether one of its lines is the kubelet's, from path and listed type.

/// Types that a kubelet lists, from all versions; kube-proxy shares Service and Node but runs as pid 1.
const KUBELET_TYPES: &[&str] = &[
    "Node",
    "Service",
    "Pod",
    "Secret",
    "ConfigMap",
    "CSIDriver",
    "RuntimeClass",
    "CertificateSigningRequest",
    "ClusterTrustBundle",
    "ResourceSlice",
    "PodCertificateRequest",
];

/// `None` when the line does not tell.
pub(super) fn is_kubelet(body: &str) -> Option<bool> {
    if body.contains("pkg/kubelet/") || body.contains("object-\"") || body.contains("object-\\\"") {
        return Some(true);
    }
    if foreign_path(body) {
        return Some(false);
    }
    if body.contains("spec.nodeName%3D") || body.contains("spec.host%3D") {
        return Some(true);
    }
    let (group, name) = listed_type(body)?;
    if group == "api" {
        return Some(matches!(name, "Pod" | "Node"));
    }
    Some(KUBELET_TYPES.contains(&name) && !lists_all(name, body))
}

/// Whether the request is for every node, pod or secret: a kubelet asks for its own alone.
fn lists_all(name: &str, body: &str) -> bool {
    let (path, own) = match name {
        "Pod" => ("/api/v1/pods?", "spec.nodeName"),
        "Node" => ("/api/v1/nodes?", "metadata.name"),
        "Secret" => ("/api/v1/secrets?", "metadata.name"),
        "ConfigMap" => ("/api/v1/configmaps?", "metadata.name"),
        _ => return false,
    };
    let asked = body.split_once(path).map_or("", |(_, query)| query);
    let whole = asked.contains("resourceVersion=") || asked.contains("fieldSelector=");
    whole && asked.contains(": ") && !asked.contains(own)
}

fn foreign_path(body: &str) -> bool {
    [
        "informers_generated",
        "client-go@v",
        "pkg/mod/",
        "k8s.io/dns",
        "pkg/dns/",
        "github.com/",
        "sigs.k8s.io/",
    ]
    .iter()
    .any(|path| body.contains(path))
}

/// `("v1", "Node")` from `*v1.Node`.
fn listed_type(body: &str) -> Option<(&str, &str)> {
    let rest = body.get(body.find('*')? + 1..)?;
    let (group, rest) = rest.split_once('.')?;
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
    Some((group, rest.get(..end)?))
}
