//! `kubectl`: get nodes, pods, daemonsets, raw; delete pod; version. Through the certificate of the kubeconfig it is given.

use std::sync::Arc;

use crate::lab::calico::PodState;
use crate::lab::config::CalicoTrouble;
use crate::lab::context::Context;
use crate::lab::file_tree::{Content, Found};
use crate::lab::klog::{Wording, x509_error};
use crate::lab::kubelet::balance;
use crate::lab::listens;
use crate::lab::node::{Api, Moment, Node};
use crate::lab::pki::Leaf;
use crate::lab::world::World;
use crate::model::ExitStatus;

use super::kubectl_more::{approve, delete_secret, get_secret, wait_for_nodes};
use super::{kubectl_json as json, kubectl_table as table, operands, option};

const FINE: ExitStatus = ExitStatus::Code(0);
const WITH_VALUE: [&str; 16] = [
    "--kubeconfig",
    "--request-timeout",
    "--server",
    "-s",
    "-n",
    "--namespace",
    "-l",
    "--selector",
    "-o",
    "--output",
    "--raw",
    "--grace-period",
    "--field-selector",
    "--context",
    "--for",
    "--timeout",
];

/// Runs kubectl.
pub(super) async fn run(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let words = operands(arguments, &WITH_VALUE);
    if words == ["version"] && arguments.iter().any(|a| a == "--client") {
        return client_version(context);
    }
    let raw = option(arguments, &["--raw"]).map(str::to_owned);
    let server = option(arguments, &["--server", "-s"]).map(str::to_owned);
    if let Err(failure) = reach(context, arguments, server.as_deref(), raw.is_some()) {
        // A server that does not answer takes its time to be given up.
        context.pause(200).await;
        return context.fail(1, failure);
    }
    match (words.as_slice(), raw) {
        (["get"], Some(path)) => get_raw(context, &path),
        (["get", "secret", name], None) => get_secret(context, arguments, name),
        (["delete", "secret", name], None) => delete_secret(context, arguments, name),
        (["wait", "nodes" | "node"], None) => wait_for_nodes(context, arguments).await,
        (["get", kind, names @ ..], None) => get(context, arguments, kind, names),
        (["certificate", "approve", name], None) => approve(context, name),
        ([verb @ ("cordon" | "uncordon"), name], None) => {
            let host = (*name).into();
            context.record(format!("kubectl {verb} {name}"));
            context.lab.cordon(&host, *verb == "cordon");
            context.out(format!("node/{name} {verb}ed\n"));
            FINE
        }
        (["annotate", "node", name, marks @ ..], None) => {
            context.record(format!("kubectl annotate node {name}"));
            context.lab.unmark(&(*name).into(), marks);
            context.out(format!("node/{name} annotated\n"));
            FINE
        }
        (["delete", "pod" | "pods" | "po", names @ ..], None) => delete(context, arguments, names),
        (["version"], None) => {
            client_version(context);
            let version = context.node(|n| n.kube);
            context.out(format!("Server Version: {version}\n"));
            FINE
        }
        _ => context.fail(
            1,
            format!("error: unknown command \"{}\" for \"kubectl\"", words.join(" ")),
        ),
    }
}

fn client_version(context: &mut Context) -> ExitStatus {
    let version = context.node(|n| n.kube);
    context.out(format!("Client Version: {version}\n"));
    FINE
}

/// The way to the API and the right to use it; the error as kubectl prints it.
fn reach(context: &Context, arguments: &[String], server: Option<&str>, raw: bool) -> Result<(), String> {
    let given = option(arguments, &["--kubeconfig"]).map(str::to_owned);
    let given = given.or_else(|| context.environment.get("KUBECONFIG").cloned());
    let path = given.clone().unwrap_or_else(|| {
        if context.root {
            "/root/.kube/config".to_owned()
        } else {
            format!("/home/{}/.kube/config", context.user)
        }
    });
    let (root, index) = (context.root, context.index);
    context.with(|w| {
        let moment = w.moment();
        let node = &w.nodes[index];
        let (kubeconfig_server, leaf) = match load(node, &path, root)? {
            Some(loaded) => loaded,
            None if given.is_some() => return Err(format!("error: stat {path}: no such file or directory")),
            None => return Err(refused("localhost:8080")),
        };
        let target = server.unwrap_or(&kubeconfig_server).trim_start_matches("https://");
        let api = find_api(w, &moment, index, target).ok_or_else(|| refused(target))?;
        let minds = !arguments.iter().any(|a| a == "--insecure-skip-tls-verify");
        let trouble = x509_error(Wording::of(node.kube), &api.serving, node.wall(&moment));
        if let Some(why) = trouble.filter(|_| minds) {
            return Err(format!("Unable to connect to the server: {why}"));
        }
        if !leaf.valid(api.wall) {
            return Err("error: You must be logged in to the server (Unauthorized)".to_owned());
        }
        match (api.ready, raw) {
            (false, false) => Err("Error from server: etcdserver: request timed out".to_owned()),
            (false, true) => Err("Error from server (InternalError): an error on the server (\"[+]ping ok\\n[+]log ok\\n[-]etcd failed: reason withheld\\nhealthz check failed\") has prevented the request from succeeding".to_owned()),
            (true, _) => Ok(()),
        }
    })
}

fn refused(target: &str) -> String {
    format!("The connection to the server {target} was refused - did you specify the right host or port?")
}

/// Server and client certificate of a kubeconfig; `None` when the file is not there.
fn load(node: &Node, path: &str, root: bool) -> Result<Option<(String, Arc<Leaf>)>, String> {
    let Found::File(file) = node.files.find(path) else {
        return Ok(None);
    };
    let own = path.starts_with("/home/");
    if !root && !own && file.mode & 0o004 == 0 {
        return Err(format!(
            "error: error loading config file \"{path}\": open {path}: permission denied"
        ));
    }
    match &file.content {
        Content::Kubeconfig { server, leaf, .. } => Ok(Some((server.clone(), Arc::clone(leaf)))),
        _ => Err(format!(
            "error: error loading config file \"{path}\": couldn't get version/kind; json parse error"
        )),
    }
}

fn find_api<'a>(world: &World, moment: &'a Moment, from: usize, target: &str) -> Option<&'a Api> {
    if target == world.endpoint.as_ref() {
        return balance(moment, from);
    }
    let (address, port) = target.rsplit_once(':')?;
    let local = matches!(address, "127.0.0.1" | "localhost" | "[::1]");
    let named = |n: &&Node| n.address == address || n.name.as_str() == address;
    let master = if local {
        from
    } else {
        world.nodes.iter().find(named)?.index
    };
    let server = listens::behind(world.nodes.get(master)?, port.parse().ok()?);
    if server != Some("kube-apiserver") {
        return None;
    }
    moment.apis.iter().find(|a| a.master == master)
}

fn get_raw(context: &mut Context, path: &str) -> ExitStatus {
    match path.split('?').next().unwrap_or_default() {
        "/readyz" | "/healthz" | "/livez" => {
            context.out("ok");
            FINE
        }
        _ => context.fail(
            1,
            "Error from server (NotFound): the server could not find the requested resource",
        ),
    }
}

/// Which pods and `DaemonSet`s were asked for.
#[derive(Debug)]
pub(super) struct Filter {
    /// `None` = all namespaces.
    namespace: Option<String>,
    label: Option<(String, String)>,
    names: Vec<String>,
}

impl Filter {
    fn of(arguments: &[String], names: &[&str]) -> Self {
        let all = arguments.iter().any(|a| a == "-A" || a == "--all-namespaces");
        let namespace = option(arguments, &["-n", "--namespace"]).unwrap_or("default");
        let selector = option(arguments, &["-l", "--selector"]).unwrap_or_default();
        let label = selector
            .split_once('=')
            .map(|(k, v)| (k.to_owned(), v.trim_start_matches('=').to_owned()));
        Self {
            namespace: (!all).then(|| namespace.to_owned()),
            label,
            names: names.iter().map(|n| (*n).to_owned()).collect(),
        }
    }

    /// Whether an object is meant.
    pub(super) fn wants(&self, namespace: &str, label: (&str, &str), name: &str) -> bool {
        self.namespace.as_deref().is_none_or(|n| n == namespace)
            && self.label.as_ref().is_none_or(|(k, v)| k == label.0 && v == label.1)
            && (self.names.is_empty() || self.names.iter().any(|n| n == name))
    }

    /// Nodes have no namespace.
    pub(super) fn wants_node(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|n| n == name)
    }

    /// All namespaces are listed, so their names are shown.
    pub(super) fn everywhere(&self) -> bool {
        self.namespace.is_none()
    }
}

fn get(context: &mut Context, arguments: &[String], kind: &str, names: &[&str]) -> ExitStatus {
    let filter = Filter::of(arguments, names);
    let output = option(arguments, &["-o", "--output"]).unwrap_or_default().to_owned();
    let headers = !arguments.iter().any(|a| a == "--no-headers");
    let text = context.with(|w| match (kind, output.as_str()) {
        ("node" | "nodes" | "no", "json") => Some(json::nodes(w, &filter)),
        ("node" | "nodes" | "no", "" | "wide") => Some(table::nodes(w, output == "wide", headers)),
        ("lease" | "leases", "json") => Some(json::leases(w, &filter)),
        ("pod" | "pods" | "po", "json") => Some(json::pods(w, &filter)),
        ("pod" | "pods" | "po", "" | "wide") => Some(table::pods(w, &filter, output == "wide", headers)),
        ("daemonset" | "daemonsets" | "ds", "json") => Some(json::daemon_sets(w, &filter)),
        ("daemonset" | "daemonsets" | "ds", "" | "wide") => Some(table::daemon_sets(w, &filter, headers)),
        ("certificatesigningrequests" | "csr", "json") if w.config.serving_requests.is_some() => {
            // Keys that cannot be made are a bug of the lab: then nobody asks.
            let _asked = w.ask_for_serving();
            Some(w.serving_requests_json())
        }
        ("certificatesigningrequests" | "csr", "json") => Some(json::serving_requests(w)),
        _ => None,
    });
    match text {
        None => context.fail(1, format!("error: the server doesn't have a resource type \"{kind}\"")),
        Some(text) if text.is_empty() => {
            context.err("No resources found.\n");
            FINE
        }
        Some(text) => {
            context.out(text);
            FINE
        }
    }
}

fn delete(context: &mut Context, arguments: &[String], names: &[&str]) -> ExitStatus {
    let filter = Filter::of(arguments, names);
    let force = arguments.iter().any(|a| a == "--force" || a == "--force=true");
    if names.is_empty() && filter.label.is_none() {
        return context.fail(1, "error: resource(s) were provided, but no name was specified");
    }
    context.record(format!(
        "kubectl delete pod {}{}",
        names.join(" "),
        if force { " --force" } else { "" }
    ));
    let deleted = context.with(|w| delete_pods(w, &filter, force));
    if deleted.is_empty() {
        let name = names.first().unwrap_or(&"");
        return context.fail(1, format!("Error from server (NotFound): pods \"{name}\" not found"));
    }
    if force {
        context.err("warning: Immediate deletion does not wait for confirmation that the running resource has been terminated. The resource may continue to run on the cluster indefinitely.\n");
    }
    for name in deleted {
        context.out(format!("pod \"{name}\" {}deleted\n", if force { "force " } else { "" }));
    }
    FINE
}

fn delete_pods(world: &mut World, filter: &Filter, force: bool) -> Vec<String> {
    let mut deleted = Vec::new();
    for index in 0..world.pods.len() {
        let pod = &world.pods[index];
        if !filter.wants(pod.namespace, (pod.label.0, &pod.label.1), &pod.name) {
            continue;
        }
        deleted.push(pod.name.clone());
        if force {
            world.replace_pod(index);
            continue;
        }
        let (now, stop) = (world.now, world.config.timings.pod_stop);
        let pod = &mut world.pods[index];
        if !matches!(pod.state, PodState::Terminating { .. }) {
            let stuck = pod.trouble == Some(CalicoTrouble::Terminating);
            pod.state = PodState::Terminating {
                since: now,
                gone: (!stuck).then_some(now + stop),
            };
        }
    }
    deleted
}
