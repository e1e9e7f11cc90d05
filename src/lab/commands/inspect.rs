//! `certfleet:inspect` and `certfleet:served`: what check asks beside certificates.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64URL;

use crate::lab::context::Context;
use crate::lab::file_tree::{Content, Found};
use crate::lab::node::{MANIFESTS, Moment, Node};
use crate::lab::ports;
use crate::model::ExitStatus;

const TOKEN_FILE: &str = "/etc/cni/net.d/calico-kubeconfig";
/// The first process of a container, for the sake of a number.
const FIRST_PID: usize = 2000;

/// `certfleet:inspect CERT_DIR LOGIN_USER [PATH…]`.
pub(super) fn inspect(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let text = context.change(|n, moment| {
        let mut text = processes(n, moment);
        text.push_str(&format!("address\t127.0.0.1\naddress\t{}\n", n.address));
        text.push_str(&copy(n, "root", "/root/.kube/config"));
        if let Some(login) = arguments.get(1).filter(|l| !l.is_empty() && *l != "root") {
            text.push_str(&copy(
                n,
                &format!("user {login}"),
                &format!("/home/{login}/.kube/config"),
            ));
        }
        for path in arguments.get(2..).unwrap_or_default() {
            text.push_str(&copy(n, "inventory", path));
        }
        text.push_str(&mounts(n));
        text.push_str(&token(n));
        for ca in ["ca", "etcd/ca", "front-proxy-ca"] {
            let there = |end: &str| n.files.entry(&n.pki(&format!("{ca}.{end}"))).is_some();
            if there("crt") {
                let state = if there("key") { "present" } else { "absent" };
                text.push_str(&format!("ca-key\t{ca}\t{state}\n"));
            }
        }
        for (key, setting) in [
            ("rotate-certificates", "rotateCertificates"),
            ("server-tls-bootstrap", "serverTLSBootstrap"),
        ] {
            text.push_str(&format!("{key}\t{}\n", kubelet_setting(n, setting)));
        }
        text
    });
    context.out(text);
    ExitStatus::Code(0)
}

/// Containers run their program as their first process.
fn processes(node: &Node, moment: &Moment) -> String {
    let containers = node.containers.iter().enumerate();
    let line = |(index, c): (usize, &crate::lab::node::Container)| {
        let started = moment.clock.wall(c.started + node.offset).as_second();
        format!("process\t{}\t{}\t{started}\n", c.component, FIRST_PID + index)
    };
    containers.map(line).collect()
}

fn copy(node: &Node, source: &str, path: &str) -> String {
    match node.files.find(path) {
        Found::File(file) => match file.content.leaf() {
            Some(leaf) => format!(
                "@copy\t{source}\t{path}\tpresent\t{}\n{}",
                file.modified.as_second(),
                leaf.pem
            ),
            None => String::new(),
        },
        _ if source == "inventory" => format!("@copy\t{source}\t{path}\tmissing\t-\n"),
        _ => String::new(),
    }
}

fn mounts(node: &Node) -> String {
    let vip = node.files.entry(&format!("{MANIFESTS}/kube-vip.yaml")).is_some();
    if vip {
        "mount\tkube-vip\t/etc/kubernetes/admin.conf\n".to_owned()
    } else {
        String::new()
    }
}

/// A setting of the kubelet's configuration file.
fn kubelet_setting(node: &Node, key: &str) -> String {
    let text = match node.files.find("/var/lib/kubelet/config.yaml") {
        Found::File(file) => file.content.text(),
        Found::Missing | Found::Dangling(_) => String::new(),
    };
    let value = text
        .lines()
        .find_map(|l| l.strip_prefix(key)?.strip_prefix(": "))
        .map(str::trim);
    value.unwrap_or("unset").to_owned()
}

/// Only the times of the token, as the script does it.
fn token(node: &Node) -> String {
    let Found::File(file) = node.files.find(TOKEN_FILE) else {
        return String::new();
    };
    let Content::Text(text) = &file.content else {
        return String::new();
    };
    let token = text
        .lines()
        .find_map(|l| l.trim().strip_prefix("token: "))
        .unwrap_or_default();
    let payload = token
        .split('.')
        .nth(1)
        .and_then(|p| BASE64URL.decode(p).ok())
        .unwrap_or_default();
    let claims: serde_json::Value = serde_json::from_slice(&payload).unwrap_or_default();
    let number = |key: &str| claims[key].as_i64().map_or_else(|| "-".to_owned(), |n| n.to_string());
    format!("cni-token\t{TOKEN_FILE}\t{}\t{}\n", number("exp"), number("iat"))
}

/// `certfleet:served HOST PORT SNI`.
pub(super) fn served(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let [address, port, ..] = arguments else {
        return context.fail(2, "certfleet: served needs HOST PORT SNI");
    };
    let port = port.parse().unwrap_or(0);
    let host = context.host.clone();
    let answer = match context.with(|w| ports::served(w, &host, address, port)) {
        Some((leaf, _)) => format!("certificate\tTLSv1.3\n{}", leaf.pem),
        None => "closed\tconnection refused\n".to_owned(),
    };
    context.out(answer);
    ExitStatus::Code(0)
}
