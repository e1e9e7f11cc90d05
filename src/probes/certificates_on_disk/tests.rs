//! Certificates made by rcgen, read back; and the verdicts of a gate.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256, SanType, SerialNumber,
};

use super::*;
use crate::probes::fixtures::{at, on_disk};

fn pair() -> (String, String) {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "kubernetes");
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.serial_number = Some(SerialNumber::from(vec![0]));
    let authority = ca.self_signed(&key).unwrap();
    let issuer = Issuer::new(ca, key);
    let mut leaf = CertificateParams::new(vec!["kubernetes.default".to_owned()]).unwrap();
    leaf.distinguished_name.push(DnType::CommonName, "kube-apiserver");
    leaf.subject_alt_names
        .push(SanType::IpAddress("10.0.0.1".parse().unwrap()));
    leaf.serial_number = Some(SerialNumber::from(vec![0x0a, 0xbc]));
    let leaf_key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    (authority.pem(), leaf.signed_by(&leaf_key, &issuer).unwrap().pem())
}

fn read(text: String) -> Vec<CertificateFact> {
    parse(&Output::new(0, text, "")).unwrap()
}

#[test]
fn reads_x509_and_the_signer() {
    let (ca, leaf) = pair();
    let facts = read(format!(
        "@certificate\tapiserver\t/etc/kubernetes/pki/apiserver.crt\tpresent\t1600000000\tmatch\n{leaf}\
         @certificate\tca\t/etc/kubernetes/pki/ca.crt\tpresent\t1600000000\tabsent\n{ca}"
    ));
    let x509 = facts[0].x509().unwrap();
    assert!(x509.subject.contains("CN=kube-apiserver"), "{}", x509.subject);
    assert_eq!(x509.serial, "abc");
    assert_eq!(x509.sans, ["kubernetes.default", "10.0.0.1"]);
    assert_eq!(x509.signed_by.as_deref(), Some("ca"));
    assert_eq!(facts[1].x509().map(|x| (x.serial.as_str(), x.is_ca)), Some(("0", true)));
    assert_eq!(facts[1].key, KeyMatch::Absent);
}

#[test]
fn a_signature_of_another_authority_does_not_count() {
    let (ca, _) = pair();
    let (_, leaf) = pair();
    let facts = read(format!(
        "@certificate\tapiserver\tp\tpresent\t-\tmatch\n{leaf}@certificate\tca\tp\tpresent\t-\tmatch\n{ca}"
    ));
    assert_eq!(facts[0].x509().unwrap().signed_by, None, "the same names, another key");
}

#[test]
fn bad_rows_are_rows() {
    let facts = read(
        "@certificate\tapiserver\t/a\tpresent\t1\tmatch\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n\
         @certificate\tadmin.conf\t/b\tmissing\t-\tunknown\n\
         @certificate\tkubelet-client\t/c\tdangling /x y\t-\tunknown\n\
         @certificate\tca\t/d\tunreadable is a directory\t1\tunknown\n\
         @certificate\tetcd-ca\t/e\tpresent\t1\tunknown\n"
            .to_owned(),
    );
    assert!(matches!(facts[0].state, CertificateState::Unreadable(_)));
    assert_eq!(facts[1].state, CertificateState::Missing);
    assert_eq!(facts[2].state, CertificateState::Dangling("/x y".to_owned()));
    assert_eq!(
        facts[3].state,
        CertificateState::Unreadable("is a directory".to_owned())
    );
    assert!(matches!(facts[4].state, CertificateState::Unreadable(_)));
    assert!(parse(&Output::new(0, "@certificate\tx\n", "")).is_err());
}

#[test]
fn renewed_means_another_serial_and_no_earlier_end() {
    let (now, modified) = (at("2020-11-22T19:00:00Z"), "2020-11-22T18:00:00Z");
    let old = on_disk("apiserver", "1", "2020-11-20T00:00:00Z", modified);
    let new = on_disk("apiserver", "2", "2021-11-22T00:00:00Z", modified);
    let copied = on_disk("apiserver", "2", "2020-11-20T00:00:00Z", modified);
    let before = [old.before().unwrap()];
    assert!(judge(&before, std::slice::from_ref(&new), now).passed());
    for wrong in [&old, &copied] {
        assert!(matches!(
            judge(&before, std::slice::from_ref(wrong), now),
            Verdict::Fail { .. }
        ));
    }
    assert!(matches!(judge(&before, &[], now), Verdict::Fail { .. }));
    assert!(
        matches!(judge(&[], &[old], now), Verdict::Fail { .. }),
        "expired without renewal"
    );
    let early = at("2018-01-01T00:00:00Z");
    assert!(matches!(
        judge(&before, std::slice::from_ref(&new), early),
        Verdict::Wait(_)
    ));
    let same_second = on_disk("apiserver", "3", "2021-11-22T00:00:00Z", modified);
    let before = [new.before().unwrap()];
    assert!(judge(&before, &[same_second], now).passed());
    assert!(!judge(&before, &[new], now).passed(), "the serial is the old one");
}

#[test]
fn renewed_may_end_earlier_but_not_begin_earlier() {
    let (now, modified) = (at("2020-11-22T19:00:00Z"), "2020-11-22T18:00:00Z");
    let begun = |serial: &str, from: &str, until: &str| {
        let mut fact = on_disk("apiserver", serial, until, modified);
        if let CertificateState::Present(x509) = &mut fact.state {
            x509.not_before = at(from);
        }
        fact
    };
    let old = begun("1", "2020-06-22T00:00:00Z", "2021-06-22T00:00:00Z");
    let month = begun("2", "2020-11-22T18:00:00Z", "2020-12-22T18:00:00Z");
    let older = begun("2", "2020-03-22T00:00:00Z", "2021-03-22T00:00:00Z");
    let before = [old.before().unwrap()];
    assert!(judge(&before, std::slice::from_ref(&month), now).passed());
    assert!(!judge(&before, &[older], now).passed());
    // A plan of before does not know the beginning: then only a later end counts.
    let bare = [CertificateBefore {
        not_before: None,
        ..before[0].clone()
    }];
    assert!(!judge(&bare, &[month], now).passed());
}
