//! certfleet:refresh-copies: only what was a copy of the old admin.conf becomes one of the new.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use certfleet::model::{Output, scripts};

use crate::tree::{Authority, Pair, Tree, files, said, shells};

const PKI: &str = "/etc/kubernetes/pki";
const ADMIN: &str = "/etc/kubernetes/admin.conf";
const ROOT: &str = "/root/.kube/config";
const OPS: &str = "/home/ops/.kube/config";
const BACKUP: &str = "/var/lib/certfleet/backups/run-1";
const KEEP: &str = "/var/lib/certfleet/replaced/run-1";

fn kubeconfig(server: &str, users: &[(&str, &Pair)]) -> String {
    let user = |(name, pair): &(&str, &Pair)| {
        format!(
            "- name: {name}\n  user:\n    client-certificate-data: {}\n    client-key-data: {}\n",
            STANDARD.encode(&pair.cert),
            STANDARD.encode(&pair.key)
        )
    };
    let users: String = users.iter().map(user).collect();
    format!("apiVersion: v1\nclusters:\n- cluster:\n    server: {server}\n  name: x\nkind: Config\nusers:\n{users}")
}

/// A client certificate for an admin that ends in so many days.
fn admin(ca: &Authority, days: i64) -> Pair {
    let mut params = rcgen::CertificateParams::default();
    params
        .distinguished_name
        .push(rcgen::DnType::OrganizationName, "system:masters");
    params
        .distinguished_name
        .push(rcgen::DnType::CommonName, "kubernetes-admin");
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::days(400);
    params.not_after = now + time::Duration::days(days);
    ca.sign(&params)
}

struct Master {
    tree: Tree,
    ca: Authority,
    old: Pair,
    new: Pair,
}

fn master() -> Master {
    master_of(Authority::new("kubernetes"))
}

fn master_of(ca: Authority) -> Master {
    let tree = Tree::new();
    let (old, new) = (admin(&ca, -2), admin(&ca, 365));
    tree.write(&format!("{PKI}/ca.crt"), &ca.pair.cert);
    tree.write(ADMIN, kubeconfig("https://m1:6443", &[("kubernetes-admin", &new)]));
    tree.write(
        &format!("{BACKUP}{ADMIN}"),
        kubeconfig("https://m1:6443", &[("kubernetes-admin", &old)]),
    );
    tree.write("/etc/passwd", "ops:x:1000:1000::/home/ops:/bin/sh\n");
    // The accounts of this machine are none of the tree's.
    tree.stub("getent", "printf 'ops:x:1000:1000::/home/ops:/bin/sh\\n'");
    Master { tree, ca, old, new }
}

impl Master {
    fn refresh(&self, shell: &[&str], paths: &[&str]) -> Output {
        let arguments = [&[PKI, "ops", BACKUP, KEEP], paths].concat();
        let output = self.tree.run(shell, &scripts::REFRESH_COPIES, &arguments);
        assert!(output.status.success(), "{shell:?}: {}", said(&output));
        assert!(!said(&output).contains("PRIVATE") && !said(&output).contains("client-key"));
        output
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.tree.path(path)).unwrap()
    }
}

#[test]
fn a_copy_gets_the_new_certificate_and_keeps_all_else() {
    for shell in shells() {
        let m = master();
        let mine = kubeconfig("https://vip:8443", &[("me", &m.old)]);
        m.tree.write(ROOT, &mine);
        let other = m.ca.leaf("somebody");
        m.tree
            .write(OPS, kubeconfig("https://m1:6443", &[("other", &other), ("me", &m.old)]));
        fs::set_permissions(m.tree.path(OPS), fs::Permissions::from_mode(0o640)).unwrap();
        let output = m.refresh(&shell, &[]);
        assert_eq!(
            output.stdout_text(),
            format!("refreshed\t{ROOT}\tadmin.conf\nrefreshed\t{OPS}\tadmin.conf\n"),
            "{shell:?}"
        );
        assert_eq!(m.read(ROOT), kubeconfig("https://vip:8443", &[("me", &m.new)]));
        assert_eq!(
            m.read(OPS),
            kubeconfig("https://m1:6443", &[("other", &other), ("me", &m.new)])
        );
        let mode = |path: &str| fs::metadata(m.tree.path(path)).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(OPS), mode(KEEP)), (0o640, 0o700));
        assert_eq!(m.read(&format!("{KEEP}{ROOT}")), mine);
        assert_eq!(files(&m.tree.path("/root/.kube")), ["config"]);
        assert_eq!(
            m.refresh(&shell, &[]).stdout_text(),
            format!("same\t{ROOT}\nsame\t{OPS}\n")
        );
    }
}

#[test]
fn an_earlier_certificate_of_the_same_authority_counts_and_a_foreign_one_does_not() {
    for shell in shells() {
        let m = master();
        let stranger = Authority::new("kubernetes");
        let table = [
            ("/srv/earlier", admin(&m.ca, -300), "refreshed"),
            ("/srv/still-valid", admin(&m.ca, 30), "refreshed"),
            ("/srv/longer", admin(&m.ca, 700), "left"),
            ("/srv/other-cluster", admin(&stranger, -300), "left"),
            ("/srv/other-user", m.ca.leaf("somebody"), "left"),
        ];
        for (path, pair, _) in &table {
            m.tree.write(path, kubeconfig("https://m1:6443", &[("u", pair)]));
        }
        m.tree
            .write("/srv/token", "users:\n- name: x\n  user:\n    token: abc\n");
        m.tree.link("/srv/follows", m.tree.path(ADMIN).to_str().unwrap());
        let paths: Vec<&str> = table.iter().map(|(path, ..)| *path).collect();
        let more = ["/srv/token", "/srv/follows", "/srv/absent"];
        let output = m.refresh(&shell, &[&paths[..], &more[..]].concat());
        let text = output.stdout_text();
        for (path, _, word) in &table {
            assert!(text.contains(&format!("{word}\t{path}")), "{shell:?} {path}: {text}");
        }
        assert!(text.contains("same\t/srv/follows") && !text.contains("token") && !text.contains("absent"));
    }
}

#[test]
fn the_authority_may_be_an_intermediate_one_whose_root_is_elsewhere() {
    let root = Authority::new("root");
    for shell in shells() {
        let m = master_of(root.below("kubernetes"));
        let sibling = admin(&root.below("kubernetes"), -300);
        for (path, pair) in [(ROOT, &admin(&m.ca, -300)), (OPS, &sibling)] {
            m.tree.write(path, kubeconfig("https://m1:6443", &[("u", pair)]));
        }
        let output = m.refresh(&shell, &[]);
        let text = output.stdout_text();
        assert!(text.starts_with(&format!("refreshed\t{ROOT}\t")), "{shell:?}: {text}");
        assert!(text.contains(&format!("left\t{OPS}\t")), "{shell:?}: {text}");
    }
}

#[test]
fn without_a_backup_or_openssl_nothing_is_guessed() {
    let m = master();
    fs::remove_dir_all(m.tree.path(BACKUP)).unwrap();
    m.tree.write(ROOT, kubeconfig("https://m1:6443", &[("me", &m.old)]));
    m.tree.stub("openssl", "exit 127");
    let output = m.refresh(&["sh"], &[]);
    assert!(
        output.stdout_text().starts_with(&format!("left\t{ROOT}")),
        "{}",
        said(&output)
    );
}
