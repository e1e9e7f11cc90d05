//! Certificates that were renewed just now: renewing them again would only cost a restart (docs/adr/0006).

use jiff::{SignedDuration, Timestamp};

use crate::model::certificate::KeyMatch;
use crate::model::{CertificateFact, HostFacts, X509Facts};

use super::types::SkippedPart;

/// At least this part of its life is left, in percent.
const LEFT_PERCENT: i128 = 90;
/// What kubeadm gives, unless it was told otherwise (`certificateValidityPeriod`, 1.31).
const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);
/// How reasons begin.
const FRESH: &str = "fresh already: ";

/// Moves fresh certificates to what is left out, each with the reason.
pub(super) fn leave_out<'a>(
    present: Vec<&'a CertificateFact>,
    facts: &HostFacts,
    now: Timestamp,
    left_out: &mut Vec<SkippedPart>,
) -> Vec<&'a CertificateFact> {
    let (fresh, old): (Vec<_>, Vec<_>) = present
        .into_iter()
        .map(|c| (c, why_fresh(c, facts, now)))
        .partition(|(_, why)| why.is_some());
    left_out.extend(fresh.into_iter().filter_map(|(c, why)| {
        Some(SkippedPart {
            what: c.name.clone(),
            why: why?,
        })
    }));
    old.into_iter().map(|(c, _)| c).collect()
}

/// Whether something was left out for its freshness.
pub(super) fn is_reason(why: &str) -> bool {
    why.starts_with(FRESH)
}

/// Valid, with its own key, signed by an authority of this host, and hardly used up.
fn why_fresh(certificate: &CertificateFact, facts: &HostFacts, now: Timestamp) -> Option<String> {
    let x509 = certificate.x509()?;
    let sound = x509.signed_by.is_some() && !matches!(certificate.key, KeyMatch::Mismatch | KeyMatch::Absent);
    if !sound || x509.expired(now) || x509.not_yet_valid(now) {
        return None;
    }
    let percent = left_percent(x509, facts, now);
    (percent >= LEFT_PERCENT).then(|| {
        format!(
            "{FRESH}{} % of its life is left, until {}",
            percent.min(100),
            x509.not_after.strftime("%Y-%m-%d")
        )
    })
}

fn left_percent(x509: &X509Facts, facts: &HostFacts, now: Timestamp) -> i128 {
    let left = x509.not_after.duration_since(now).as_millis();
    let life = life(x509, facts).as_millis().max(1);
    left * 100 / life
}

/// How long the certificate was meant to live. Many kubeadm releases copy notBefore from the CA, whatever the day: then
/// the certificate itself does not tell, and kubeadm's year is taken.
pub(super) fn life(x509: &X509Facts, facts: &HostFacts) -> SignedDuration {
    let copied = facts
        .certificates
        .iter()
        .filter_map(CertificateFact::x509)
        .any(|ca| ca.is_ca && ca.not_before == x509.not_before);
    if copied {
        YEAR
    } else {
        x509.not_after.duration_since(x509.not_before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CertificateState;
    use crate::operations::fixtures::{certificate, facts};

    const DAY: i64 = 86_400;

    fn at(day: i64) -> Timestamp {
        Timestamp::from_second(1_600_000_000 + day * DAY).unwrap()
    }

    /// Valid from a day to a day, seen on day 0.
    fn seen(from: i64, to: i64, change: impl FnOnce(&mut CertificateFact)) -> Option<String> {
        let dated = |name: &str, from, to, is_ca| {
            let mut fact = certificate(name, KeyMatch::Match);
            if let CertificateState::Present(x509) = &mut fact.state {
                (x509.not_before, x509.not_after, x509.is_ca) = (at(from), at(to), is_ca);
                x509.signed_by = Some("ca".to_owned());
            }
            fact
        };
        let mut facts = facts("m1");
        facts.certificates = vec![dated("ca", -1000, 2650, true)];
        let mut leaf = dated("apiserver", from, to, false);
        change(&mut leaf);
        why_fresh(&leaf, &facts, at(0))
    }

    #[test]
    fn nine_tenths_of_a_life_are_fresh() {
        let table = [
            (0, 365, true),
            (-36, 329, true),
            (-37, 328, false),
            (-146, 219, false),
            (-2, 18, true),
            (-3, 17, false),
            (1, 366, false),
            (-366, -1, false),
            // notBefore copied from the CA: a year is assumed.
            (-1000, 364, true),
            (-1000, 219, false),
        ];
        for (from, to, fresh) in table {
            assert_eq!(seen(from, to, |_| {}).is_some(), fresh, "{from}..{to}");
        }
        assert_eq!(
            seen(0, 365, |_| {}).as_deref(),
            Some("fresh already: 100 % of its life is left, until 2021-09-13")
        );
    }

    #[test]
    fn a_wrong_key_or_a_foreign_signature_is_never_fresh() {
        assert_eq!(seen(0, 365, |c| c.key = KeyMatch::Mismatch), None);
        let foreign = |c: &mut CertificateFact| {
            if let CertificateState::Present(x509) = &mut c.state {
                x509.signed_by = None;
            }
        };
        assert_eq!(seen(0, 365, foreign), None);
    }
}
