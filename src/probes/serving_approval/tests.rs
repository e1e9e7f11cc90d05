//! Which request is a host's own, and every way in which one is not.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

use super::*;

/// Base64 of the PEM of a request.
fn request(subject: &[(DnType, &str)], names: &[&str]) -> String {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = DistinguishedName::new();
    for (kind, value) in subject {
        params.distinguished_name.push(kind.clone(), *value);
    }
    BASE64.encode(params.serialize_request(&key).unwrap().pem().unwrap())
}

fn own(names: &[&str]) -> String {
    request(
        &[
            (DnType::OrganizationName, "system:nodes"),
            (DnType::CommonName, "system:node:w1"),
        ],
        names,
    )
}

fn pending() -> Pending {
    let own_names = ["w1", "10.0.0.21"];
    Pending {
        name: "csr-x7k2p".to_owned(),
        user: "system:node:w1".to_owned(),
        groups: vec!["system:nodes".to_owned(), "system:authenticated".to_owned()],
        signer: Some(SIGNER.to_owned()),
        usages: USAGES.map(str::to_owned).to_vec(),
        request: own(&own_names),
    }
}

fn nodes() -> Vec<NodeIdentity> {
    let node = |name: &str, address: &str| NodeIdentity {
        host: name.into(),
        node: name.to_owned(),
        names: vec![name.to_owned(), address.to_owned(), "10.0.0.100".to_owned()],
    };
    vec![node("w1", "10.0.0.21"), node("w2", "10.0.0.22")]
}

fn why(change: impl FnOnce(&mut Pending)) -> String {
    let mut changed = pending();
    change(&mut changed);
    match judge(&changed, &nodes()) {
        Approval::Leave { why } => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_hosts_own_request_is_approved() {
    let approved = Approval::Approve { node: "w1".to_owned() };
    assert_eq!(judge(&pending(), &nodes()), approved);
    let upper = Pending {
        request: own(&["W1"]),
        ..pending()
    };
    assert_eq!(judge(&upper, &nodes()), approved);
}

#[test]
fn anything_else_is_left_with_its_reason() {
    assert!(why(|p| p.user = "system:node:w9".to_owned()).contains("no node of the inventory"));
    assert!(why(|p| p.user = "kubernetes-admin".to_owned()).contains("no node of the inventory"));
    assert!(why(|p| p.groups = vec!["system:authenticated".to_owned()]).contains("system:nodes"));
    assert!(why(|p| p.usages.push("client auth".to_owned())).contains("client auth"));
    assert!(why(|p| p.usages.clear()).contains("it asks for"));
    assert!(why(|p| p.signer = None).contains("no signer"));
    assert!(why(|p| p.name = "--all".to_owned()).contains("name is odd"));
    assert!(why(|p| p.request = "AAAA".to_owned()).contains("cannot be read"));
    assert!(why(|p| p.request = own(&[])).contains("names and addresses"));
    for foreign in ["w2", "10.0.0.22", "kubernetes", "10.0.0.100", "*.w1"] {
        let said = why(|p| p.request = own(&["w1", foreign]));
        assert!(said.contains(foreign), "{foreign}: {said}");
    }
    let masters = [
        (DnType::OrganizationName, "system:masters"),
        (DnType::CommonName, "system:node:w1"),
    ];
    assert!(why(|p| p.request = request(&masters, &["w1"])).contains("system:masters"));
    let other = Pending {
        signer: Some("kubernetes.io/kube-apiserver-client-kubelet".to_owned()),
        ..pending()
    };
    assert_eq!(judge(&other, &nodes()), Approval::Foreign);
}

#[test]
fn a_request_with_a_bad_signature_is_left() {
    let mut pem = String::from_utf8(BASE64.decode(own(&["w1"])).unwrap()).unwrap();
    let block = Pem::iter_from_buffer(pem.as_bytes()).next().unwrap().unwrap();
    let mut der = block.contents;
    *der.last_mut().unwrap() ^= 1;
    pem = format!(
        "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n",
        BASE64.encode(der)
    );
    assert!(why(|p| p.request = BASE64.encode(&pem)).contains("signature"));
}

#[test]
fn only_requests_without_an_answer_are_read() {
    let text = r#"{"items":[
        {"metadata":{"name":"a"},"spec":{"signerName":"kubernetes.io/kubelet-serving","username":"system:node:w1","usages":["server auth"],"request":"LS0t"},"status":{}},
        {"metadata":{"name":"b"},"spec":{"username":"x"},"status":{"conditions":[{"type":"Denied"}]}}]}"#;
    let found = parse(&Output::new(0, text, "")).unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].name.as_str(), found[0].user.as_str()),
        ("a", "system:node:w1")
    );
}
