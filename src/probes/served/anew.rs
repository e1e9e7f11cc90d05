//! Does a port serve another certificate than before? What k3s and RKE2 are asked: each version keeps its certificates in other
//! files, and they date the beginning of a new one back to their CA's, so only the certificate itself tells.

use jiff::Timestamp;

use super::{Endpoint, ServedAnswer, Server};
use crate::model::shape::ServedFacts;
use crate::probes::verdict::Verdict;

/// A port of the host, dialled from itself.
pub fn endpoint(port: u16) -> Endpoint {
    Endpoint {
        server: Server::Other,
        address: "127.0.0.1".to_owned(),
        port,
    }
}

/// What is kept of an answer; nothing of a port that showed no certificate.
pub fn fact(port: u16, answer: &ServedAnswer) -> Option<ServedFacts> {
    let ServedAnswer::Certificate(x509) = answer else {
        return None;
    };
    Some(ServedFacts {
        port,
        sha256: x509.sha256.clone(),
        not_after: x509.not_after,
    })
}

/// Whether a valid certificate is served, and another one than `before`. `now` is the host's clock.
pub fn judge(port: u16, answer: &ServedAnswer, before: Option<&ServedFacts>, now: Timestamp) -> Verdict {
    let x509 = match answer {
        ServedAnswer::Certificate(x509) => x509,
        ServedAnswer::Closed => return Verdict::wait(format!("nobody answers at port {port}")),
        ServedAnswer::Unknown(why) => return Verdict::wait(format!("no certificate from port {port}: {why}")),
    };
    let end = x509.not_after;
    if x509.expired(now) {
        return Verdict::wait(format!("port {port} serves a certificate that expired at {end}"));
    }
    if x509.not_yet_valid(now) {
        let from = x509.not_before;
        return Verdict::wait(format!(
            "port {port} serves a certificate that is valid only from {from}"
        ));
    }
    match before {
        Some(old) if old.sha256 == x509.sha256 => Verdict::wait(format!(
            "port {port} still serves the certificate from before the run (until {end})"
        )),
        Some(_) => Verdict::pass(format!("port {port} serves a new certificate, valid until {end}")),
        None => Verdict::pass(format!("port {port} serves a certificate that is valid until {end}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::fixtures::{at, x509};

    #[test]
    fn the_old_certificate_and_an_expired_one_are_no_proof() {
        let now = at("2020-11-22T19:00:00Z");
        let shows = |serial: &str, end: &str| {
            let mut seen = x509(serial, end);
            seen.sha256 = serial.to_owned();
            ServedAnswer::Certificate(Box::new(seen))
        };
        let old = fact(6443, &shows("1", "2020-11-23T00:00:00Z")).unwrap();
        let verdict = |answer: &ServedAnswer, before| judge(6443, answer, before, now);
        let renewed = shows("2", "2021-11-22T00:00:00Z");
        assert!(verdict(&renewed, Some(&old)).passed() && verdict(&renewed, None).passed());
        let same = verdict(&shows("1", "2020-11-23T00:00:00Z"), Some(&old));
        assert!(
            !same.passed() && same.seen().contains("from before the run"),
            "{same:?}"
        );
        let ended = verdict(&shows("2", "2020-11-20T00:00:00Z"), Some(&old));
        assert!(ended.seen().contains("expired at 2020-11-20"), "{ended:?}");
        assert!(!verdict(&ServedAnswer::Closed, None).passed());
        assert_eq!(fact(6443, &ServedAnswer::Closed), None);
    }
}
