//! An etcd on hosts of its own: who can sign for it, and what is said of one that is not ours.

use crate::model::KeyMatch;

use super::View;
use super::cure::{self, Cure, Cures};
use super::inspection::Inspection;
use super::level::Level;
use super::row::{Row, Verdict};
use super::symptoms::{Kind, Named};

/// Some host can sign with etcd's CA, for itself and for the others.
pub(super) fn signable(view: &View<'_>) -> bool {
    let holds = |h: &Inspection| h.file("etcd-ca").is_some_and(|ca| ca.key == KeyMatch::Match);
    view.fleet.hosts.iter().any(holds)
}

/// What to do about a certificate that etcd's CA signs.
pub(super) fn cure(view: &View<'_>, cures: &Cures) -> Cure {
    let ours = view.fleet.hosts.iter().any(|h| h.x509("etcd-server").is_some());
    if signable(view) {
        cures.renew()
    } else if ours {
        cure::external_authority()
    } else {
        cure::etcd_elsewhere()
    }
}

/// What is not ours is only told.
pub(super) fn elsewhere(row: &Row) -> Named {
    let kind = match row.verdict {
        Verdict::Expired => Kind::Expired,
        Verdict::Expiring if row.level == Level::Critical => Kind::ExpiringCritical,
        Verdict::Expiring => Kind::Expiring,
        Verdict::NotYetValid => Kind::NotYetValid,
        _ => Kind::Unseen,
    };
    let subject = format!("the certificate of etcd at {}, seen", row.place);
    (kind, subject, cure::etcd_elsewhere())
}
