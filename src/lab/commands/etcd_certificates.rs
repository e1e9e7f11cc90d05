//! `certfleet:etcd-certificates` and `certfleet:sign-etcd-certificates`: what etcd's CA signs for hosts that have not its key, with
//! real requests and real signatures.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::lab::asked_key;
use crate::lab::clock::{DAY, shift};
use crate::lab::context::{Context, KEY_WORK};
use crate::lab::file_tree::Content;
use crate::lab::node::Node;
use crate::lab::pki::{LabError, Leaf, LeafSpec, Signer};
use crate::model::ExitStatus;

const FINE: ExitStatus = ExitStatus::Code(0);
const WORK_DIRECTORY: &str = "/run/certfleet/etcd-certificates";

/// `certfleet:etcd-certificates VERB CERT_DIR NAMES ARGS…`.
pub(super) async fn run(context: &mut Context, arguments: &[String]) -> ExitStatus {
    if let Err(status) = context.begin_exchange().await {
        return status;
    }
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["request", pki, names] => request(context, pki, names),
        ["install", pki, names, keep, certificates] => install(context, (pki, names, keep), certificates),
        ["discard", _] => {
            context.change(|n, _| n.files.remove_below(WORK_DIRECTORY));
            FINE
        }
        _ => context.fail(2, "no such verb"),
    }
}

fn file_of(pki: &str, name: &str) -> String {
    match name.strip_prefix("etcd-") {
        Some(member) => format!("{pki}/etcd/{member}"),
        None => format!("{pki}/{name}"),
    }
}

fn pending(name: &str) -> String {
    format!("{WORK_DIRECTORY}/{name}.key")
}

/// The spec of the certificate that is to be replaced.
fn old(node: &Node, pki: &str, name: &str) -> Option<LeafSpec> {
    let leaf = node.files.leaf(&format!("{}.crt", file_of(pki, name)));
    leaf.map(|l| l.spec.clone())
}

fn request(context: &mut Context, pki: &str, names: &str) -> ExitStatus {
    let mut answer = Vec::new();
    for name in names.split(',') {
        let Some(spec) = context.node(|n| old(n, pki, name)) else {
            let file = file_of(pki, name);
            return context.fail(
                1,
                format!("{file}.crt holds no certificate whose subject could be taken over"),
            );
        };
        match make(context, name, spec) {
            Ok(der) => answer.push(BASE64.encode(der)),
            Err(error) => return context.fail(1, format!("no request could be made: {error}")),
        }
    }
    context.record(format!("certfleet:etcd-certificates request {names}"));
    context.out(format!("request\t{}\n", answer.join(",")));
    FINE
}

fn make(context: &mut Context, name: &str, spec: LeafSpec) -> Result<Vec<u8>, LabError> {
    let index = context.index;
    context.with(|w| {
        let (leaf, der) = asked_key::make(spec)?;
        let leaf = Arc::new(leaf);
        w.watch.learn(&leaf);
        let wall = w.clock.wall(w.now);
        w.nodes[index].files.put(pending(name), Content::Key(leaf), wall);
        Ok(der)
    })
}

fn install(context: &mut Context, (pki, names, keep): (&str, &str, &str), certificates: &str) -> ExitStatus {
    let mut made: Vec<(String, Arc<Leaf>)> = Vec::new();
    for (name, certificate) in names.split(',').zip(certificates.split(',')) {
        let key = context.node(|n| n.files.entry(&pending(name)).map(|f| f.content.clone()));
        let (Some(Content::Key(key)), Some(spec)) = (key, context.node(|n| old(n, pki, name))) else {
            return context.fail(3, "no request is pending on this host (was it restarted?); start again");
        };
        let der = BASE64.decode(certificate).unwrap_or_default();
        let Some(leaf) = asked_key::fit(&key, spec, &der) else {
            context.change(|n, _| n.files.remove_below(WORK_DIRECTORY));
            return context.fail(1, "the certificate does not belong to the key that was made here");
        };
        made.push((file_of(pki, name), Arc::new(leaf)));
    }
    context.record(format!("certfleet:etcd-certificates install {names}"));
    for (file, leaf) in made {
        context.change(|n, moment| {
            let wall = n.wall(moment);
            for (end, content) in [
                ("key", Content::Key(Arc::clone(&leaf))),
                ("crt", Content::Certificate(Arc::clone(&leaf))),
            ] {
                let path = format!("{file}.{end}");
                let before = n.files.entry(&path).cloned();
                let mode = before.as_ref().map_or(0o600, |f| f.mode);
                if let Some(before) = before {
                    n.files.insert(format!("{keep}{path}"), before);
                }
                n.files.put_with_mode(path, content, wall, mode);
            }
        });
        context.out(format!("installed\t{file}.crt\t{}\n", leaf.not_after));
    }
    context.change(|n, _| n.files.remove_below(WORK_DIRECTORY));
    FINE
}

/// `certfleet:sign-etcd-certificates CERT_DIR DAYS WANTED REQUESTS`.
pub(super) async fn sign(context: &mut Context, arguments: &[String]) -> ExitStatus {
    let [cert_dir, days, wanted, requests] = arguments else {
        return context.fail(2, "not what a certificate can be signed for");
    };
    context.pause(KEY_WORK).await;
    let held = context.node(|n| n.files.entry(&format!("{cert_dir}/etcd/ca.key")).is_some());
    if !held || !context.root {
        return context.fail(3, format!("{cert_dir}/etcd/ca.key is not on this host (external CA)"));
    }
    let mut answer = Vec::new();
    for (wanted, request) in wanted.split(';').zip(requests.split(',')) {
        match sign_one(context, days.parse().unwrap_or(365), wanted, request) {
            Ok(der) => answer.push(BASE64.encode(der)),
            Err(why) => return context.fail(4, why),
        }
    }
    context.record("certfleet:sign-etcd-certificates");
    context.out(format!("certificate\t{}\n", answer.join(",")));
    FINE
}

fn sign_one(context: &mut Context, days: i64, wanted: &str, request: &str) -> Result<Vec<u8>, String> {
    let spec = spec_of(wanted).ok_or_else(|| format!("not what a certificate can be signed for: {wanted}"))?;
    let asked = asked_key::read(&BASE64.decode(request).unwrap_or_default())
        .ok_or("the request is not signed by its own key")?;
    let organization = spec.organization.iter().map(|o| format!("O={o}"));
    let subject: Vec<String> = organization.chain([format!("CN={}", spec.common_name)]).collect();
    if asked.subject != subject.join(", ") {
        return Err(format!("the request is for another subject: {}", asked.subject));
    }
    let index = context.index;
    let signed = context.with(|w| {
        let now = w.clock.wall(w.now + w.nodes[index].offset);
        let until = shift(now, days * DAY).min(w.pki.etcd.not_after);
        let serial = w.rng.next() >> 1;
        w.pki.sign_key(&spec, &asked, (serial, shift(now, -300), until))
    });
    signed.map_err(|error| format!("openssl did not sign: {error}"))
}

/// `CN=e2|serverAuth,clientAuth|DNS:e2,IP:10.0.0.32`.
fn spec_of(wanted: &str) -> Option<LeafSpec> {
    let mut fields = wanted.split('|');
    let (subject, usages, names) = (fields.next()?, fields.next()?, fields.next()?);
    let part = |mark: &str| subject.split(',').find_map(|p| p.strip_prefix(mark));
    let names = names.split(',').filter_map(|n| n.split_once(':'));
    Some(LeafSpec {
        sans: names.map(|(_, name)| name.to_owned()).collect(),
        server: usages.contains("serverAuth"),
        ..LeafSpec::client(part("CN=")?, part("O="), Signer::EtcdCa)
    })
}
