//! A command is named only where it cures.

use super::*;
use crate::check::cure::SELF_SIGNED;

/// The cure of a kubelet that serves an expired certificate, signed by itself, on a host of this role.
fn of_an_expired_kubelet(role: Role, authority: bool) -> Cure {
    let mut host = master("h1", 9);
    let mut serving = file(
        x509("kubelet-serving", "1", "2019-08-09T12:00:00Z", ENDED),
        "kubelet-serving",
    );
    serving.path = SELF_SIGNED.to_owned();
    (host.role, host.facts.certificates, host.facts.ca_key) = (role, vec![serving], Some(false));
    let mut first = master("m1", 1);
    first.facts.ca_key = Some(authority);
    let (_, diagnoses) = judged(&fleet(vec![first, host]));
    let mut found = diagnoses
        .into_iter()
        .filter(|d| d.sentence.contains("what the kubelet on h1 serves expired"));
    found.next().expect("a diagnosis").cure
}

#[test]
fn what_a_kubelet_serves_is_left_to_renew_only_where_renew_may_run() {
    let renew = Cure::Command("certfleet renew -i prod.yaml".to_owned());
    assert_eq!(of_an_expired_kubelet(Role::Worker, true), renew);
    for cure in [
        of_an_expired_kubelet(Role::Worker, false),
        of_an_expired_kubelet(Role::Etcd, true),
    ] {
        assert!(
            matches!(&cure, Cure::Manual(text) if text.starts_with("move kubelet.crt")),
            "{cure:?}"
        );
    }
}
