//! The lines that the guides tell people to type, taken from the guides and run by a real openssl (and kubectl, where there is one): what
//! they leave on a host is read as certfleet reads it.

use std::fs;
use std::path::Path;
use std::process::Command;

use certfleet::model::certificate::KeyMatch;
use certfleet::model::{CertificateFact, scripts};
use certfleet::probes::certificates_on_disk;
use rcgen::{CertificateParams, DnType, SanType};

use crate::openssl::openssl;
use crate::tree::{Authority, Pair, Tree};

const EXTERNAL_CA: &str = include_str!("../../docs/guide/external-ca.md");
const WRONG: &str = include_str!("../../docs/guide/when-it-goes-wrong.md");
const EXPIRED: &str = include_str!("../../docs/guide/recover-after-expiry.md");
const PKI: &str = "/etc/kubernetes/pki";
/// Where the guide has the requests made.
const MADE: &str = "/root/certfleet-csr";

/// The block of a guide that holds these words.
fn block<'a>(guide: &'a str, words: &str) -> &'a str {
    let mut blocks = guide.split("\n```\n").skip(1).step_by(2);
    blocks
        .find(|b| b.contains(words))
        .unwrap_or_else(|| panic!("no block with `{words}`"))
}

/// Types the lines in a folder; what they print.
fn typed(folder: &Path, lines: &str) -> String {
    fs::create_dir_all(folder).unwrap();
    let output = Command::new("sh")
        .args(["-euc", lines])
        .current_dir(folder)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{lines}\n{error}");
    String::from_utf8(output.stdout).unwrap()
}

/// The same lines for a host that lies in a folder.
fn on(tree: &Tree, lines: &str) -> String {
    ["/etc/kubernetes", MADE, "/var/lib/kubelet"]
        .iter()
        .fold(lines.to_owned(), |lines, path| {
            lines.replace(path, &format!("{}{path}", tree.root().display()))
        })
}

fn row(tree: &Tree, name: &str) -> CertificateFact {
    let output = tree.run(&["sh"], &scripts::READ_CERTIFICATES, &[PKI]);
    let rows = certificates_on_disk::parse(&output).unwrap();
    rows.into_iter().find(|r| r.name == name).expect("a row")
}

/// The right key, signed by the CA of the host, and a new certificate with the old one's subject and names.
#[track_caller]
fn assert_renewed(before: &CertificateFact, after: &CertificateFact, authority: &str) {
    let (old, new) = (
        before.x509().expect("a certificate"),
        after.x509().expect("a certificate"),
    );
    assert_eq!(after.key, KeyMatch::Match, "{after:?}");
    assert_eq!(new.signed_by.as_deref(), Some(authority), "{after:?}");
    assert_ne!(new.serial, old.serial);
    assert_eq!((&new.subject, &new.sans), (&old.subject, &old.sans));
    assert!(!new.is_ca);
}

fn leaf(authority: &Authority, subject: &[(DnType, &str)], names: &[SanType]) -> Pair {
    let mut params = CertificateParams::default();
    for (sort, value) in subject {
        params.distinguished_name.push(sort.clone(), *value);
    }
    params.subject_alt_names = names.to_vec();
    authority.sign(&params)
}

/// A folder with the CA and its key, on no host.
fn vault(authority: &Pair) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ca.crt"), &authority.cert).unwrap();
    fs::write(folder.path().join("ca.key"), &authority.key).unwrap();
    folder
}

/// A master without the CA's key, and the CA.
fn master() -> (Tree, Authority) {
    let (tree, ca) = (Tree::new(), Authority::new("kubernetes"));
    tree.write(&format!("{PKI}/ca.crt"), &ca.pair.cert);
    for component in ["kube-apiserver", "etcd"] {
        tree.write(&format!("/etc/kubernetes/manifests/{component}.yaml"), "x");
    }
    (tree, ca)
}

/// The extensions that the guide's table asks for, in the guide's own lines.
fn signing(use_for: &str, request: &str) -> String {
    let lines = block(EXTERNAL_CA, "-copy_extensions");
    lines.replace("serverAuth", use_for).replace("apiserver", request)
}

#[test]
fn an_api_server_gets_its_certificate_from_an_external_ca_as_the_guide_says() {
    let (tree, ca) = master();
    let names = [
        SanType::DnsName("m1".try_into().unwrap()),
        SanType::DnsName("kubernetes.default.svc".try_into().unwrap()),
        SanType::IpAddress("10.96.0.1".parse().unwrap()),
    ];
    let old = leaf(&ca, &[(DnType::CommonName, "kube-apiserver")], &names);
    tree.pair(&format!("{PKI}/apiserver"), &old);
    let before = row(&tree, "apiserver");

    let made = tree.path(&format!("{MADE}/pki"));
    let lines = on(&tree, block(EXTERNAL_CA, "-keyout apiserver.key"));
    let (look, make) = lines.split_once('\n').expect("two lines");
    let seen = typed(&made, look);
    // OpenSSL 3.2 and later leave the blanks out.
    assert!(seen.replace(" = ", "=").contains("CN=kube-apiserver"), "{seen}");
    let names = seen
        .lines()
        .last()
        .expect("names")
        .replace("IP Address:", "IP:")
        .replace(' ', "");
    typed(&made, &make.replace("DNS:…,IP:…", &names));

    let vault = vault(&ca.pair);
    fs::copy(made.join("apiserver.csr"), vault.path().join("apiserver.csr")).unwrap();
    typed(vault.path(), &signing("serverAuth", "apiserver"));
    let certificate = vault.path().join("apiserver.crt").display().to_string();
    let text = openssl(&["x509", "-noout", "-text", "-in", &certificate]);
    assert!(text.contains("TLS Web Server Authentication"), "{text}");
    let authority = vault.path().join("ca.crt").display().to_string();
    let proof = ["-purpose", "sslserver", "-verify_hostname", "kubernetes.default.svc"];
    openssl(&[&["verify", "-CAfile", &authority], &proof[..], &[certificate.as_str()]].concat());

    fs::copy(&certificate, made.join("apiserver.crt")).unwrap();
    typed(&made, &on(&tree, block(EXTERNAL_CA, "install -m 600")));
    assert_renewed(&before, &row(&tree, "apiserver"), "ca");
}

/// kubeadm leaves the new key in the kubeconfig; `kubectl` adds the certificate.
#[test]
fn a_kubeconfig_gets_its_certificate_as_the_guide_says() {
    if Command::new("kubectl").arg("version").arg("--client").output().is_err() {
        return;
    }
    let (tree, ca) = master();
    let made = tree.path(MADE);
    let vault = vault(&ca.pair);
    let subject = "/O=system:masters/CN=kubernetes-admin";
    let request = format!(
        "umask 077; openssl req -new -newkey rsa:2048 -nodes -keyout admin.key -out admin.conf.csr -subj {subject}"
    );
    typed(&made, &request);
    let config =
        "kubectl --kubeconfig admin.conf config set-credentials kubernetes-admin --client-key admin.key --embed-certs";
    typed(&made, config);
    fs::copy(made.join("admin.conf.csr"), vault.path().join("admin.conf.csr")).unwrap();
    typed(vault.path(), &signing("clientAuth", "admin.conf"));
    fs::copy(vault.path().join("admin.conf.crt"), made.join("admin.conf.crt")).unwrap();
    typed(&made, &on(&tree, block(EXTERNAL_CA, "--embed-certs")));
    fs::rename(made.join("admin.conf"), tree.path("/etc/kubernetes/admin.conf")).unwrap();
    let admin = row(&tree, "admin.conf");
    let x509 = admin.x509().expect("a certificate");
    assert_eq!((admin.key, x509.signed_by.as_deref()), (KeyMatch::Match, Some("ca")));
    assert_eq!(x509.subject, "O=system:masters, CN=kubernetes-admin");
}

#[test]
fn a_client_of_etcd_gets_its_certificate_as_the_guide_says() {
    let (tree, _) = master();
    let etcd = Authority::new("etcd-ca");
    tree.write(&format!("{PKI}/etcd/ca.crt"), &etcd.pair.cert);
    let subject = [
        (DnType::OrganizationName, "system:masters"),
        (DnType::CommonName, "kube-apiserver-etcd-client"),
    ];
    tree.pair(&format!("{PKI}/apiserver-etcd-client"), &leaf(&etcd, &subject, &[]));
    let before = row(&tree, "apiserver-etcd-client");

    let lines = block(EXTERNAL_CA, "-x509toreq");
    // The last one shows a person what to sign for; this certificate has no names, so grep finds none.
    let lines: Vec<&str> = lines.lines().filter(|l| !l.contains("| grep")).collect();
    let folder = tree.path(PKI);
    typed(&folder, &lines.join("\n").replace("F.", "apiserver-etcd-client."));
    let vault = vault(&etcd.pair);
    let request = "apiserver-etcd-client.csr";
    fs::copy(folder.join(request), vault.path().join(request)).unwrap();
    typed(vault.path(), &signing("clientAuth", "apiserver-etcd-client"));
    let signed = vault.path().join("apiserver-etcd-client.crt");
    fs::copy(signed, folder.join("apiserver-etcd-client.crt.new")).unwrap();
    let put = "mv F.key.new F.key && mv F.crt.new F.crt";
    assert!(EXTERNAL_CA.contains(&format!("`{put}`")), "the guide has it otherwise");
    typed(&folder, &put.replace("F.", "apiserver-etcd-client."));
    assert_renewed(&before, &row(&tree, "apiserver-etcd-client"), "etcd-ca");
}

#[test]
fn a_kubelet_gets_its_certificate_by_hand_as_the_guide_says() {
    let (tree, ca) = master();
    tree.write(
        "/etc/kubernetes/kubelet.conf",
        "users:\n- user:\n    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem\n",
    );
    let pki = tree.path("/var/lib/kubelet/pki");
    fs::create_dir_all(&pki).unwrap();
    let by_hand = EXPIRED.split("### By hand").nth(1).expect("the chapter");
    let request = on(&tree, block(by_hand, "-keyout new.key")).replace("NAME", "w1");
    typed(&tree.root(), &request);

    let vault = Tree::new();
    vault.pair(&format!("{PKI}/ca"), &ca.pair);
    fs::copy(pki.join("new.csr"), vault.path("new.csr")).unwrap();
    typed(&vault.root(), &on(&vault, block(by_hand, "-extfile ext.cnf")));
    fs::copy(vault.path("new.crt"), pki.join("new.crt")).unwrap();
    typed(&tree.root(), &on(&tree, block(by_hand, "ln -sfn")));

    let client = row(&tree, "kubelet-client");
    let x509 = client.x509().expect("a certificate");
    assert_eq!(
        (client.key, x509.signed_by.as_deref()),
        (KeyMatch::Match, Some("ca")),
        "{client:?}"
    );
    assert_eq!(x509.subject, "O=system:nodes, CN=system:node:w1");
    assert!(pki.join("kubelet-client-current.pem").is_symlink());
    assert!(!pki.join("new.key").exists(), "no key is left lying about");
}

#[test]
fn what_was_replaced_on_a_worker_is_put_back_as_the_guide_says() {
    let tree = Tree::new();
    let (pki, keep) = ("/var/lib/kubelet/pki", "/var/lib/certfleet/replaced/RUN");
    let mut params = CertificateParams::default();
    params.not_after = time::OffsetDateTime::now_utc() - time::Duration::days(1);
    let old = Authority::new("nobody").sign(&params);
    tree.pair(&format!("{pki}/kubelet"), &old);
    for date in ["OLD", "NEW"] {
        tree.write(&format!("{pki}/kubelet-client-{date}.pem"), date);
    }
    let current = format!("{pki}/kubelet-client-current.pem");
    tree.link(
        &current,
        &tree
            .path(&format!("{pki}/kubelet-client-NEW.pem"))
            .display()
            .to_string(),
    );
    let retired = tree.run(&["sh"], &scripts::KUBELET_CLIENT, &["retire-serving", keep]);
    assert!(retired.status.success(), "{retired:?}");
    tree.pair(&format!("{pki}/kubelet"), &Authority::new("new").pair);
    tree.write(&format!("{keep}/etc/kubernetes/kubelet.conf"), "as it was");
    tree.write("/etc/kubernetes/kubelet.conf", "rewritten");

    let lines = block(WRONG, "certfleet/replaced/RUN")
        .lines()
        .filter(|l| !l.starts_with("systemctl "));
    let lines = lines
        .collect::<Vec<_>>()
        .join("\n")
        .replace("/var/lib", &format!("{}/var/lib", tree.root().display()));
    typed(
        &tree.root(),
        &lines.replace(" /{}", &format!(" {}/{{}}", tree.root().display())),
    );
    let read = |path: &str| fs::read_to_string(tree.path(path)).expect("a file");
    assert_eq!(read("/etc/kubernetes/kubelet.conf"), "as it was");
    assert_eq!(read(&format!("{pki}/kubelet.crt")), old.cert);
    assert_eq!(read(&format!("{pki}/kubelet.key")), old.key);
    assert_eq!(read(&current), "OLD");
}
