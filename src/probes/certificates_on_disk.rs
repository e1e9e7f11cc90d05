//! Which certificates are on this host's disk, and were they renewed?

use jiff::Timestamp;
use x509_parser::pem::Pem;

use crate::model::certificate::{CertificateBefore, CertificateState, KeyMatch, RENEWABLE};
use crate::model::{CertificateFact, Command, Host, Output, mask, scripts};

use super::error::{ProbeError, text_of};
use super::verdict::Verdict;
use super::x509;

const WHAT: &str = "certificates on disk";
const HEADER: &str = "@certificate\t";
const AUTHORITIES: [&str; 3] = ["ca", "etcd-ca", "front-proxy-ca"];

/// `certfleet:read-certificates`.
pub fn command(host: &Host) -> Command {
    Command::script(&scripts::READ_CERTIFICATES, [host.kubernetes.cert_dir.as_str()])
}

/// One row as the host wrote it.
struct Row<'a> {
    fields: [&'a str; 5],
    pem: String,
}

/// Reads every row; a certificate that cannot be read is a row that says so. `signed_by` is a verified signature of
/// one of the host's own authorities.
///
/// # Errors
/// The script did not run, or a header is malformed.
pub fn parse(output: &Output) -> Result<Vec<CertificateFact>, ProbeError> {
    let text = text_of(WHAT, output)?;
    let rows = rows(&text)?;
    let read: Vec<(CertificateFact, Vec<Vec<u8>>)> = rows.iter().map(fact).collect();
    let authorities: Vec<(String, Vec<u8>)> = read
        .iter()
        .filter(|(f, _)| AUTHORITIES.contains(&f.name.as_str()))
        .flat_map(|(f, ders)| ders.iter().map(|der| (f.name.clone(), der.clone())))
        .collect();
    Ok(read
        .into_iter()
        .map(|(fact, ders)| with_signer(fact, &ders, &authorities))
        .collect())
}

fn rows(text: &str) -> Result<Vec<Row<'_>>, ProbeError> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for line in text.lines() {
        if let Some(header) = line.strip_prefix(HEADER) {
            let fields: Vec<&str> = header.split('\t').collect();
            let fields = fields
                .try_into()
                .map_err(|_| ProbeError::format(WHAT, format!("odd header `{header}`")))?;
            rows.push(Row {
                fields,
                pem: String::new(),
            });
        } else if let Some(row) = rows.last_mut() {
            row.pem.push_str(line);
            row.pem.push('\n');
        }
    }
    Ok(rows)
}

fn fact(row: &Row<'_>) -> (CertificateFact, Vec<Vec<u8>>) {
    let [name, path, state, modified, key] = row.fields;
    let ders = ders(&row.pem);
    let fact = CertificateFact {
        name: name.to_owned(),
        path: path.to_owned(),
        state: certificate_state(state, ders.as_deref().unwrap_or_default()),
        modified: modified.parse().ok().and_then(|s| Timestamp::from_second(s).ok()),
        key: key_match(key),
    };
    (fact, ders.unwrap_or_default())
}

/// Every block, or nothing when one of them is damaged.
fn ders(pem: &str) -> Option<Vec<Vec<u8>>> {
    Pem::iter_from_buffer(pem.as_bytes())
        .map(|block| block.ok().map(|b| b.contents))
        .collect()
}

fn certificate_state(state: &str, ders: &[Vec<u8>]) -> CertificateState {
    let (word, rest) = state.split_once(' ').unwrap_or((state, ""));
    match (word, ders.first()) {
        ("present", Some(leaf)) => x509::parse_der(leaf).map_or_else(
            |error| CertificateState::Unreadable(error.to_string()),
            |x509| CertificateState::Present(Box::new(x509)),
        ),
        ("present", None) => CertificateState::Unreadable("its PEM is damaged".to_owned()),
        ("missing", _) => CertificateState::Missing,
        ("dangling", _) => CertificateState::Dangling(rest.to_owned()),
        ("unreadable", _) => CertificateState::Unreadable(mask(rest)),
        _ => CertificateState::Unreadable(format!("the host says `{state}`")),
    }
}

fn key_match(word: &str) -> KeyMatch {
    match word {
        "match" => KeyMatch::Match,
        "mismatch" => KeyMatch::Mismatch,
        "absent" => KeyMatch::Absent,
        _ => KeyMatch::Unknown,
    }
}

fn with_signer(mut fact: CertificateFact, ders: &[Vec<u8>], authorities: &[(String, Vec<u8>)]) -> CertificateFact {
    let (Some(leaf), CertificateState::Present(x509)) = (ders.first(), &mut fact.state) else {
        return fact;
    };
    let signer = authorities.iter().find(|(_, ca)| x509::signed_by(leaf, ca));
    x509.signed_by = signer.map(|(name, _)| name.clone());
    fact
}

/// Whether each certificate of `before` is another one now that ends no earlier (or, where the cluster has another validity period by now,
/// begins later), and no certificate that kubeadm renews is expired. X.509 counts in seconds (RFC 5280, section 4.1.2.5), so one that is
/// renewed twice within one ends when the first did.
/// `now` is the host's clock. An empty `before` (a restart without renewal) leaves the second half.
pub fn judge(before: &[CertificateBefore], certificates: &[CertificateFact], now: Timestamp) -> Verdict {
    let renewed = before.iter().map(|b| renewed(b, certificates));
    let sound = certificates
        .iter()
        .filter(|c| RENEWABLE.contains(&c.name.as_str()))
        .filter_map(|c| unsound(c, now));
    let verdicts: Vec<Verdict> = renewed.chain(sound).filter(|v| !v.passed()).collect();
    if verdicts.is_empty() {
        let count = certificates
            .iter()
            .filter(|c| RENEWABLE.contains(&c.name.as_str()))
            .count();
        return Verdict::pass(format!("{} renewed, {count} valid", before.len()));
    }
    Verdict::all(verdicts)
}

/// As [`judge`], of these certificates alone: other steps may still have to renew the others.
pub fn judge_only(before: &[CertificateBefore], certificates: &[CertificateFact], now: Timestamp) -> Verdict {
    let named = |c: &&CertificateFact| before.iter().any(|b| b.name == c.name);
    let certificates: Vec<CertificateFact> = certificates.iter().filter(named).cloned().collect();
    judge(before, &certificates, now)
}

fn renewed(before: &CertificateBefore, certificates: &[CertificateFact]) -> Verdict {
    let name = &before.name;
    let fact = certificates.iter().find(|c| c.name == *name);
    let Some(x509) = fact.and_then(CertificateFact::x509) else {
        let state = fact.map_or_else(|| "gone".to_owned(), |f| f.state.to_string());
        return Verdict::fail(format!("{name} is {state}"), "Restore it from the backup of this run.");
    };
    let newer = x509.not_after >= before.not_after || before.not_before.is_some_and(|b| x509.not_before > b);
    if x509.serial == before.serial || !newer {
        let seen = format!(
            "{name} was not renewed: serial {}, expires {}",
            x509.serial, x509.not_after
        );
        return Verdict::fail(
            seen,
            format!("Run `kubeadm certs renew {name}` on the host and read what it says."),
        );
    }
    Verdict::pass(format!("{name} renewed"))
}

fn unsound(fact: &CertificateFact, now: Timestamp) -> Option<Verdict> {
    let (name, x509) = (&fact.name, fact.x509()?);
    if x509.expired(now) {
        let remedy = "Renew it: `certfleet renew`.";
        return Some(Verdict::fail(format!("{name} expired at {}", x509.not_after), remedy));
    }
    if fact.key == KeyMatch::Mismatch {
        let remedy = "Certificate and key come from different renewals: renew this name again, or restore both.";
        return Some(Verdict::fail(format!("{name} does not belong to its key"), remedy));
    }
    let early = x509.not_yet_valid(now);
    early.then(|| {
        Verdict::wait(format!(
            "{name} is valid only from {}: the clock is behind",
            x509.not_before
        ))
    })
}

#[cfg(test)]
mod tests;
