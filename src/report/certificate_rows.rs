//! The certificates of a fleet as rows: facts, the clock and two thresholds in, verdicts out.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use crate::model::{CertificateFact, CertificateState, HostFacts, HostName, KeyMatch, X509Facts};

/// When a certificate that is still good becomes a worry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    pub warn: Duration,
    pub critical: Duration,
}

impl Default for Thresholds {
    /// 30 and 7 days, as `--warn` and `--critical` say.
    fn default() -> Self {
        let days = |n: u64| Duration::from_secs(n * 86_400);
        Self {
            warn: days(30),
            critical: days(7),
        }
    }
}

/// The words of monitoring plugins; the greater is the worse. Unknown is worse than ok only: a warning that is known
/// must not hide behind a host that did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckLevel {
    Ok,
    Unknown,
    Warning,
    Critical,
}

/// What is the matter with one certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowState {
    Ok,
    Expiring,
    Expired,
    NotYetValid,
    Missing,
    Dangling,
    Unreadable,
    KeyMismatch,
    KeyMissing,
    /// The signer expires first: the certificate is worth nothing from then on.
    SignerExpired,
    /// The host could not be asked.
    Unreachable,
}

/// One certificate of one host, or the reason why a host has none to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct CertificateRow {
    pub host: HostName,
    /// Empty for an unreachable host.
    pub name: String,
    pub path: String,
    pub state: RowState,
    pub level: CheckLevel,
    pub not_before: Option<Timestamp>,
    pub not_after: Option<Timestamp>,
    /// Seconds until notAfter; negative = that long ago.
    pub residual_seconds: Option<i64>,
    pub issuer: Option<String>,
    pub serial: Option<String>,
    pub sha256: Option<String>,
    /// notAfter of the CA that signed it, if that CA is on the same host.
    pub signer_not_after: Option<Timestamp>,
    /// More than the state's own word, if there is more to say.
    pub detail: Option<String>,
}

/// All rows, host by host. Files that a host of its kind does not need are no rows when they are missing.
pub fn rows(facts: &BTreeMap<HostName, HostFacts>, now: Timestamp, thresholds: Thresholds) -> Vec<CertificateRow> {
    facts.values().flat_map(|f| of_host(f, now, thresholds)).collect()
}

/// The worst level of all; no row at all is `Unknown`, since nothing was proven.
pub fn worst(rows: &[CertificateRow]) -> CheckLevel {
    rows.iter().map(|r| r.level).max().unwrap_or(CheckLevel::Unknown)
}

fn of_host(facts: &HostFacts, now: Timestamp, thresholds: Thresholds) -> Vec<CertificateRow> {
    if let Some(why) = &facts.unreachable {
        return vec![nothing(facts, why.clone())];
    }
    if facts.certificates.is_empty() {
        let why = if facts.problems.is_empty() {
            "no certificate was found".to_owned()
        } else {
            facts.problems.join("; ")
        };
        return vec![nothing(facts, why)];
    }
    let wanted = |c: &&CertificateFact| c.state != CertificateState::Missing || is_expected(&c.name, facts);
    let certificates = facts.certificates.iter().filter(wanted);
    certificates.map(|c| one(c, facts, now, thresholds)).collect()
}

fn nothing(facts: &HostFacts, why: String) -> CertificateRow {
    CertificateRow {
        detail: Some(why),
        level: CheckLevel::Unknown,
        ..empty(&facts.host, "", "", RowState::Unreachable)
    }
}

fn empty(host: &HostName, name: &str, path: &str, state: RowState) -> CertificateRow {
    CertificateRow {
        host: host.clone(),
        name: name.to_owned(),
        path: path.to_owned(),
        state,
        level: CheckLevel::Critical,
        not_before: None,
        not_after: None,
        residual_seconds: None,
        issuer: None,
        serial: None,
        sha256: None,
        signer_not_after: None,
        detail: None,
    }
}

fn one(certificate: &CertificateFact, facts: &HostFacts, now: Timestamp, thresholds: Thresholds) -> CertificateRow {
    let blank = |state| empty(&facts.host, &certificate.name, &certificate.path, state);
    let with = |state, detail: String| CertificateRow {
        detail: Some(detail),
        ..blank(state)
    };
    match &certificate.state {
        CertificateState::Missing => blank(RowState::Missing),
        CertificateState::Dangling(target) => with(RowState::Dangling, format!("the link leads to {target}")),
        CertificateState::Unreadable(why) => with(RowState::Unreadable, why.clone()),
        CertificateState::Present(x509) => present(certificate, x509, facts, now, thresholds),
    }
}

fn present(
    certificate: &CertificateFact,
    x509: &X509Facts,
    facts: &HostFacts,
    now: Timestamp,
    thresholds: Thresholds,
) -> CertificateRow {
    let signer = x509.signed_by.as_deref().filter(|s| *s != certificate.name);
    let signer = signer
        .and_then(|s| facts.certificate(s))
        .and_then(CertificateFact::x509);
    let (state, level, detail) = judge(certificate, x509, signer, now, thresholds);
    CertificateRow {
        level,
        not_before: Some(x509.not_before),
        not_after: Some(x509.not_after),
        residual_seconds: Some(seconds_until(x509.not_after, now)),
        issuer: Some(x509.issuer.clone()),
        serial: Some(x509.serial.clone()),
        sha256: Some(x509.sha256.clone()),
        signer_not_after: signer.map(|s| s.not_after),
        detail,
        ..empty(&facts.host, &certificate.name, &certificate.path, state)
    }
}

type Judgement = (RowState, CheckLevel, Option<String>);

fn judge(
    certificate: &CertificateFact,
    x509: &X509Facts,
    signer: Option<&X509Facts>,
    now: Timestamp,
    thresholds: Thresholds,
) -> Judgement {
    let critical = |state, detail: Option<&str>| (state, CheckLevel::Critical, detail.map(str::to_owned));
    let within =
        |limit: Duration| seconds_until(x509.not_after, now) <= i64::try_from(limit.as_secs()).unwrap_or(i64::MAX);
    match certificate.key {
        _ if x509.expired(now) => critical(RowState::Expired, None),
        _ if x509.not_yet_valid(now) => {
            critical(RowState::NotYetValid, Some("compare the clocks of host and controller"))
        }
        _ if signer.is_some_and(|s| s.expired(now)) => critical(RowState::SignerExpired, None),
        KeyMatch::Mismatch => critical(
            RowState::KeyMismatch,
            Some("the private key belongs to another certificate"),
        ),
        KeyMatch::Absent if !x509.is_ca => critical(RowState::KeyMissing, None),
        _ if within(thresholds.critical) => critical(RowState::Expiring, None),
        _ if within(thresholds.warn) => (RowState::Expiring, CheckLevel::Warning, None),
        KeyMatch::Absent if certificate.path.contains("/pki/") => (
            RowState::Ok,
            CheckLevel::Ok,
            Some("its key is not on this host".to_owned()),
        ),
        _ => (RowState::Ok, CheckLevel::Ok, None),
    }
}

fn seconds_until(then: Timestamp, now: Timestamp) -> i64 {
    then.as_second() - now.as_second()
}

/// Whether a host of this kind cannot do without the file. `super-admin.conf` may have been removed, and a kubelet may
/// serve with a certificate that it made for itself.
fn is_expected(name: &str, facts: &HostFacts) -> bool {
    let has = |wanted: &str| facts.certificate(wanted).is_some_and(|c| c.x509().is_some());
    let runs = |pod: &str| facts.static_pods.iter().any(|p| p == pod);
    let master = runs("kube-apiserver") || has("apiserver") || has("admin.conf");
    let etcd = runs("etcd") || has("etcd-server");
    match name {
        "apiserver"
        | "apiserver-kubelet-client"
        | "apiserver-etcd-client"
        | "front-proxy-client"
        | "front-proxy-ca"
        | "admin.conf"
        | "controller-manager.conf"
        | "scheduler.conf" => master,
        "etcd-server" | "etcd-peer" | "etcd-healthcheck-client" | "etcd-ca" => etcd,
        "ca" | "kubelet-client" => master || !etcd,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::{NOW, certificate, check_facts};

    #[test]
    fn every_trouble_has_its_word_and_level() {
        let rows = rows(&check_facts(), NOW, Thresholds::default());
        let of = |host: &str, name: &str| {
            let row = rows.iter().find(|r| r.host.as_str() == host && r.name == name);
            row.map(|r| (r.state, r.level))
        };
        assert_eq!(of("m1", "apiserver"), Some((RowState::Expired, CheckLevel::Critical)));
        assert_eq!(of("m1", "ca"), Some((RowState::Ok, CheckLevel::Ok)));
        assert_eq!(of("m2", "apiserver"), Some((RowState::Missing, CheckLevel::Critical)));
        assert_eq!(of("m2", "super-admin.conf"), None, "missing is normal");
        assert_eq!(of("worker04", ""), Some((RowState::Unreachable, CheckLevel::Unknown)));
        assert_eq!(worst(&rows), CheckLevel::Critical);
        assert_eq!(worst(&[]), CheckLevel::Unknown);
    }

    #[test]
    fn thresholds_are_inclusive_and_the_signer_counts() {
        let host = HostName::from("m1");
        let mut facts = HostFacts::unknown(host.clone());
        let state = |facts: &HostFacts| {
            let fleet = BTreeMap::from([(host.clone(), facts.clone())]);
            let rows = rows(&fleet, NOW, Thresholds::default());
            (rows[0].state, rows[0].level)
        };
        for (seconds, want) in [
            (7 * 86_400, (RowState::Expiring, CheckLevel::Critical)),
            (7 * 86_400 + 1, (RowState::Expiring, CheckLevel::Warning)),
            (30 * 86_400, (RowState::Expiring, CheckLevel::Warning)),
            (30 * 86_400 + 1, (RowState::Ok, CheckLevel::Ok)),
            (-1, (RowState::Expired, CheckLevel::Critical)),
        ] {
            facts.certificates = vec![certificate("apiserver", seconds)];
            assert_eq!(state(&facts), want, "{seconds}");
        }
        facts.certificates = vec![certificate("apiserver", 90 * 86_400), certificate("ca", -5)];
        assert_eq!(state(&facts), (RowState::SignerExpired, CheckLevel::Critical));
        facts.certificates[0].key = KeyMatch::Mismatch;
        facts.certificates.pop();
        assert_eq!(state(&facts), (RowState::KeyMismatch, CheckLevel::Critical));
    }
}
