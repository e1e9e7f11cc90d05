//! What a request's path and query name, and the lists by which kubectl learns what there is.

use serde_json::{Value, json};

use crate::objects::{KINDS, Kind};

#[derive(Debug)]
pub struct Place<'a> {
    pub kind: Kind,
    pub namespace: Option<&'a str>,
    pub name: Option<&'a str>,
}

impl<'a> Place<'a> {
    pub fn of(path: &'a str) -> Option<Self> {
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

pub fn discovery(path: &str) -> Option<Value> {
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
pub fn parameter(query: &str, name: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_kind_namespace_and_object() {
        let place = Place::of("/api/v1/namespaces/kube-system/pods/a/status").unwrap();
        assert_eq!(
            (place.kind.plural, place.namespace, place.name),
            ("pods", Some("kube-system"), Some("a"))
        );
        let place = Place::of("/api/v1/nodes").unwrap();
        assert_eq!((place.kind.plural, place.namespace, place.name), ("nodes", None, None));
        assert!(Place::of("/api/v1/secrets").is_none());
        assert!(Place::of("/healthz").is_none());
    }

    #[test]
    fn parameters_are_decoded() {
        assert_eq!(
            parameter("limit=5&labelSelector=k8s-app%3Dcalico-node", "labelSelector"),
            "k8s-app=calico-node"
        );
        assert_eq!(parameter("limit=5", "labelSelector"), "");
    }
}
