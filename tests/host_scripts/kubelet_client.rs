//! certfleet:kubelet-client and certfleet:sign-kubelet-client, with a real openssl on both hosts.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use certfleet::model::certificate::KeyMatch;
use certfleet::model::{CertificateFact, Output, scripts};
use certfleet::probes::certificates_on_disk;

use crate::openssl::{foreign_request, openssl};
use crate::tree::{Authority, Pair, Tree, files, said, shells};

const PKI: &str = "/etc/kubernetes/pki";
const KUBELET: &str = "/var/lib/kubelet/pki";
const CURRENT: &str = "/var/lib/kubelet/pki/kubelet-client-current.pem";
const CONF: &str = "/etc/kubernetes/kubelet.conf";
const KEEP: &str = "/var/lib/certfleet/replaced/run-1";
const SUBJECT: &str = "/O=system:nodes/CN=system:node:w1";

/// A CA, a master that holds its key, and a node.
struct Pairing {
    master: Tree,
    node: Tree,
    ca: Pair,
}

/// A CA that lives so many days.
fn authority(days: i64) -> Pair {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.distinguished_name.push(rcgen::DnType::CommonName, "kubernetes");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::days(400);
    // A minute more than whole days: making it takes time, too.
    params.not_after = now + time::Duration::days(days) + time::Duration::seconds(if days > 0 { 90 } else { -1 });
    Pair {
        cert: params.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

/// A CA as kubeadm makes it by default.
fn rsa_authority() -> Pair {
    let dir = tempfile::tempdir().unwrap();
    let (key, cert) = (dir.path().join("key"), dir.path().join("cert"));
    let (key, cert) = (key.to_str().unwrap(), cert.to_str().unwrap());
    let subject = ["-subj", "/CN=kubernetes", "-keyout", key, "-out", cert];
    openssl(
        &[
            &["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650"],
            &subject[..],
        ]
        .concat(),
    );
    Pair {
        cert: fs::read_to_string(cert).unwrap(),
        key: fs::read_to_string(key).unwrap(),
    }
}

fn conf(user: &str) -> String {
    format!(
        "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: AAAA\n    server: https://vip.example:8443\n  name: x\n\
         contexts:\n- context:\n    cluster: x\n    user: system:node:w1\n  name: system:node:w1@x\ncurrent-context: system:node:w1@x\n\
         kind: Config\nusers:\n- name: system:node:w1\n  user:\n{user}"
    )
}

fn linked() -> String {
    conf(&format!(
        "    client-certificate: {CURRENT}\n    client-key: {CURRENT}\n"
    ))
}

fn embedded(pair: &Pair) -> String {
    let (cert, key) = (STANDARD.encode(&pair.cert), STANDARD.encode(&pair.key));
    conf(&format!(
        "    client-certificate-data: {cert}\n    client-key-data: {key}\n"
    ))
}

impl Pairing {
    /// A node whose link leads nowhere.
    fn new(days: i64) -> Self {
        Self::with(authority(days))
    }

    fn with(ca: Pair) -> Self {
        let (master, node) = (Tree::new(), Tree::new());
        master.pair(&format!("{PKI}/ca"), &ca);
        node.write(&format!("{PKI}/ca.crt"), &ca.cert);
        node.write(CONF, linked());
        node.link(CURRENT, "/var/lib/kubelet/pki/kubelet-client-gone.pem");
        Self { master, node, ca }
    }

    fn node(&self, shell: &[&str], arguments: &[&str]) -> Output {
        self.node.run(shell, &scripts::KUBELET_CLIENT, arguments)
    }

    fn request(&self, shell: &[&str], name: &str) -> String {
        answer("request", &self.node(shell, &["request", PKI, name]))
    }

    fn sign(&self, shell: &[&str], name: &str, request: &str) -> Output {
        self.master
            .run(shell, &scripts::SIGN_KUBELET_CLIENT, &[PKI, name, request])
    }

    fn install(&self, shell: &[&str], name: &str, certificate: &str) -> Output {
        self.node(shell, &["install", PKI, name, KEEP, certificate])
    }

    /// The whole way; the certificate as PEM.
    fn reissue(&self, shell: &[&str]) -> String {
        let request = self.request(shell, "w1");
        let signed = answer("certificate", &self.sign(shell, "w1", &request));
        let installed = self.install(shell, "w1", &signed);
        assert!(installed.status.success(), "{shell:?}: {}", said(&installed));
        assert!(!said(&installed).contains("PRIVATE"));
        fs::read_to_string(self.node.path(CURRENT)).unwrap()
    }

    fn rows(&self) -> Vec<CertificateFact> {
        let output = self.node.run(&["sh"], &scripts::READ_CERTIFICATES, &[PKI]);
        certificates_on_disk::parse(&output).unwrap()
    }

    /// Nothing that was needed on the way is left on either host.
    fn assert_clean(&self) {
        assert_eq!(files(&self.master.path("/run")), Vec::<String>::new());
        assert_eq!(files(&self.node.path("/run")), Vec::<String>::new());
        let odd = |f: &String| f.contains("certfleet");
        assert!(!files(&self.node.path(KUBELET)).iter().any(odd));
        assert!(!files(&self.node.path("/etc")).iter().any(odd));
    }
}

/// What stands behind the word that the script printed.
fn answer(word: &str, output: &Output) -> String {
    let text = output.stdout_text();
    let line = text.strip_prefix(&format!("{word}\t"));
    line.unwrap_or_else(|| panic!("{}", said(output))).trim_end().to_owned()
}

fn x509(pem: &str, arguments: &[&str]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), pem).unwrap();
    openssl(&[&["x509", "-noout", "-in", file.path().to_str().unwrap()], arguments].concat())
}

fn code(output: &Output) -> String {
    output.status.to_string()
}

#[test]
fn key_and_request_on_the_node_signature_on_a_master_and_only_public_parts_between() {
    for shell in shells() {
        let pairing = Pairing::with(rsa_authority());
        let pem = pairing.reissue(&shell);
        let text = x509(&pem, &["-text", "-nameopt", "RFC2253"]);
        for needed in [
            "Subject: CN=system:node:w1,O=system:nodes",
            "X509v3 Key Usage: critical",
            "Digital Signature, Key Encipherment",
            "TLS Web Client Authentication",
            "CA:FALSE",
            "Public-Key: (2048 bit)",
        ] {
            assert!(text.contains(needed), "{shell:?}: {needed}: {text}");
        }
        assert!(!text.contains("Server Authentication"));
        let rows = pairing.rows();
        let row = rows.iter().find(|r| r.name == "kubelet-client").unwrap();
        let facts = row.x509().unwrap();
        assert_eq!((row.key, facts.signed_by.as_deref()), (KeyMatch::Match, Some("ca")));
        assert_eq!(facts.serial.len(), 32, "random: {}", facts.serial);
        let backdated = jiff::Timestamp::now().as_second() - facts.not_before.as_second();
        assert!((300..330).contains(&backdated), "backdated by {backdated} s");
        let year = facts.not_after.as_second() - facts.not_before.as_second();
        assert!((365 * 86_400..366 * 86_400).contains(&year));
        let target = fs::canonicalize(pairing.node.path(CURRENT)).unwrap();
        assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(fs::symlink_metadata(pairing.node.path(CURRENT)).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(pairing.node.path(CONF)).unwrap(), linked());
        pairing.assert_clean();
    }
}

#[test]
fn again_is_another_certificate_and_the_old_file_stays() {
    for shell in shells() {
        let pairing = Pairing::new(3650);
        let first = pairing.reissue(&shell);
        let second = pairing.reissue(&shell);
        assert_ne!(first, second);
        let kept = files(&pairing.node.path(KUBELET));
        assert_eq!(kept.len(), 3, "two dated files and the link: {kept:?}");
        pairing.assert_clean();
    }
}

#[test]
fn an_expired_ec_certificate_gives_an_ec_key() {
    let pairing = Pairing::new(3650);
    let old = Authority::new("kubernetes").leaf("system:node:w1");
    pairing
        .node
        .write(&format!("{KUBELET}/old.pem"), format!("{}{}", old.cert, old.key));
    fs::remove_file(pairing.node.path(CURRENT)).unwrap();
    std::os::unix::fs::symlink(pairing.node.path(KUBELET).join("old.pem"), pairing.node.path(CURRENT)).unwrap();
    let pem = pairing.reissue(&["sh"]);
    assert!(x509(&pem, &["-text"]).contains("prime256v1"));
    assert!(pairing.node.path(&format!("{KUBELET}/old.pem")).exists());
}

#[test]
fn a_file_where_the_link_should_be_is_kept_beside_it() {
    let pairing = Pairing::new(3650);
    fs::remove_file(pairing.node.path(CURRENT)).unwrap();
    pairing.node.write(CURRENT, "copied here by hand");
    pairing.reissue(&["sh"]);
    let kept = files(&pairing.node.path(KUBELET));
    assert!(kept.iter().any(|f| f.starts_with("kubelet-client-before-")), "{kept:?}");
}

#[test]
fn a_kubelet_conf_with_the_certificate_inside_names_the_link_afterwards() {
    for shell in shells() {
        let pairing = Pairing::new(3650);
        let old = Authority::new("kubernetes").leaf("system:node:w1");
        fs::remove_file(pairing.node.path(CURRENT)).unwrap();
        pairing.node.write(CONF, embedded(&old));
        fs::set_permissions(pairing.node.path(CONF), fs::Permissions::from_mode(0o640)).unwrap();
        pairing.reissue(&shell);
        assert_eq!(
            fs::read_to_string(pairing.node.path(CONF)).unwrap(),
            linked(),
            "{shell:?}"
        );
        let meta = fs::metadata(pairing.node.path(CONF)).unwrap();
        assert_eq!(meta.mode() & 0o777, 0o640);
        let kept = pairing.node.path(&format!("{KEEP}{CONF}"));
        assert_eq!(fs::read_to_string(&kept).unwrap(), embedded(&old));
        assert_eq!(fs::metadata(pairing.node.path(KEEP)).unwrap().mode() & 0o777, 0o700);
        pairing.assert_clean();
        let names: Vec<String> = pairing.rows().into_iter().map(|r| r.name).collect();
        assert!(!names.contains(&"kubelet.conf".to_owned()), "{names:?}");
    }
}

#[test]
fn a_good_certificate_beside_an_embedded_one_is_only_pointed_at() {
    let pairing = Pairing::new(3650);
    let sound = pairing.reissue(&["sh"]);
    let old = Authority::new("kubernetes").leaf("system:node:w1");
    pairing.node.write(CONF, embedded(&old));
    for _ in 0..2 {
        let output = pairing.node(&["sh"], &["repoint", KEEP]);
        assert!(output.status.success(), "{}", said(&output));
        assert_eq!(fs::read_to_string(pairing.node.path(CONF)).unwrap(), linked());
    }
    assert_eq!(fs::read_to_string(pairing.node.path(CURRENT)).unwrap(), sound);
    fs::remove_file(pairing.node.path(CURRENT)).unwrap();
    assert_eq!(code(&pairing.node(&["sh"], &["repoint", KEEP])), "exit status 3");
}

#[test]
fn what_cannot_be_rewritten_safely_is_refused_before_a_key_is_made() {
    let pairing = Pairing::new(3650);
    let two = format!("{}{}", linked(), linked());
    let folded = conf("    client-certificate-data: |\n      AAAA\n    client-key-data: |\n      AAAA\n");
    for text in [two, folded, conf("    token: abc\n")] {
        pairing.node.write(CONF, &text);
        let output = pairing.node(&["sh"], &["request", PKI, "w1"]);
        assert_eq!(code(&output), "exit status 6", "{text}: {}", said(&output));
        assert_eq!(fs::read_to_string(pairing.node.path(CONF)).unwrap(), text);
    }
    fs::remove_file(pairing.node.path(CONF)).unwrap();
    assert_eq!(code(&pairing.node(&["sh"], &["request", PKI, "w1"])), "exit status 3");
    pairing.assert_clean();
}

#[test]
fn the_master_signs_nothing_but_this_nodes_own_request() {
    for shell in shells() {
        let pairing = Pairing::new(3650);
        for subject in [
            "/O=system:nodes/CN=system:node:w2",
            "/O=system:masters/CN=system:node:w1",
            "/O=system:nodes/O=system:masters/CN=system:node:w1",
            "/O=system:nodes/CN=system:node:w1/OU=x",
            "/CN=system:node:w1",
        ] {
            let output = pairing.sign(&shell, "w1", &foreign_request(subject));
            assert_eq!(code(&output), "exit status 4", "{shell:?} {subject}: {}", said(&output));
            assert!(output.last_line().contains("another subject"), "{}", said(&output));
        }
        // One bit of the signature, far behind the names.
        let mut der = STANDARD.decode(foreign_request(SUBJECT)).unwrap();
        *der.last_mut().unwrap() ^= 1;
        let output = pairing.sign(&shell, "w1", &STANDARD.encode(&der));
        assert_eq!(code(&output), "exit status 4", "{}", said(&output));
        assert_eq!(code(&pairing.sign(&shell, "w1", "AAAA")), "exit status 4");
        assert_eq!(code(&pairing.sign(&shell, "w1;x", "AAAA")), "exit status 2");
        fs::remove_file(pairing.master.path(&format!("{PKI}/ca.key"))).unwrap();
        assert_eq!(code(&pairing.sign(&shell, "w1", "AAAA")), "exit status 3");
        pairing.assert_clean();
    }
}

#[test]
fn a_certificate_never_outlives_its_authority_and_an_ended_one_signs_nothing() {
    let pairing = Pairing::new(10);
    let pem = pairing.reissue(&["sh"]);
    let end = |pem: &str| x509(pem, &["-enddate", "-dateopt", "iso_8601"]);
    assert!(
        end(&pem) <= end(&pairing.ca.cert),
        "{} {}",
        end(&pem),
        end(&pairing.ca.cert)
    );
    x509(&pem, &["-checkend", "700000"]);
    for days in [0, -1] {
        let pairing = Pairing::new(days);
        let request = pairing.request(&["sh"], "w1");
        let output = pairing.sign(&["sh"], "w1", &request);
        assert_eq!(code(&output), "exit status 5", "{days}: {}", said(&output));
    }
}

#[test]
fn what_does_not_fit_is_not_installed() {
    for shell in shells() {
        let pairing = Pairing::new(3650);
        let before = files(&pairing.node.path(KUBELET));
        let earlier = answer("certificate", &{
            let request = pairing.request(&shell, "w1");
            pairing.sign(&shell, "w1", &request)
        });
        // The request was made anew since: another key.
        pairing.request(&shell, "w1");
        let output = pairing.install(&shell, "w1", &earlier);
        assert!(
            output.last_line().contains("does not belong to the key"),
            "{}",
            said(&output)
        );
        // And now none is pending.
        assert_eq!(code(&pairing.install(&shell, "w1", &earlier)), "exit status 3");

        let stranger = authority(3650);
        pairing.master.pair(&format!("{PKI}/ca"), &stranger);
        let request = pairing.request(&shell, "w1");
        let signed = answer("certificate", &pairing.sign(&shell, "w1", &request));
        let output = pairing.install(&shell, "w1", &signed);
        assert!(
            output.last_line().contains("does not pass"),
            "{shell:?}: {}",
            said(&output)
        );
        assert_eq!(files(&pairing.node.path(KUBELET)), before);
        pairing.assert_clean();
    }
}

#[test]
fn a_request_that_nobody_needs_any_more_leaves_no_key() {
    let pairing = Pairing::new(3650);
    pairing.request(&["sh"], "w1");
    let key = pairing.node.path("/run/certfleet/kubelet-client/key");
    assert_eq!(fs::metadata(&key).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(key.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
    // Killed between the new file and the link.
    pairing
        .node
        .write(&format!("{KUBELET}/kubelet-client-2026-01-01-00-00-00.pem"), "half");
    pairing.node.write(
        "/run/certfleet/kubelet-client/target",
        format!("{KUBELET}/kubelet-client-2026-01-01-00-00-00.pem\n"),
    );
    assert!(pairing.node(&["sh"], &["discard"]).status.success());
    assert_eq!(files(&pairing.node.path(KUBELET)), ["kubelet-client-current.pem"]);
    pairing.assert_clean();
}

#[test]
fn an_expired_serving_pair_is_kept_aside_so_that_the_kubelet_makes_a_new_one() {
    for shell in shells() {
        let pairing = Pairing::new(3650);
        let serving = format!("{KUBELET}/kubelet");
        let word = || answer_word(&pairing.node(&shell, &["retire-serving", KEEP]));
        assert_eq!(word(), "kept");
        pairing.node.pair(&serving, &authority(5));
        assert_eq!(word(), "kept");
        let old = authority(-1);
        pairing.node.pair(&serving, &old);
        assert_eq!(word(), "retired");
        assert!(!pairing.node.path(&format!("{serving}.crt")).exists());
        assert!(!pairing.node.path(&format!("{serving}.key")).exists());
        let kept = pairing.node.path(&format!("{KEEP}{serving}.key"));
        assert_eq!(fs::read_to_string(kept).unwrap(), old.key);
        assert_eq!(word(), "kept");
    }
}

fn answer_word(output: &Output) -> String {
    assert!(output.status.success(), "{}", said(output));
    output.stdout_text().split('\t').next().unwrap_or_default().to_owned()
}
