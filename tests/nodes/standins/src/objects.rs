//! The few Kubernetes objects of the fleet: where they are kept, how they are selected, how a table shows them.

use std::time::Duration;

use serde_json::{Value, json};

use crate::host;

/// A kind of object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    pub plural: &'static str,
    pub name: &'static str,
    pub api: &'static str,
}

pub const KINDS: [Kind; 3] = [
    Kind {
        plural: "nodes",
        name: "Node",
        api: "v1",
    },
    Kind {
        plural: "pods",
        name: "Pod",
        api: "v1",
    },
    Kind {
        plural: "daemonsets",
        name: "DaemonSet",
        api: "apps/v1",
    },
];

/// Where an object is kept. A daemon set has one pod a node, so its pods are kept by node: two makers cannot both win.
pub fn key(kind: Kind, object: &Value) -> String {
    let meta = &object["metadata"];
    let name = meta["name"].as_str().unwrap_or_default();
    let last = match meta["ownerReferences"][0]["kind"].as_str() {
        Some("DaemonSet") => format!(
            "{}@{}",
            meta["ownerReferences"][0]["name"].as_str().unwrap_or_default(),
            object["spec"]["nodeName"].as_str().unwrap_or_default()
        ),
        _ => name.to_owned(),
    };
    match meta["namespace"].as_str() {
        Some(namespace) => format!("{}{last}", prefix(kind, Some(namespace))),
        None => format!("{}{last}", prefix(kind, None)),
    }
}

pub fn prefix(kind: Kind, namespace: Option<&str>) -> String {
    let top = if kind.plural == "nodes" { "minions" } else { kind.plural };
    namespace.map_or_else(|| format!("/registry/{top}/"), |n| format!("/registry/{top}/{n}/"))
}

/// Whether the object's labels satisfy `a=b,c in (d,e),f`.
pub fn selected(object: &Value, selector: &str) -> bool {
    let labels = &object["metadata"]["labels"];
    split_selector(selector).iter().all(|term| {
        if let Some((name, rest)) = term.split_once(" in ") {
            let wanted = rest.trim().trim_matches(&['(', ')'][..]);
            return wanted
                .split(',')
                .any(|v| labels[name.trim()].as_str() == Some(v.trim()));
        }
        if let Some((name, value)) = term.split_once("!=") {
            return labels[name.trim()].as_str() != Some(value.trim());
        }
        match term.split_once('=') {
            Some((name, value)) => labels[name].as_str() == Some(value.trim_start_matches('=')),
            None => labels[term.trim()].is_string(),
        }
    })
}

fn split_selector(selector: &str) -> Vec<String> {
    let mut terms = Vec::new();
    let (mut depth, mut term) = (0, String::new());
    for c in selector.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ',' if depth == 0 => {
                terms.push(std::mem::take(&mut term));
                continue;
            }
            _ => {}
        }
        term.push(c);
    }
    if !term.trim().is_empty() {
        terms.push(term);
    }
    terms
}

/// Whether `spec.nodeName=x` or `metadata.name=x` holds.
pub fn in_field(object: &Value, selector: &str) -> bool {
    selector
        .split(',')
        .filter(|t| !t.is_empty())
        .all(|term| match term.split_once('=') {
            Some(("spec.nodeName", v)) => object["spec"]["nodeName"].as_str() == Some(v),
            Some(("metadata.name", v)) => object["metadata"]["name"].as_str() == Some(v),
            _ => true,
        })
}

/// The answer to `get` without `-o json`.
pub fn table(kind: Kind, items: &[Value]) -> Value {
    let names: &[&str] = match kind.plural {
        "nodes" => &[
            "Name",
            "Status",
            "Roles",
            "Age",
            "Version",
            "Internal-IP",
            "OS-Image",
            "Container-Runtime",
        ],
        "pods" => &["Name", "Ready", "Status", "Restarts", "Age", "IP", "Node"],
        _ => &["Name", "Desired", "Current", "Ready", "Age"],
    };
    let wide = if kind.plural == "nodes" { 5 } else { 5.min(names.len()) };
    let columns: Vec<Value> = names
        .iter()
        .enumerate()
        .map(|(i, n)| json!({"name": n, "type": "string", "format": "", "description": "", "priority": u8::from(i >= wide)}))
        .collect();
    let rows: Vec<Value> = items
        .iter()
        .map(|o| json!({"cells": cells(kind, o), "object": partial(o)}))
        .collect();
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": {}, "columnDefinitions": columns, "rows": rows})
}

fn partial(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

fn cells(kind: Kind, o: &Value) -> Vec<String> {
    let text = |v: &Value| v.as_str().unwrap_or("<none>").to_owned();
    let age = age(o["metadata"]["creationTimestamp"].as_str().unwrap_or_default());
    match kind.plural {
        "nodes" => vec![
            text(&o["metadata"]["name"]),
            if ready(o) { "Ready".into() } else { "NotReady".into() },
            if o["metadata"]["labels"]["node-role.kubernetes.io/master"].is_string() {
                "master".into()
            } else {
                "<none>".into()
            },
            age,
            text(&o["status"]["nodeInfo"]["kubeletVersion"]),
            text(&o["status"]["addresses"][0]["address"]),
            text(&o["status"]["nodeInfo"]["osImage"]),
            text(&o["status"]["nodeInfo"]["containerRuntimeVersion"]),
        ],
        "pods" => {
            let container = &o["status"]["containerStatuses"][0];
            let status = container["state"]["waiting"]["reason"]
                .as_str()
                .or(o["status"]["phase"].as_str());
            vec![
                text(&o["metadata"]["name"]),
                if container["ready"].as_bool().unwrap_or(false) {
                    "1/1".into()
                } else {
                    "0/1".into()
                },
                status.unwrap_or("Pending").to_owned(),
                container["restartCount"].to_string().replace("null", "0"),
                age,
                text(&o["status"]["podIP"]),
                text(&o["spec"]["nodeName"]),
            ]
        }
        _ => vec![
            text(&o["metadata"]["name"]),
            o["status"]["desiredNumberScheduled"].to_string(),
            o["status"]["currentNumberScheduled"].to_string(),
            o["status"]["numberReady"].to_string(),
            age,
        ],
    }
}

/// Whether the object's condition Ready is True.
pub fn ready(o: &Value) -> bool {
    o["status"]["conditions"]
        .as_array()
        .is_some_and(|all| all.iter().any(|c| c["type"] == "Ready" && c["status"] == "True"))
}

/// Seconds since an RFC 3339 time; none when it cannot be read.
pub fn seconds_since(stamp: &str) -> Option<i64> {
    Some(host::now().unix_timestamp() - unix(stamp)?)
}

/// `YYYY-MM-DDThh:mm:ssZ` as seconds since the epoch.
pub fn unix(stamp: &str) -> Option<i64> {
    let n = |r: std::ops::Range<usize>| stamp.get(r)?.parse::<i64>().ok();
    let (year, month, day) = (n(0..4)?, n(5..7)?, n(8..10)?);
    let (y, m) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719_468;
    Some(days * 86400 + n(11..13)? * 3600 + n(14..16)? * 60 + n(17..19)?)
}

fn age(stamp: &str) -> String {
    let s = Duration::from_secs(u64::try_from(seconds_since(stamp).unwrap_or(0)).unwrap_or(0)).as_secs();
    match s {
        0..=119 => format!("{s}s"),
        120..=7199 => format!("{}m", s / 60),
        7200..=172_799 => format!("{}h", s / 3600),
        _ => format!("{}d", s / 86400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_select() {
        let pod = json!({"metadata": {"labels": {"k8s-app": "calico-node", "tier": "x"}}});
        for yes in ["k8s-app=calico-node", "k8s-app in (a,calico-node),tier", "tier!=y", ""] {
            assert!(selected(&pod, yes), "{yes}");
        }
        for no in ["k8s-app=canal", "k8s-app in (a,b)", "role", "tier!=x"] {
            assert!(!selected(&pod, no), "{no}");
        }
    }

    #[test]
    fn a_daemon_sets_pods_are_kept_by_node() {
        let owner = json!([{"kind": "DaemonSet", "name": "calico-node"}]);
        let meta = json!({"name": "calico-node-ab12c", "namespace": "kube-system", "ownerReferences": owner});
        let pod = json!({"metadata": meta, "spec": {"nodeName": "w1"}});
        assert_eq!(key(KINDS[1], &pod), "/registry/pods/kube-system/calico-node@w1");
    }

    #[test]
    fn times_are_read() {
        assert_eq!(unix("2021-03-04T04:20:00Z"), Some(1_614_831_600));
        assert_eq!(unix("yesterday"), None);
    }
}
