//! Copies, tokens, and what is around the certificates.

use super::*;

#[test]
fn copies_are_compared_by_fingerprint() {
    let copied = |x: crate::model::X509Facts| {
        move |h: &mut Inspection| {
            h.surroundings.as_mut().expect("set").copies.push(CopyFacts {
                source: "root".to_owned(),
                path: "/root/.kube/config".to_owned(),
                state: CertificateState::Present(Box::new(x)),
                modified: None,
            });
        }
    };
    let of = |x| verdict(Subject::Copy, "kubeconfig of root", copied(x));
    assert_eq!(of(x509("admin.conf", "12", RENEWED, GOOD)).0, Verdict::Ok);
    assert_eq!(
        of(x509("admin.conf", "22", RENEWED, GOOD)).0,
        Verdict::Ok,
        "m2's admin.conf is as good"
    );
    assert_eq!(
        of(x509("admin.conf", "1", "2019-08-09T00:00:00Z", ENDED)),
        (Verdict::RenewedNotInUse, Level::Warning)
    );
    assert_eq!(
        of(x509("jane", "1", "2019-08-09T00:00:00Z", ENDED)),
        (Verdict::Expired, Level::Warning)
    );
}

#[test]
fn an_ended_token_of_the_cni_is_critical() {
    let token = |expires: &'static str| {
        move |h: &mut Inspection| {
            let issued = at(expires).checked_sub(SignedDuration::from_hours(24)).ok();
            let token = TokenFacts {
                path: "/etc/cni/net.d/calico-kubeconfig".to_owned(),
                expires: Some(at(expires)),
                issued,
            };
            h.surroundings.as_mut().expect("set").tokens.push(token);
        }
    };
    assert_eq!(
        verdict(Subject::Token, "cni-token", token(ENDED)),
        (Verdict::Expired, Level::Critical)
    );
    assert_eq!(
        verdict(Subject::Token, "cni-token", token("2020-08-10T02:00:00Z")),
        (Verdict::Ok, Level::Ok)
    );
    assert_eq!(
        verdict(Subject::Token, "cni-token", token("2020-08-09T15:00:00Z")).0,
        Verdict::Expiring
    );
}

#[test]
fn what_is_around_the_certificates_is_said_too() {
    let mut host = master("m1", 1);
    host.facts.ca_key = Some(false);
    let around = host.surroundings.as_mut().expect("set");
    around.kubelet.rotates = Some(false);
    host.facts.certificates.push(file(
        x509("kubelet-client", "4", RENEWED, "2020-08-20T00:00:00Z"),
        "kubelet-client",
    ));
    host.journal = Some(JournalSummary {
        blocking: [("expired".to_owned(), 3)].into(),
        ..JournalSummary::default()
    });
    let mut inspected = fleet(vec![
        host,
        Inspection {
            facts: HostFacts::unreachable("m2".into(), "no route"),
            ..master("m2", 2)
        },
    ]);
    inspected.requests = Some(vec![ServingRequest {
        name: "csr-1".to_owned(),
        node: "m1".to_owned(),
        created: None,
    }]);
    let (_, diagnoses) = judged(&inspected);
    let said: Vec<&str> = diagnoses.iter().map(|d| d.sentence.as_str()).collect();
    for expected in [
        "does not rotate its client certificate",
        "complained in the last 10 minutes: expired",
        "waits for the approval",
        "external CA",
        "m2 could not be asked: no route",
        "kubelet-client on m1 expires in 10 days",
    ] {
        assert!(said.iter().any(|s| s.contains(expected)), "{expected}: {said:#?}");
    }
}
