//! A kubelet's own certificates: can it start with them?

use jiff::Timestamp;

use crate::model::certificate::{CertificateState, KeyMatch};
use crate::model::{CertificateFact, X509Facts};

use super::verdict::Verdict;

const CURRENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";

/// The subject of a kubelet's client certificate.
pub fn subject(node: &str) -> String {
    format!("O=system:nodes, CN=system:node:{node}")
}

/// Whether the kubelet can start as `node` (`None`: not asked), and whether it has an expired serving pair of its own.
/// `now` is the host's clock.
pub fn judge(node: Option<&str>, serving: bool, certificates: &[CertificateFact], now: Timestamp) -> Verdict {
    let client = node.map(|node| judge_client(node, certificates, now));
    let serving = serving.then(|| judge_serving(certificates, now));
    Verdict::all(client.into_iter().chain(serving))
}

fn judge_client(node: &str, certificates: &[CertificateFact], now: Timestamp) -> Verdict {
    let find = |name: &str| certificates.iter().find(|c| c.name == name);
    if find("kubelet.conf").is_some() {
        return Verdict::wait("kubelet.conf holds another certificate");
    }
    let Some(own) = find("kubelet-client").filter(|c| c.path == CURRENT) else {
        return Verdict::wait("the kubelet's client certificate is not where it belongs");
    };
    let CertificateState::Present(x509) = &own.state else {
        return Verdict::wait(format!("the kubelet's client certificate is {}", own.state));
    };
    let authority = find("ca").is_some_and(|ca| ca.x509().is_some());
    match flaw(node, x509, own.key, authority, now) {
        Some(flaw) => Verdict::wait(format!("the kubelet's client certificate {flaw}")),
        None => Verdict::pass(format!(
            "the kubelet has a certificate for system:node:{node} until {}",
            x509.not_after.strftime("%Y-%m-%d")
        )),
    }
}

/// `authority`: the node has the CA's certificate to compare with.
fn flaw(node: &str, x509: &X509Facts, key: KeyMatch, authority: bool, now: Timestamp) -> Option<String> {
    if x509.subject != subject(node) {
        return Some(format!("is for `{}`", x509.subject));
    }
    if x509.expired(now) {
        return Some(format!("expired at {}", x509.not_after));
    }
    if matches!(key, KeyMatch::Mismatch | KeyMatch::Absent) {
        return Some("does not belong to its key".to_owned());
    }
    (authority && x509.signed_by.as_deref() != Some("ca")).then(|| "is not signed by the cluster's CA".to_owned())
}

fn judge_serving(certificates: &[CertificateFact], now: Timestamp) -> Verdict {
    let serving = certificates.iter().find(|c| c.name == "kubelet-serving");
    match serving.and_then(CertificateFact::x509).filter(|x| x.expired(now)) {
        Some(x509) => Verdict::wait(format!(
            "the kubelet's serving certificate expired at {}",
            x509.not_after
        )),
        None => Verdict::pass("no expired serving certificate"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::fixtures::at;

    fn row(name: &str, path: &str, subject: &str, key: KeyMatch, until: &str) -> CertificateFact {
        CertificateFact {
            name: name.to_owned(),
            path: path.to_owned(),
            state: CertificateState::Present(Box::new(X509Facts {
                subject: subject.to_owned(),
                issuer: "CN=kubernetes".to_owned(),
                serial: "1".to_owned(),
                not_before: at("2020-01-01T00:00:00Z"),
                not_after: at(until),
                sha256: String::new(),
                sans: Vec::new(),
                is_ca: name == "ca",
                signed_by: Some("ca".to_owned()),
            })),
            modified: None,
            key,
        }
    }

    const LATER: &str = "2021-01-01T00:00:00Z";
    const OVER: &str = "2020-02-01T00:00:00Z";

    fn own(node: &str, key: KeyMatch, until: &str) -> CertificateFact {
        row("kubelet-client", CURRENT, &subject(node), key, until)
    }

    #[test]
    fn a_kubelet_starts_only_with_a_whole_certificate_of_its_own() {
        let now = at("2020-06-01T00:00:00Z");
        let good = || own("w1", KeyMatch::Match, LATER);
        let mut foreign = good();
        if let CertificateState::Present(x509) = &mut foreign.state {
            x509.signed_by = None;
        }
        let ca = row(
            "ca",
            "/etc/kubernetes/pki/ca.crt",
            "CN=kubernetes",
            KeyMatch::Absent,
            LATER,
        );
        let inside = row(
            "kubelet.conf",
            "/etc/kubernetes/kubelet.conf",
            "x",
            KeyMatch::Match,
            LATER,
        );
        let table = [
            (vec![good(), ca.clone()], true),
            (vec![foreign.clone()], true),
            (vec![foreign, ca], false),
            (vec![own("w2", KeyMatch::Match, LATER)], false),
            (vec![own("w1", KeyMatch::Match, OVER)], false),
            (vec![own("w1", KeyMatch::Mismatch, LATER)], false),
            (vec![good(), inside], false),
            (vec![], false),
        ];
        for (rows, passes) in table {
            let verdict = judge(Some("w1"), false, &rows, now);
            assert_eq!(verdict.passed(), passes, "{rows:?}: {}", verdict.seen());
        }
        let serving = row("kubelet-serving", "/x", "CN=w1", KeyMatch::Match, OVER);
        assert!(!judge(None, true, &[serving], now).passed());
        assert!(judge(None, true, &[], now).passed());
    }
}
