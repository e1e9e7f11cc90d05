//! Rules about the sort of cluster: an etcd elsewhere, a run that was cut short, Kubernetes that kubeadm did not make.

use jiff::{SignedDuration, Timestamp};

use crate::model::playbook::Operation;
use crate::model::{CertificateFact, Host, HostFacts, HostName, KeyMatch, Role, X509Facts};

use super::super::planner::PlanInput;
use super::super::types::{Note, Plan};

/// What a master shows to an etcd that runs elsewhere.
const ETCD_CLIENT: &str = "apiserver-etcd-client";
/// Sooner than this, the next renewal would come too late.
const SOON: SignedDuration = SignedDuration::from_hours(30 * 24);

fn has_step(input: &PlanInput<'_>, host: &Host, wanted: fn(&Operation) -> bool) -> bool {
    let phases = input.playbook.phases.iter().filter(|p| p.hosts.matches(host));
    phases.flat_map(|p| &p.steps).any(wanted)
}

fn renews(operation: &Operation) -> bool {
    matches!(operation, Operation::RenewCertificates { .. })
}

/// kubeadm leaves this certificate out on a master whose etcd is elsewhere, and says nothing.
pub(super) fn etcd_client_elsewhere(input: &PlanInput<'_>, _plan: &Plan) -> Vec<Note> {
    let masters = input
        .reachable()
        .filter(|h| h.role == Role::ControlPlane && has_step(input, h, renews));
    masters.filter_map(|host| etcd_client(input, host)).collect()
}

fn etcd_client(input: &PlanInput<'_>, host: &Host) -> Option<Note> {
    let facts = input.facts_of(host);
    let certificate = facts.certificate(ETCD_CLIENT)?;
    let x509 = certificate.x509().filter(|_| signed_elsewhere(facts))?;
    let signer = input.inventory.with_role(Role::Etcd).next();
    let left = x509.not_after.duration_since(input.now);
    let message = format!(
        "{ETCD_CLIENT} ({}) is signed where etcd's CA is ({}); it is not renewed here, and {} on {}",
        certificate.path,
        signer.map_or("not in this inventory", |h| h.name.as_str()),
        ends(x509, input.now),
        x509.not_after
    );
    let remedy = signer.map_or_else(foreign_etcd, |etcd| by_hand(host, etcd, certificate, x509));
    Some(if x509.expired(input.now) {
        Note::error("etcd-client-expired", Some(&host.name), message, remedy)
    } else if left < SOON {
        Note::warning("etcd-client-not-renewed", Some(&host.name), message, remedy)
    } else {
        Note::info("etcd-client-not-renewed", Some(&host.name), message)
    })
}

fn ends(x509: &X509Facts, now: Timestamp) -> &'static str {
    if x509.expired(now) { "expired" } else { "expires" }
}

/// The key of etcd's CA is not beside its certificate, or there is neither.
fn signed_elsewhere(facts: &HostFacts) -> bool {
    let key = facts
        .certificate("etcd-ca")
        .filter(|c| c.x509().is_some())
        .map(|c| c.key);
    match key {
        Some(KeyMatch::Absent) => true,
        Some(_) => false,
        None => facts.shape.etcd_is_elsewhere(),
    }
}

fn foreign_etcd() -> String {
    "Whoever runs that etcd signs a new one for the same subject; put certificate and key in place on this master, then `certfleet restart`.".to_owned()
}

/// The key stays on the master, the CA's key on the etcd host: only request and certificate travel.
fn by_hand(master: &Host, etcd: &Host, certificate: &CertificateFact, x509: &X509Facts) -> String {
    let (crt, key) = (&certificate.path, certificate.path.replace(".crt", ".key"));
    let subject: String = x509.subject.split(", ").map(|part| format!("/{part}")).collect();
    let pki = &etcd.kubernetes.cert_dir;
    format!(
        "On {m}: `(umask 077; openssl req -new -newkey rsa:2048 -nodes -keyout {key}.new -out /root/etcd-client.csr -subj '{subject}')`. \
         Copy the .csr to {e}; there: `printf 'keyUsage=critical,digitalSignature,keyEncipherment\\nextendedKeyUsage=clientAuth\\n' >/root/ext && \
         openssl x509 -req -in /root/etcd-client.csr -CA {pki}/etcd/ca.crt -CAkey {pki}/etcd/ca.key -CAcreateserial -days 365 -extfile /root/ext \
         -out /root/etcd-client.crt`. Copy the .crt back as {crt}.new; on {m}: `mv {crt}.new {crt} && mv {key}.new {key}`. No key leaves its host. \
         Then start again.",
        m = master.name,
        e = etcd.name,
    )
}

/// A run that was cut short while it held the manifests back: they are put back before anything else.
pub(super) fn parked_manifests(input: &PlanInput<'_>, _plan: &Plan) -> Vec<Note> {
    let hosts = input.reachable().filter(|h| !input.facts_of(h).shape.parked.is_empty());
    hosts.map(|host| parked(input, host)).collect()
}

fn parked(input: &PlanInput<'_>, host: &Host) -> Note {
    let facts = input.facts_of(host);
    let message = format!(
        "an earlier run that was cut short left {} out of the kubelet's directory: these pods do not start",
        facts.shape.parked.join(", ")
    );
    let returns = has_step(input, host, |op| matches!(op, Operation::RecycleStaticPods));
    let remedy = if returns {
        "The step `recycle-static-pods` of this playbook puts them back first."
    } else {
        "Move them back to /etc/kubernetes/manifests once no process of theirs runs, or run `certfleet restart`, which does it."
    };
    Note::warning("parked-manifests", Some(&host.name), message, remedy)
}

/// kubeadm's playbooks on k3s or RKE2 would find no certificate, no kubelet unit, and stop in the middle.
pub(super) fn made_by_another(input: &PlanInput<'_>, _plan: &Plan) -> Vec<Note> {
    let kubeadms = |op: &Operation| matches!(op, Operation::RenewCertificates { .. } | Operation::RecycleStaticPods);
    let of = |host: &Host| -> Option<(HostName, String)> {
        let facts = input.facts_of(host);
        let name = facts.shape.distribution.clone()?;
        let without_kubeadm = facts.static_pods.is_empty() || facts.kubeadm_version.is_none();
        (without_kubeadm && has_step(input, host, kubeadms)).then(|| (host.name.clone(), name))
    };
    let note = |(host, name): (HostName, String)| {
        Note::error(
            "not-kubeadm",
            Some(&host),
            format!("this host runs {name}, whose certificates kubeadm does not renew"),
            format!("`certfleet run {name}` is the playbook for it."),
        )
    };
    input.reachable().filter_map(of).map(note).collect()
}
