//! What answers where this host's kubelet.conf points: a VIP, a load balancer or a master? Asked from the host itself.

use jiff::Timestamp;

use crate::model::{HostFacts, X509Facts};

use super::served::{Endpoint, ServedAnswer, kubelet_endpoint};
use super::verdict::Verdict;

/// The endpoint of the host's kubelet, if kubelet.conf names one.
pub fn target(facts: &HostFacts) -> Option<Endpoint> {
    facts.kubelet_server.as_deref().and_then(kubelet_endpoint)
}

/// Whether a kubelet could use what answered. Nothing here is final: a VIP moves, a load balancer looks again. `now` is the host's clock.
pub fn judge(endpoint: &Endpoint, answer: &ServedAnswer, now: Timestamp) -> Verdict {
    let place = format!("{}:{}", endpoint.address, endpoint.port);
    match answer {
        ServedAnswer::Certificate(x509) => served(&place, &endpoint.address, x509, now),
        ServedAnswer::Closed => Verdict::wait(format!("nobody answers at {place}, where the kubelet connects to")),
        ServedAnswer::Unknown(why) => Verdict::wait(format!("no certificate from {place}: {why}")),
    }
}

fn served(place: &str, address: &str, x509: &X509Facts, now: Timestamp) -> Verdict {
    if x509.expired(now) {
        return Verdict::wait(format!(
            "{place} serves a certificate that expired at {}",
            x509.not_after
        ));
    }
    if x509.not_yet_valid(now) {
        return Verdict::wait(format!(
            "{place} serves a certificate that is valid only from {}",
            x509.not_before
        ));
    }
    if !x509.sans.iter().any(|san| san.eq_ignore_ascii_case(address)) {
        return Verdict::wait(format!(
            "{place} serves a certificate for {}, not for {address}",
            x509.sans.join(", ")
        ));
    }
    Verdict::pass(format!(
        "{place} serves a certificate that is valid until {}",
        x509.not_after
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::fixtures::{at, x509};

    #[test]
    fn only_a_valid_certificate_for_this_address_will_do() {
        let mut facts = HostFacts::unknown("w1".into());
        assert_eq!(target(&facts), None);
        facts.kubelet_server = Some("https://10.0.0.100:6443".to_owned());
        let endpoint = target(&facts).unwrap();
        let now = at("2020-11-22T19:00:00Z");
        let shows = |end: &str, san: &str| {
            let mut seen = x509("2", end);
            seen.sans = vec!["kubernetes".to_owned(), san.to_owned()];
            judge(&endpoint, &ServedAnswer::Certificate(Box::new(seen)), now)
        };
        assert!(shows("2021-11-22T00:00:00Z", "10.0.0.100").passed());
        assert!(
            shows("2020-11-20T00:00:00Z", "10.0.0.100")
                .seen()
                .contains("expired at 2020-11-20")
        );
        assert!(
            shows("2021-11-22T00:00:00Z", "10.0.0.1")
                .seen()
                .contains("not for 10.0.0.100")
        );
        assert!(!judge(&endpoint, &ServedAnswer::Closed, now).passed());
        assert!(!judge(&endpoint, &ServedAnswer::Unknown("a reset".to_owned()), now).passed());
    }
}
