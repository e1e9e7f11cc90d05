//! `certfleet:kubelet-client` and `certfleet:sign-kubelet-client`: a new client certificate for a kubelet, with real requests
//! and real signatures.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::lab::clock::{DAY, shift};
use crate::lab::context::{Context, KEY_WORK};
use crate::lab::file_tree::Content;
use crate::lab::kubelet_files::{KUBELET_CONF, PENDING_KEY as KEY};
use crate::lab::node::{KUBELET_CLIENT, Moment, Node};
use crate::lab::pki::{Leaf, LeafSpec, Signer};
use crate::lab::{asked_key, scenario_files};
use crate::model::ExitStatus;

const FINE: ExitStatus = ExitStatus::Code(0);
const SERVING: &str = "/var/lib/kubelet/pki/kubelet";

/// `certfleet:kubelet-client VERB ARGS…`.
pub(super) async fn run(context: &mut Context, arguments: &[String]) -> ExitStatus {
    if let Err(status) = context.begin_exchange().await {
        return status;
    }
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["request", _, node] => request(context, node),
        ["install", _, node, keep, certificate] => install(context, (node, keep), certificate),
        ["repoint", keep] => repoint(context, keep),
        ["retire-serving", keep] => retire_serving(context, keep),
        ["discard"] => {
            context.change(|n, _| n.files.remove(KEY));
            FINE
        }
        _ => context.fail(2, "no such verb"),
    }
}

fn client(node: &str) -> LeafSpec {
    LeafSpec::client(format!("system:node:{node}"), Some("system:nodes"), Signer::Ca)
}

fn request(context: &mut Context, node: &str) -> ExitStatus {
    let index = context.index;
    let made = context.with(|w| {
        let (leaf, der) = asked_key::make(client(node))?;
        let leaf = Arc::new(leaf);
        w.watch.learn(&leaf);
        let wall = w.clock.wall(w.now);
        w.nodes[index].files.put(KEY, Content::Key(leaf), wall);
        Ok::<_, crate::lab::pki::LabError>(der)
    });
    match made {
        Ok(der) => {
            context.record("certfleet:kubelet-client request");
            context.out(format!("request\t{}\n", BASE64.encode(der)));
            FINE
        }
        Err(error) => context.fail(1, format!("no request could be made: {error}")),
    }
}

fn install(context: &mut Context, (node, keep): (&str, &str), certificate: &str) -> ExitStatus {
    let pending = context.node(|n| n.files.entry(KEY).map(|f| f.content.clone()));
    let Some(Content::Key(pending)) = pending else {
        return context.fail(3, "no request is pending on this host (was it restarted?); start again");
    };
    let der = BASE64.decode(certificate).unwrap_or_default();
    let Some(leaf) = asked_key::fit(&pending, client(node), &der) else {
        context.change(|n, _| n.files.remove(KEY));
        return context.fail(1, "the certificate does not belong to the key that was made here");
    };
    context.record("certfleet:kubelet-client install");
    let leaf = Arc::new(leaf);
    let target = context.change(|n, moment| put(n, moment, &leaf, keep));
    context.out(format!("installed\t{target}\t{}\n", leaf.not_after));
    FINE
}

fn put(node: &mut Node, moment: &Moment, leaf: &Arc<Leaf>, keep: &str) -> String {
    let wall = node.wall(moment);
    let target = format!(
        "/var/lib/kubelet/pki/kubelet-client-{}.pem",
        wall.strftime("%Y-%m-%d-%H-%M-%S")
    );
    node.files.put(target.clone(), Content::Bundle(Arc::clone(leaf)), wall);
    node.files.put(KUBELET_CLIENT, Content::Link(target.clone()), wall);
    point(node, moment, keep);
    node.files.remove(KEY);
    target
}

/// kubelet.conf names the link; the certificate that lay inside is kept.
fn point(node: &mut Node, moment: &Moment, keep: &str) {
    let Some(old) = node.files.entry(KUBELET_CONF).cloned() else {
        return;
    };
    if let Content::Kubeconfig { server, .. } = &old.content {
        let (text, wall) = (scenario_files::kubelet_conf(server), node.wall(moment));
        node.files.insert(format!("{keep}{KUBELET_CONF}"), old);
        node.files.put(KUBELET_CONF, Content::Text(text), wall);
    }
}

fn repoint(context: &mut Context, keep: &str) -> ExitStatus {
    let valid = context.change(|n, moment| n.files.leaf(KUBELET_CLIENT).is_some_and(|l| l.valid(n.wall(moment))));
    if !valid {
        return context.fail(3, format!("{KUBELET_CLIENT} holds no valid certificate to point at"));
    }
    context.record("certfleet:kubelet-client repoint");
    context.change(|n, moment| point(n, moment, keep));
    context.out(format!("repointed\t{KUBELET_CONF}\n"));
    FINE
}

fn retire_serving(context: &mut Context, keep: &str) -> ExitStatus {
    let expired = context.change(|n, moment| {
        let leaf = n.files.leaf(&format!("{SERVING}.crt"));
        leaf.is_some_and(|l| l.expired(n.wall(moment)))
    });
    if !expired {
        context.out("kept\tnot expired\n");
        return FINE;
    }
    context.record("certfleet:kubelet-client retire-serving");
    context.change(|n, _| {
        for path in [format!("{SERVING}.crt"), format!("{SERVING}.key")] {
            if let Some(file) = n.files.remove(&path) {
                n.files.insert(format!("{keep}{path}"), file);
            }
        }
    });
    context.out(format!("retired\t{SERVING}.crt\n"));
    FINE
}

/// `certfleet:sign-kubelet-client CERT_DIR NODE REQUEST`.
pub(super) async fn sign(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let [cert_dir, node, request] = arguments else {
        return context.fail(2, "not the name of a node: ");
    };
    context.pause(KEY_WORK).await;
    let held = context.node(|n| n.files.entry(&format!("{cert_dir}/ca.key")).is_some());
    if !held || !context.root {
        return context.fail(3, format!("{cert_dir}/ca.key is not on this host (external CA)"));
    }
    let der = BASE64.decode(request).unwrap_or_default();
    let Some(asked) = asked_key::read(&der) else {
        return context.fail(4, "the request is not signed by its own key");
    };
    let wanted = format!("O=system:nodes, CN=system:node:{node}");
    if asked.subject != wanted {
        return context.fail(4, format!("the request is for another subject: {}", asked.subject));
    }
    context.record(format!("certfleet:sign-kubelet-client {node}"));
    let index = context.index;
    let signed = context.with(|w| {
        let now = w.clock.wall(w.now + w.nodes[index].offset);
        let until = shift(now, 365 * DAY).min(w.pki.ca.not_after);
        let serial = w.rng.next() >> 1;
        w.pki.sign_key(&client(node), &asked, (serial, shift(now, -300), until))
    });
    match signed {
        Ok(der) => {
            context.out(format!("certificate\t{}\n", BASE64.encode(der)));
            FINE
        }
        Err(error) => context.fail(1, format!("openssl did not sign: {error}")),
    }
}
