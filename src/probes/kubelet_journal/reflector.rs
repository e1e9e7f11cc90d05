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
    Some(KUBELET_TYPES.contains(&name) && (name != "Pod" || !body.contains("/api/v1/pods?limit")))
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
