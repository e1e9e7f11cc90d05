//! From rows to symptoms: what kind of trouble a row is, how urgent, and what cures it. Equal symptoms are folded later.

use jiff::Timestamp;

use crate::model::certificate::SIGNED_BY_ETCD;
use crate::model::{HostName, Role};
use crate::probes::served::{ServedAnswer, Server};

use super::View;
use super::cure::{self, Cure, Cures};
use super::etcd;
use super::level::Level;
use super::row::{Row, Subject, Verdict};

/// Kinds of trouble; the first is the most urgent. The order is the order of the diagnosis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// No leaf can be better than its CA.
    AuthorityExpired,
    /// A control plane without its manifests does not start.
    Parked,
    /// The clock decides what is valid.
    ClockWrong,
    /// An expired certificate is served although the file was renewed: the seed.
    ServesExpired,
    /// The files themselves.
    Mismatch,
    Expired,
    NotYetValid,
    /// A kubelet that will not start again.
    KubeletClientExpired,
    Missing,
    TokenExpired,
    /// The network plugin's own certificates, of which neither kubeadm nor pods' deletion is a cure.
    Typha,
    ExpiringCritical,
    /// Served or held, but still valid.
    NotInUse,
    AuthorityEndsFirst,
    Expiring,
    Copy,
    KubeletServing,
    Down,
    Journal,
    Requests,
    /// Of a run of ours that did not end well.
    Cordoned,
    Marked,
    RotationOff,
    Unseen,
    NoAuthorityKey,
    Unreachable,
}

/// One trouble of one host.
#[derive(Debug, Clone)]
pub(super) struct Symptom {
    pub(super) kind: Kind,
    pub(super) level: Level,
    pub(super) host: HostName,
    /// A process, or a certificate's name.
    pub(super) subject: String,
    /// When it ended or will end.
    pub(super) when: Option<Timestamp>,
    /// When the file was renewed.
    pub(super) renewed: Option<Timestamp>,
    /// More to say; symptoms that differ in it are not folded.
    pub(super) detail: String,
    pub(super) cure: Cure,
}

impl Symptom {
    pub(super) fn new(kind: Kind, level: Level, host: &HostName, subject: &str, cure: Cure) -> Self {
        Self {
            kind,
            level,
            host: host.clone(),
            subject: subject.to_owned(),
            when: None,
            renewed: None,
            detail: String::new(),
            cure,
        }
    }
}

/// The trouble in a row, if there is any.
pub(super) fn of_row(view: &View<'_>, cures: &Cures, row: &Row) -> Option<Symptom> {
    if !row.is_problem() || (row.subject == Subject::Held && is_down(view, row)) {
        return None;
    }
    let (kind, subject, cure) = match row.subject {
        Subject::Host => (
            Kind::Unreachable,
            String::new(),
            cure::manual("make `ssh` to it work from here, then check again"),
        ),
        Subject::File => file(view, cures, row),
        Subject::Served => served(view, cures, row),
        Subject::Held => held(cures, row),
        Subject::Copy => (
            Kind::Copy,
            format!("{} ({})", row.name, row.place),
            copy_cure(view, cures, row),
        ),
        Subject::Token => (token_kind(row), "the CNI's token".to_owned(), token_cure()),
    };
    let mut symptom = Symptom::new(kind, row.level, &row.host, &subject, cure);
    symptom.when = row.not_after;
    symptom.renewed = row.modified;
    symptom.detail = detail(kind, row);
    if kind == Kind::NotYetValid {
        symptom.when = row.not_before;
    }
    Some(symptom)
}

/// Where the kind's sentence does not say all, the row's own words; serials and dates would keep equal troubles apart.
fn detail(kind: Kind, row: &Row) -> String {
    let own_words = matches!(
        kind,
        Kind::Mismatch | Kind::Missing | Kind::Unseen | Kind::Unreachable | Kind::Down
    );
    if own_words || (kind == Kind::Copy && row.verdict == Verdict::Unknown) {
        return row.detail.clone().unwrap_or_default();
    }
    if kind == Kind::Copy {
        row.verdict.words().to_owned()
    } else {
        String::new()
    }
}

pub(super) type Named = (Kind, String, Cure);

fn file(view: &View<'_>, cures: &Cures, row: &Row) -> Named {
    let name = row.name.clone();
    let authority = matches!(name.as_str(), "ca" | "etcd-ca" | "front-proxy-ca");
    let cure = match row.name.as_str() {
        _ if authority => cure::new_authority(),
        "kubelet-client" | "kubelet.conf" => cures.kubelet_client(signable(view)),
        "kubelet-serving" => cures.kubelet_serving(&row.place, serving_renewable(view, row)),
        _ if is_own(view, row) => cure::own_file(&row.place),
        name if SIGNED_BY_ETCD.contains(&name) => etcd::cure(view, cures),
        _ if without_key(view, row) => cure::external_authority(),
        _ => cures.renew(),
    };
    let kubelet_client = matches!(row.name.as_str(), "kubelet-client" | "kubelet.conf");
    let kind = match row.verdict {
        _ if name == "kubelet-serving" => Kind::KubeletServing,
        Verdict::Mismatch => return (Kind::Mismatch, name.clone(), mismatch_cure(view, cures, row, &name)),
        Verdict::Missing => return (Kind::Missing, name, missing_cure(row, cure)),
        Verdict::Expired if authority => Kind::AuthorityExpired,
        Verdict::Expired if kubelet_client => Kind::KubeletClientExpired,
        Verdict::Expired => Kind::Expired,
        Verdict::NotYetValid => {
            return (
                Kind::NotYetValid,
                name,
                cure::manual("set the host's clock (chrony, systemd-timesyncd), then check again"),
            );
        }
        Verdict::Expiring if row.level == Level::Critical => Kind::ExpiringCritical,
        Verdict::Expiring => Kind::Expiring,
        Verdict::Unknown | Verdict::Ok | Verdict::RenewedNotInUse => {
            return (
                Kind::Unseen,
                name,
                cure::manual(format!("look at {} on the host", row.place)),
            );
        }
    };
    (kind, name, cure)
}

/// Some master can sign for a kubelet.
fn signable(view: &View<'_>) -> bool {
    view.fleet.hosts.iter().any(|h| h.facts.ca_key == Some(true))
}

/// `renew` looks after kubelets that have an API server, and refuses a cluster whose CA's key is elsewhere.
fn serving_renewable(view: &View<'_>, row: &Row) -> bool {
    let mut hosts = view.fleet.hosts.iter();
    let alone = hosts.any(|h| h.facts.host == row.host && h.role == Role::Etcd);
    let mut masters = view.fleet.hosts.iter().filter(|h| h.role == Role::ControlPlane);
    let elsewhere = masters.any(|h| h.facts.ca_key == Some(false));
    row.verdict == Verdict::Expired && !alone && !elsewhere
}

/// A flag of its component names the file, and kubeadm does not renew it.
fn is_own(view: &View<'_>, row: &Row) -> bool {
    let host = view.fleet.hosts.iter().find(|h| h.facts.host == row.host);
    host.is_some_and(|h| h.file(&row.name).is_some_and(|fact| h.is_own(fact)))
}

/// `kubeadm certs renew` needs the key of the CA beside it.
fn without_key(view: &View<'_>, row: &Row) -> bool {
    let host = view.fleet.hosts.iter().find(|h| h.facts.host == row.host);
    host.is_some_and(|h| h.facts.ca_key == Some(false))
}

fn mismatch_cure(view: &View<'_>, cures: &Cures, row: &Row, name: &str) -> Cure {
    let detail = row.detail.as_deref().unwrap_or_default();
    if name.starts_with("kubelet") {
        cures.kubelet_client(signable(view))
    } else if detail.starts_with("made for") {
        cure::remake(name)
    } else if detail.starts_with("not signed") {
        cure::manual(
            "find out which CA the cluster uses: put the right ca.crt back on this host, or renew the certificate with the right one",
        )
    } else {
        // Certificate and key of two renewals: a new renewal makes both.
        cures.renew()
    }
}

fn missing_cure(row: &Row, otherwise: Cure) -> Cure {
    if row.name.starts_with("kubelet") {
        return otherwise;
    }
    cure::manual(format!(
        "restore {} from a backup of this host, or make it there with `kubeadm init phase certs` or `kubeadm init phase kubeconfig`",
        row.place
    ))
}

fn served(view: &View<'_>, cures: &Cures, row: &Row) -> Named {
    let process = row.process.clone().unwrap_or_default();
    if process == "kubelet" && row.verdict != Verdict::Unknown {
        return (
            Kind::KubeletServing,
            "kubelet-serving".to_owned(),
            cures.kubelet_serving(serving_file(view, row), serving_renewable(view, row)),
        );
    }
    if process == Server::EtcdElsewhere.process() {
        return etcd::elsewhere(row);
    }
    let ended = row.not_after.is_some() && row.level == Level::Critical;
    let renew = if is_own(view, row) {
        cure::own_file(&row.name)
    } else if SIGNED_BY_ETCD.contains(&row.name.as_str()) {
        etcd::cure(view, cures)
    } else {
        cures.renew()
    };
    match row.verdict {
        Verdict::RenewedNotInUse if ended => (Kind::ServesExpired, process, cures.restart()),
        Verdict::RenewedNotInUse => (Kind::NotInUse, process, cures.restart()),
        // The file is as bad: its own row says so, and one cure is enough.
        Verdict::Expired => (Kind::Expired, row.name.clone(), renew),
        Verdict::Expiring if row.level == Level::Critical => (Kind::ExpiringCritical, row.name.clone(), renew),
        Verdict::Expiring => (Kind::Expiring, row.name.clone(), renew),
        Verdict::Mismatch => (Kind::Mismatch, process, cures.restart()),
        _ => {
            let down = row.detail.as_deref() == Some("nothing listens there");
            let kind = if down { Kind::Down } else { Kind::Unseen };
            (kind, format!("{process} ({})", row.place), cures.journal())
        }
    }
}

/// The file that the kubelet of the row's host serves, as far as it is known.
fn serving_file<'a>(view: &View<'a>, row: &Row) -> &'a str {
    let host = view.fleet.hosts.iter().find(|h| h.facts.host == row.host);
    host.and_then(|h| h.file("kubelet-serving"))
        .map_or(cure::SELF_SIGNED, |f| f.path.as_str())
}

/// Nobody knows what a process holds that does not run; that its port is closed is said already.
fn is_down(view: &View<'_>, row: &Row) -> bool {
    let host = view.fleet.hosts.iter().find(|h| h.facts.host == row.host);
    let shown = host.into_iter().flat_map(|h| &h.handshakes);
    let mut own = shown.filter(|h| row.process.as_deref() == Some(h.served.endpoint.server.process()));
    row.verdict == Verdict::Unknown && own.any(|h| h.served.answer == ServedAnswer::Closed)
}

fn held(cures: &Cures, row: &Row) -> Named {
    let process = row.process.clone().unwrap_or_default();
    if row.verdict == Verdict::RenewedNotInUse {
        return (Kind::NotInUse, process, cures.restart());
    }
    (Kind::Unseen, process, cures.journal())
}

/// A copy of an admin.conf that has expired itself is refreshed by its renewal.
fn copy_cure(view: &View<'_>, cures: &Cures, row: &Row) -> Cure {
    let host = view.fleet.hosts.iter().find(|h| h.facts.host == row.host);
    let admin = host.and_then(|h| h.x509("admin.conf").map(|x| x.expired(view.now(h))));
    if row.verdict == Verdict::Expired && admin == Some(true) && host.is_some_and(|h| h.facts.ca_key == Some(true)) {
        return cures.renew();
    }
    cure::manual(format!(
        "copy the renewed one over it: `sudo cp /etc/kubernetes/admin.conf {}` on a master, or fetch it from there; keep its owner",
        row.place
    ))
}

fn token_kind(row: &Row) -> Kind {
    if row.verdict == Verdict::Expired {
        Kind::TokenExpired
    } else {
        Kind::Expiring
    }
}

fn token_cure() -> Cure {
    cure::manual(
        "delete the host's calico-node pod, it writes a new token: `kubectl -n kube-system delete pod -l k8s-app=calico-node --field-selector spec.nodeName=NODE` (calico-system for the operator)",
    )
}
