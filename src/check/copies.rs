//! Kubeconfigs that were copied out of kubeadm's sight, and the tokens of the CNI.

use crate::model::X509Facts;
use crate::model::certificate::CertificateState;
use crate::probes::surroundings::{CopyFacts, TokenFacts};

use super::View;
use super::inspection::Inspection;
use super::level::Level;
use super::row::{Row, Subject, Verdict};

/// Files whose content people copy.
const ORIGINALS: [&str; 2] = ["admin.conf", "super-admin.conf"];

/// The rows of one host's copies and tokens.
pub(super) fn rows(view: &View<'_>, host: &Inspection) -> Vec<Row> {
    let Some(around) = &host.surroundings else {
        return Vec::new();
    };
    let copies = around.copies.iter().map(|c| copy(view, host, c));
    copies
        .chain(around.tokens.iter().filter_map(|t| token(view, host, t)))
        .collect()
}

fn copy(view: &View<'_>, host: &Inspection, copy: &CopyFacts) -> Row {
    let name = format!("kubeconfig of {}", copy.source);
    let mut blank = Row::new(&host.facts.host, Subject::Copy, &name, &copy.path)
        .resting_on("fingerprint of the certificate inside");
    blank.modified = copy.modified;
    // A person's own kubeconfig stops that person; a pod's stops what the pod does.
    let worst = if copy.source == "root" || copy.source.starts_with("user") {
        Level::Warning
    } else {
        Level::Critical
    };
    match &copy.state {
        CertificateState::Present(x509) => {
            let (judgement, detail) = judge(view, host, x509);
            let (verdict, level) = judgement;
            blank.with_x509(x509).judged((verdict, level.min(worst)), detail)
        }
        CertificateState::Missing => blank.judged((Verdict::Missing, worst), None),
        CertificateState::Dangling(target) => blank.judged(
            (Verdict::Missing, worst),
            Some(format!("a symlink to {target}, which is not there")),
        ),
        CertificateState::Unreadable(why) => blank.judged((Verdict::Unknown, Level::Unknown), Some(why.clone())),
    }
}

fn judge(view: &View<'_>, host: &Inspection, copied: &X509Facts) -> ((Verdict, Level), Option<String>) {
    let dates = view.thresholds.judge(copied, view.now(host));
    let originals = || {
        view.fleet
            .hosts
            .iter()
            .flat_map(|h| ORIGINALS.iter().filter_map(move |n| h.x509(n).map(|x| (h, *n, x))))
    };
    let same = originals()
        .filter(|(_, _, x)| x.sha256 == copied.sha256)
        .min_by_key(|(h, _, _)| h.facts.host != host.facts.host);
    if let Some((h, name, _)) = same {
        // Hosts that read the same are shown together.
        let whose = if h.facts.host == host.facts.host {
            "this host"
        } else {
            h.facts.host.as_str()
        };
        return (dates, Some(format!("the same certificate as {name} of {whose}")));
    }
    let newer = |x: &X509Facts| x.subject == copied.subject && x.not_after > copied.not_after;
    let here = originals()
        .filter(|(_, _, x)| newer(x))
        .min_by_key(|(h, _, _)| h.facts.host != host.facts.host);
    match here {
        Some((h, name, x)) => {
            let why = format!(
                "an earlier {name}; the one of {} expires {}",
                h.facts.host,
                x.not_after.strftime("%Y-%m-%d")
            );
            ((Verdict::RenewedNotInUse, dates.1.max(Level::Warning)), Some(why))
        }
        None => (dates, None),
    }
}

/// A token without an end is no row: nothing about it can break.
fn token(view: &View<'_>, host: &Inspection, token: &TokenFacts) -> Option<Row> {
    let expires = token.expires?;
    let mut row = Row::new(&host.facts.host, Subject::Token, "cni-token", &token.path)
        .resting_on("exp of the token, read on the host");
    (row.not_before, row.not_after) = (token.issued, Some(expires));
    let thresholds = token.issued.map_or(view.thresholds, |issued| {
        view.thresholds.for_rotating(expires.duration_since(issued))
    });
    let judgement = thresholds.judge_end(expires, view.now(host));
    let why = (judgement.0 == Verdict::Expired).then(|| "no pod can be created or deleted on this host".to_owned());
    Some(row.judged(judgement, why))
}
