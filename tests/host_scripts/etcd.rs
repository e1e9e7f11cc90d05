//! certfleet:etcd-health with curl as a stub.

use certfleet::model::scripts;
use certfleet::probes::etcd::{self, EtcdAnswer};

use crate::tree::{Tree, said, shells};

const PKI: &str = "/etc/kubernetes/pki";

fn ask(curl: &str) -> EtcdAnswer {
    ask_of(&Tree::new(), curl)
}

fn ask_of(tree: &Tree, curl: &str) -> EtcdAnswer {
    for file in ["ca.crt", "healthcheck-client.crt", "healthcheck-client.key"] {
        tree.write(&format!("{PKI}/etcd/{file}"), "x");
    }
    tree.stub("curl", curl);
    let mut all: Vec<EtcdAnswer> = Vec::new();
    for shell in shells() {
        let output = tree.run(&shell, &scripts::ETCD_HEALTH, &[PKI]);
        all.push(etcd::parse(&output).unwrap_or_else(|e| panic!("{e}: {}", said(&output))));
    }
    assert!(all.windows(2).all(|w| w[0] == w[1]), "shells disagree: {all:?}");
    all.pop().unwrap()
}

#[test]
fn health_and_members_of_new_and_old_gateways() {
    let answer = ask(r#"for url; do :; done
case $url in
*/health) printf '{"health":\n"true"}' ;;
*/v3/*) printf '404 page not found' ;;
*/v3beta/*) printf '{"members":[{"name":"m1"},{"name":"m2"},{"name":"m3"}]}' ;;
esac"#);
    assert_eq!((answer.healthy, answer.quorum()), (Some(true), Some(2)));
}

#[test]
fn the_member_is_asked_where_its_manifest_says() {
    let tree = Tree::new();
    let manifest = "    - etcd\n    - --listen-client-urls=https://127.0.0.1:12379,https://10.0.0.1:12379\n";
    tree.write("/etc/kubernetes/manifests/etcd.yaml", manifest);
    let answer = ask_of(
        &tree,
        r#"for url; do :; done
case $url in
https://127.0.0.1:12379/health) printf '{"health":"true"}' ;;
https://127.0.0.1:12379/v3/*) printf '{"members":[{"name":"m1"}]}' ;;
*) exit 7 ;;
esac"#,
    );
    assert_eq!((answer.healthy, answer.quorum()), (Some(true), Some(1)));
}

#[test]
fn a_dead_member_says_why() {
    let answer = ask("echo 'curl: (7) Failed to connect to 127.0.0.1 port 2379' >&2; exit 7");
    assert_eq!(answer.healthy, None);
    assert!(answer.errors[0].contains("(7)"), "{answer:?}");
}

#[test]
fn without_certificates_nothing_is_asked() {
    let tree = Tree::new();
    tree.stub("curl", "exit 0");
    let answer = etcd::parse(&tree.run(&["sh"], &scripts::ETCD_HEALTH, &[PKI])).unwrap();
    assert_eq!(answer.errors, ["/etc/kubernetes/pki/etcd/ca.crt cannot be read"]);
}
