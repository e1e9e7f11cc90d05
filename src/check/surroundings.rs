//! Symptoms around the certificates: clocks, authorities, rotation, requests, journals, and what a run of ours has left behind.

use jiff::SignedDuration;

use crate::probes::nodes::MarkedNode;
use crate::probes::recent_journal::JournalSummary;
use crate::probes::typha::{NAMESPACE, TyphaCertificate};

use super::View;
use super::cure::{self, Cures};
use super::etcd;
use super::inspection::Inspection;
use super::level::Level;
use super::symptoms::{Kind, Symptom};
use crate::model::{HostName, Role};

/// kubeadm backdates notBefore by five minutes: a clock that is further behind calls a fresh certificate "not yet valid".
const CLOCK_CRITICAL_MS: i64 = 5 * 60 * 1000;
/// Further than any machine with NTP.
const CLOCK_WARNING_MS: i64 = 30 * 1000;
const AUTHORITIES: [&str; 3] = ["ca", "etcd-ca", "front-proxy-ca"];

/// Everything around one host's certificates.
pub(super) fn of_host(view: &View<'_>, cures: &Cures, host: &Inspection) -> Vec<Symptom> {
    let mut found: Vec<Symptom> = clock(host).into_iter().collect();
    found.extend(parked(cures, host));
    found.extend(believes_another(view, host));
    found.extend(authorities(view, host));
    found.extend(rotation(host));
    found.extend(host.journal.as_ref().and_then(|j| journal(cures, host, j)));
    found.extend(problems(host));
    found
}

fn clock(host: &Inspection) -> Option<Symptom> {
    let clock = host.facts.clock?;
    let sure = clock.offset_ms.saturating_abs().saturating_sub(clock.uncertainty_ms);
    let level = match sure {
        CLOCK_CRITICAL_MS.. => Level::Critical,
        CLOCK_WARNING_MS.. => Level::Warning,
        _ => return None,
    };
    let cure = cure::manual("set the host's clock and keep it right (chrony, systemd-timesyncd)");
    let mut symptom = Symptom::new(Kind::ClockWrong, level, host.name(), "the clock", cure);
    let way = if clock.offset_ms < 0 { "behind" } else { "ahead" };
    let seconds = |ms: i64| jiff::SignedDuration::from_millis(ms);
    symptom.detail = format!(
        "{} {way} of ours, give or take {} s",
        super::age(seconds(clock.offset_ms)),
        (clock.uncertainty_ms + 999) / 1000
    );
    Some(symptom)
}

/// Manifests beside the kubelet's directory, where a run that was cut short left them.
fn parked(cures: &Cures, host: &Inspection) -> Option<Symptom> {
    if host.facts.shape.parked.is_empty() {
        return None;
    }
    let mut symptom = Symptom::new(
        Kind::Parked,
        Level::Critical,
        host.name(),
        "the control plane",
        cures.restart(),
    );
    crate::model::shape::PARKED.clone_into(&mut symptom.detail);
    Some(symptom)
}

/// A kubelet that goes on with the connection it has, and gets no other one.
fn believes_another(view: &View<'_>, host: &Inspection) -> Option<Symptom> {
    let masters = view.fleet.hosts.iter().filter(|h| h.role == Role::ControlPlane);
    let lost = host.role != Role::Etcd && host.facts.shape.disbelieves(masters.map(|m| &m.facts.shape));
    lost.then(|| {
        let subject = "the CA in kubelet.conf";
        let mut symptom = Symptom::new(Kind::Mismatch, Level::Critical, host.name(), subject, cure::believe());
        "it is not that of the masters, and the kubelet loses the API with its next connection"
            .clone_into(&mut symptom.detail);
        symptom
    })
}

/// A CA that ends before its leaves, or soon; a CA whose key is elsewhere.
fn authorities(view: &View<'_>, host: &Inspection) -> Vec<Symptom> {
    let mut found = Vec::new();
    for name in AUTHORITIES {
        let Some(authority) = host.x509(name) else { continue };
        let leaves = host
            .facts
            .certificates
            .iter()
            .filter_map(|c| c.x509())
            .filter(|x| !x.is_ca && x.signed_by.as_deref() == Some(name));
        let outlived = leaves.filter(|x| x.not_after > authority.not_after).count();
        if outlived > 0 && !authority.expired(view.now(host)) {
            let mut symptom = Symptom::new(
                Kind::AuthorityEndsFirst,
                Level::Warning,
                host.name(),
                name,
                cure::new_authority(),
            );
            symptom.when = Some(authority.not_after);
            found.push(symptom);
        }
        let signed_for = name == "etcd-ca" && etcd::signable(view);
        if key_of(host, name) == Some(false) && !signed_for {
            found.push(Symptom::new(
                Kind::NoAuthorityKey,
                Level::Ok,
                host.name(),
                name,
                cure::external_authority(),
            ));
        }
    }
    found
}

fn key_of(host: &Inspection, name: &str) -> Option<bool> {
    let file = if name == "etcd-ca" { "etcd/ca" } else { name };
    let asked = host
        .surroundings
        .as_ref()
        .and_then(|s| s.ca_keys.iter().find(|(n, _)| n == file))
        .map(|(_, there)| *there);
    // A worker has ca.crt only, as it should.
    let needed = host.x509("apiserver").is_some() || (name == "etcd-ca" && host.x509("etcd-server").is_some());
    asked
        .or(if name == "ca" { host.facts.ca_key } else { None })
        .filter(|_| needed)
}

fn rotation(host: &Inspection) -> Option<Symptom> {
    let off = host.surroundings.as_ref()?.kubelet.rotates == Some(false);
    let cure = cure::manual("set `rotateCertificates: true` in /var/lib/kubelet/config.yaml and restart the kubelet");
    (off && host.x509("kubelet-client").is_some())
        .then(|| Symptom::new(Kind::RotationOff, Level::Warning, host.name(), "kubelet", cure))
}

fn journal(cures: &Cures, host: &Inspection, journal: &JournalSummary) -> Option<Symptom> {
    if journal.blocking.is_empty() {
        return None;
    }
    let mut symptom = Symptom::new(Kind::Journal, Level::Warning, host.name(), "kubelet", cures.journal());
    let classes: Vec<String> = journal.blocking.keys().map(|c| c.replace('_', " ")).collect();
    symptom.detail = super::wording::list(&classes);
    Some(symptom)
}

/// Questions that failed on a host that answers.
fn problems(host: &Inspection) -> Vec<Symptom> {
    if host.facts.unreachable.is_some() {
        return Vec::new();
    }
    let one = |why: &String| {
        let cure = cure::manual("look at the host, then check again");
        let mut symptom = Symptom::new(Kind::Unseen, Level::Unknown, host.name(), "a question", cure);
        symptom.detail.clone_from(why);
        symptom
    };
    host.facts.problems.iter().map(one).collect()
}

/// The host of a node, by its name; a node that is none of ours by its own.
fn host_of(view: &View<'_>, node: &str) -> HostName {
    let means = |h: &&Inspection| h.facts.hostname.as_deref() == Some(node) || h.facts.host.as_str() == node;
    let host = view.fleet.hosts.iter().find(means);
    host.map_or_else(|| node.into(), |h| h.facts.host.clone())
}

/// What a run of ours that did not end well has left on nodes.
pub(super) fn marked(view: &View<'_>, cures: &Cures) -> Vec<Symptom> {
    let one = |node: &MarkedNode| {
        let (kind, level) = if node.cordoned {
            (Kind::Cordoned, Level::Warning)
        } else {
            (Kind::Marked, Level::Ok)
        };
        let mut symptom = Symptom::new(kind, level, &host_of(view, &node.name), "node", cures.renew());
        symptom.detail.clone_from(&node.run);
        symptom
    };
    view.fleet.marked.iter().map(one).collect()
}

/// Kubelets that wait for somebody to approve their serving certificate.
pub(super) fn requests(view: &View<'_>) -> Vec<Symptom> {
    let pending = view.fleet.requests.iter().flatten();
    let one = |request: &crate::probes::serving_requests::ServingRequest| {
        let host = host_of(view, &request.node);
        let cure = cure::manual("look whose they are with `kubectl get csr`, then `kubectl certificate approve NAME`");
        Symptom::new(Kind::Requests, Level::Warning, &host, "kubelet", cure)
    };
    pending.map(one).collect()
}

/// Sooner than this, somebody should look why the operator has not renewed it.
const TYPHA_WARNING: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Certificates of the network plugin's own. Diagnosed, never cured by deleting pods: the new pod would read the same secret.
pub(super) fn typha(view: &View<'_>) -> Vec<Symptom> {
    let Some(host) = view.fleet.hosts.iter().find(|h| h.facts.unreachable.is_none()) else {
        return Vec::new();
    };
    let one = |found: &TyphaCertificate| {
        let left = found.x509.not_after.duration_since(view.fleet.at);
        let level = match left {
            ended if ended.is_negative() => Level::Critical,
            soon if soon < TYPHA_WARNING => Level::Warning,
            _ => return None,
        };
        let cure = cure::manual(
            "the Tigera operator makes it: see that it runs, and what it logs. If it does not renew, delete the secret of that name in \
             namespace tigera-operator; it makes a new one and restarts what uses it. Deleting pods does not help",
        );
        let secret = format!("secret {NAMESPACE}/{}", found.secret);
        let mut symptom = Symptom::new(Kind::Typha, level, host.name(), &secret, cure);
        symptom.when = Some(found.x509.not_after);
        Some(symptom)
    };
    view.fleet.typha.iter().filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::diagnose;
    use crate::check::fixtures::{seed, x509};

    fn with_typha(not_after: &str) -> Vec<crate::check::Diagnosis> {
        let mut fleet = seed();
        fleet.typha = vec![TyphaCertificate {
            secret: "typha-certs".to_owned(),
            x509: x509("typha", "1", "2018-08-09T12:00:00Z", not_after),
        }];
        let found = diagnose(&fleet, &[], "prod.yaml");
        found.into_iter().filter(|d| d.sentence.contains("typha")).collect()
    }

    #[test]
    fn typhas_certificates_are_named_and_no_pod_is_blamed() {
        let [expired] = &with_typha("2019-08-09T12:00:00Z")[..] else {
            panic!("one diagnosis");
        };
        assert_eq!(expired.level, Level::Critical);
        assert!(
            expired.sentence.contains("calico-system/typha-certs of calico expired"),
            "{}",
            expired.sentence
        );
        assert!(expired.cure.text().contains("Deleting pods does not help"));
        assert!(with_typha("2030-01-01T00:00:00Z").is_empty());
    }

    #[test]
    fn parked_manifests_are_critical_and_a_restart_puts_them_back() {
        let mut fleet = seed();
        fleet.hosts[0].facts.shape.parked = vec!["/etc/kubernetes/certfleet-parked/run-1/etcd.yaml".to_owned()];
        let found = diagnose(&fleet, &[], "prod.yaml");
        let parked = found.iter().find(|d| d.sentence.contains("certfleet-parked")).unwrap();
        assert_eq!((parked.level, parked.hosts.len()), (Level::Critical, 1));
        assert_eq!(parked.cure.text(), "certfleet restart -i prod.yaml");
    }
}
