//! certfleet:etcd-certificates and certfleet:sign-etcd-certificates, with a real openssl on both hosts.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use certfleet::model::certificate::KeyMatch;
use certfleet::model::{Output, scripts};
use certfleet::probes::certificates_on_disk;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyUsagePurpose};

use crate::openssl::{foreign_request, openssl};
use crate::tree::{Authority, Pair, Tree, assert_no_key, files, said, shells};

pub(crate) const PKI: &str = "/etc/kubernetes/pki";
pub(crate) const KEEP: &str = "/var/lib/certfleet/replaced/run-1";
pub(crate) const CLIENT: &str = "apiserver-etcd-client";
pub(crate) const CLIENT_SPEC: &str = "CN=kube-apiserver-etcd-client,O=system:masters|clientAuth|";
const MEMBER: &str = "etcd-healthcheck-client,etcd-peer,etcd-server";

/// The host that holds etcd's CA, and one that has something signed by it.
pub(crate) struct Pairing {
    pub(crate) signer: Tree,
    pub(crate) host: Tree,
    pub(crate) authority: Authority,
}

pub(crate) fn params(organization: Option<&str>, name: &str, sans: &[&str], serves: bool) -> CertificateParams {
    let sans: Vec<String> = sans.iter().map(|s| (*s).to_owned()).collect();
    let mut params = CertificateParams::new(sans).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    if let Some(organization) = organization {
        params.distinguished_name.push(DnType::OrganizationName, organization);
    }
    params.distinguished_name.push(DnType::CommonName, name);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    if serves {
        params
            .extended_key_usages
            .insert(0, ExtendedKeyUsagePurpose::ServerAuth);
    }
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::days(366);
    params.not_after = now - time::Duration::days(1);
    params
}

impl Pairing {
    /// A master whose client certificate has expired.
    pub(crate) fn master() -> Self {
        Self::master_of(Authority::new("etcd-ca"))
    }

    pub(crate) fn master_of(authority: Authority) -> Self {
        let pairing = Self::of(authority);
        let old = params(Some("system:masters"), "kube-apiserver-etcd-client", &[], false);
        pairing
            .host
            .pair(&format!("{PKI}/{CLIENT}"), &pairing.authority.sign(&old));
        pairing
    }

    /// A member of etcd whose certificates have expired.
    fn member() -> Self {
        let pairing = Self::bare();
        let sans = ["e2", "localhost", "10.0.0.32", "127.0.0.1", "::1"];
        for file in ["server", "peer"] {
            let pair = pairing.authority.sign(&params(None, "e2", &sans, true));
            pairing.host.pair(&format!("{PKI}/etcd/{file}"), &pair);
        }
        let client = params(Some("system:masters"), "kube-etcd-healthcheck-client", &[], false);
        let pair = pairing.authority.sign(&client);
        pairing.host.pair(&format!("{PKI}/etcd/healthcheck-client"), &pair);
        pairing
    }

    fn bare() -> Self {
        // Valid from before the leaves were: its default.
        Self::of(Authority::new("etcd-ca"))
    }

    fn of(authority: Authority) -> Self {
        let (signer, host) = (Tree::new(), Tree::new());
        signer.pair(&format!("{PKI}/etcd/ca"), &authority.pair);
        host.write(&format!("{PKI}/etcd/ca.crt"), &authority.pair.cert);
        Self {
            signer,
            host,
            authority,
        }
    }

    pub(crate) fn here(&self, shell: &[&str], arguments: &[&str]) -> Output {
        self.host.run(shell, &scripts::ETCD_CERTIFICATES, arguments)
    }

    pub(crate) fn request(&self, shell: &[&str], names: &str) -> String {
        answer("request", &self.here(shell, &["request", PKI, names]))
    }

    pub(crate) fn sign(&self, shell: &[&str], wanted: &str, requests: &str) -> Output {
        let arguments = [PKI, "365", wanted, requests];
        self.signer.run(shell, &scripts::SIGN_ETCD_CERTIFICATES, &arguments)
    }

    pub(crate) fn install(&self, shell: &[&str], names: &str, certificates: &str) -> Output {
        self.here(shell, &["install", PKI, names, KEEP, certificates])
    }

    pub(crate) fn reissue(&self, shell: &[&str], names: &str, wanted: &str) -> Output {
        let requests = self.request(shell, names);
        let signed = answer("certificate", &self.sign(shell, wanted, &requests));
        let installed = self.install(shell, names, &signed);
        assert!(installed.status.success(), "{shell:?}: {}", said(&installed));
        installed
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.host.path(&format!("{PKI}/{path}"))).unwrap()
    }

    pub(crate) fn pair(&self, file: &str) -> Pair {
        Pair {
            cert: self.read(&format!("{file}.crt")),
            key: self.read(&format!("{file}.key")),
        }
    }

    /// Nothing that was needed on the way is left on either host.
    pub(crate) fn assert_clean(&self) {
        assert_eq!(files(&self.signer.path("/run")), Vec::<String>::new());
        assert_eq!(files(&self.host.path("/run")), Vec::<String>::new());
        let odd: Vec<String> = files(&self.host.path("/etc"))
            .into_iter()
            .filter(|f| f.contains("certfleet"))
            .collect();
        assert_eq!(odd, Vec::<String>::new());
        let signer = ["etcd/ca.crt", "etcd/ca.key"].map(str::to_owned);
        assert_eq!(files(&self.signer.path(PKI)), signer);
    }
}

/// What stands behind the word that the script printed.
pub(crate) fn answer(word: &str, output: &Output) -> String {
    let text = output.stdout_text();
    let line = text.strip_prefix(&format!("{word}\t"));
    line.unwrap_or_else(|| panic!("{}", said(output))).trim_end().to_owned()
}

pub(crate) fn x509(pem: &str, arguments: &[&str]) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), pem).unwrap();
    openssl(&[&["x509", "-noout", "-in", file.path().to_str().unwrap()], arguments].concat())
}

/// The line below a heading of openssl's text, its parts in order.
fn below(text: &str, heading: &str) -> Vec<String> {
    let mut lines = text.lines().skip_while(|l| !l.contains(heading)).skip(1);
    let parts = lines.next().unwrap_or_default().split(',');
    let mut parts: Vec<String> = parts.map(|p| p.trim().to_owned()).collect();
    parts.sort();
    parts
}

pub(crate) fn code(output: &Output) -> String {
    output.status.to_string()
}

#[test]
fn the_client_of_the_api_server_keeps_its_subject_and_its_key_stays() {
    for shell in shells() {
        let pairing = Pairing::master();
        let old = pairing.pair(CLIENT);
        for (file, mode) in [("crt", 0o640), ("key", 0o400)] {
            let path = pairing.host.path(&format!("{PKI}/{CLIENT}.{file}"));
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
        let installed = pairing.reissue(&shell, CLIENT, CLIENT_SPEC);
        let new = pairing.pair(CLIENT);
        assert_no_key(&said(&installed), &[&old, &new]);
        assert!(old.key != new.key && old.cert != new.cert, "{shell:?}");
        let (before, after) = (x509(&old.cert, &["-text"]), x509(&new.cert, &["-text"]));
        for needed in ["Digital Signature, Key Encipherment", "CA:FALSE", "prime256v1"] {
            assert!(after.contains(needed), "{shell:?}: {needed}: {after}");
        }
        assert_eq!(
            below(&before, "Extended Key Usage"),
            below(&after, "Extended Key Usage")
        );
        assert!(!after.contains("Alternative Name"), "{after}");
        let subject = |pem: &str| x509(pem, &["-subject", "-nameopt", "RFC2253"]);
        assert_eq!(subject(&old.cert), subject(&new.cert));
        x509(&new.cert, &["-checkend", "31000000"]);
        for (file, mode) in [("crt", 0o640), ("key", 0o400)] {
            let meta = fs::metadata(pairing.host.path(&format!("{PKI}/{CLIENT}.{file}"))).unwrap();
            assert_eq!(meta.mode() & 0o777, mode, "{shell:?} {file}");
        }
        pairing.host.write("/etc/kubernetes/manifests/kube-apiserver.yaml", "");
        let rows = certificates_on_disk::parse(&pairing.host.run(&shell, &scripts::READ_CERTIFICATES, &[PKI])).unwrap();
        let row = rows.iter().find(|r| r.name == CLIENT).unwrap();
        assert_eq!(
            (row.key, row.x509().unwrap().signed_by.as_deref()),
            (KeyMatch::Match, Some("etcd-ca"))
        );
        // What was replaced is kept, for root alone.
        let kept = pairing.host.path(&format!("{KEEP}{PKI}/{CLIENT}.key"));
        assert_eq!(fs::read_to_string(&kept).unwrap(), old.key);
        assert_eq!(fs::metadata(pairing.host.path(KEEP)).unwrap().mode() & 0o777, 0o700);
        pairing.assert_clean();
    }
}

#[test]
fn a_member_gets_its_three_certificates_with_the_names_of_the_old_ones() {
    let wanted = "CN=kube-etcd-healthcheck-client,O=system:masters|clientAuth|;\
                  CN=e2|serverAuth,clientAuth|DNS:e2,DNS:localhost,IP:10.0.0.32,IP:127.0.0.1,IP:::1;\
                  CN=e2|serverAuth,clientAuth|DNS:localhost,DNS:e2,IP:127.0.0.1,IP:10.0.0.32,IP:::1";
    for shell in shells() {
        let pairing = Pairing::member();
        let all = ["etcd/server", "etcd/peer", "etcd/healthcheck-client"];
        let old = all.map(|f| pairing.pair(f));
        pairing.reissue(&shell, MEMBER, wanted);
        for (file, old) in all.iter().zip(&old) {
            let new = pairing.pair(file);
            assert_ne!(old.key, new.key);
            let (before, after) = (x509(&old.cert, &["-text"]), x509(&new.cert, &["-text"]));
            for heading in ["Subject Alternative Name", "Extended Key Usage"] {
                assert_eq!(below(&before, heading), below(&after, heading), "{shell:?} {file}");
            }
        }
        let rows = certificates_on_disk::parse(&pairing.host.run(&shell, &scripts::READ_CERTIFICATES, &[PKI])).unwrap();
        let leaves: Vec<_> = rows
            .iter()
            .filter(|r| r.name.starts_with("etcd-") && r.name != "etcd-ca")
            .collect();
        assert_eq!(leaves.len(), 3);
        assert!(leaves.iter().all(|r| r.key == KeyMatch::Match));
        pairing.assert_clean();
    }
}

#[test]
fn an_rsa_key_stays_an_rsa_key_of_its_size() {
    let pairing = Pairing::master();
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let subject = "/O=system:masters/CN=kube-apiserver-etcd-client";
    let (key, request, cert) = (path("key"), path("request"), path("cert"));
    openssl(&[
        "req", "-new", "-newkey", "rsa:3072", "-nodes", "-keyout", &key, "-out", &request, "-subj", subject,
    ]);
    let (ca, ca_key) = (path("ca"), path("ca.key"));
    fs::write(&ca, &pairing.authority.pair.cert).unwrap();
    fs::write(&ca_key, &pairing.authority.pair.key).unwrap();
    let serial = path("serial");
    openssl(&[
        "x509",
        "-req",
        "-in",
        &request,
        "-CA",
        &ca,
        "-CAkey",
        &ca_key,
        "-CAserial",
        &serial,
        "-CAcreateserial",
        "-days",
        "1",
        "-out",
        &cert,
    ]);
    pairing
        .host
        .write(&format!("{PKI}/{CLIENT}.crt"), fs::read(cert).unwrap());
    pairing
        .host
        .write(&format!("{PKI}/{CLIENT}.key"), fs::read(key).unwrap());
    pairing.reissue(&["sh"], CLIENT, CLIENT_SPEC);
    let text = x509(&pairing.read(&format!("{CLIENT}.crt")), &["-text"]);
    assert!(text.contains("Public-Key: (3072 bit)"), "{text}");
    pairing.assert_clean();
}

#[test]
fn the_signer_signs_nothing_but_what_is_wanted() {
    for shell in shells() {
        let pairing = Pairing::master();
        for subject in [
            "/O=system:masters/CN=somebody",
            "/CN=kube-apiserver-etcd-client",
            "/O=system:masters/O=more/CN=kube-apiserver-etcd-client",
            "/OU=x/O=system:masters/CN=kube-apiserver-etcd-client",
        ] {
            let output = pairing.sign(&shell, CLIENT_SPEC, &foreign_request(subject));
            assert_eq!(code(&output), "exit status 4", "{shell:?} {subject}: {}", said(&output));
        }
        let good = foreign_request("/O=system:masters/CN=kube-apiserver-etcd-client");
        let mut der = STANDARD.decode(&good).unwrap();
        *der.last_mut().unwrap() ^= 1;
        assert_eq!(
            code(&pairing.sign(&shell, CLIENT_SPEC, &STANDARD.encode(&der))),
            "exit status 4"
        );
        for wanted in [
            "CN=x|keyCertSign|",
            "CN=x|clientAuth|DNS:a\nbasicConstraints=CA:TRUE",
            "CN=x|clientAuth|DNS:$(id)",
            "O=x|clientAuth|",
        ] {
            let output = pairing.sign(&shell, wanted, &good);
            assert_eq!(code(&output), "exit status 2", "{shell:?} {wanted}: {}", said(&output));
        }
        let two = pairing.sign(&shell, CLIENT_SPEC, &format!("{good},{good}"));
        assert_eq!(code(&two), "exit status 2", "{}", said(&two));
        fs::remove_file(pairing.signer.path(&format!("{PKI}/etcd/ca.key"))).unwrap();
        let output = pairing.sign(&shell, CLIENT_SPEC, &good);
        assert_eq!(code(&output), "exit status 3", "{}", said(&output));
        assert!(
            output.last_line().contains("/etc/kubernetes/pki/etcd/ca.key"),
            "{}",
            said(&output)
        );
        assert_eq!(files(&pairing.signer.path("/run")), Vec::<String>::new());
    }
}

#[test]
fn what_does_not_fit_is_not_installed_and_nothing_of_it_stays() {
    for shell in shells() {
        let pairing = Pairing::master();
        let before = files(&pairing.host.path(PKI));
        let old = pairing.pair(CLIENT);
        let refused = |certificates: &str, why: &str| {
            let output = pairing.install(&shell, CLIENT, certificates);
            assert!(output.last_line().contains(why), "{shell:?}: {why}: {}", said(&output));
            assert_eq!(pairing.read(&format!("{CLIENT}.key")), old.key);
            assert_eq!(pairing.read(&format!("{CLIENT}.crt")), old.cert);
            assert_eq!(files(&pairing.host.path(PKI)), before);
            pairing.assert_clean();
        };
        let request = pairing.request(&shell, CLIENT);
        let earlier = answer("certificate", &pairing.sign(&shell, CLIENT_SPEC, &request));
        pairing.request(&shell, CLIENT);
        refused(&earlier, "does not belong to the key");
        // And now none is pending.
        assert_eq!(code(&pairing.install(&shell, CLIENT, &earlier)), "exit status 3");

        let request = pairing.request(&shell, CLIENT);
        let named = format!("{CLIENT_SPEC}DNS:e9");
        refused(
            &answer("certificate", &pairing.sign(&shell, &named, &request)),
            "other names",
        );

        let request = pairing.request(&shell, CLIENT);
        pairing
            .signer
            .pair(&format!("{PKI}/etcd/ca"), &Authority::new("etcd-ca").pair);
        let signed = answer("certificate", &pairing.sign(&shell, CLIENT_SPEC, &request));
        refused(&signed, "does not pass");
    }
}

#[test]
fn a_certificate_for_less_than_the_old_one_is_refused() {
    let pairing = Pairing::member();
    let request = pairing.request(&["sh"], "etcd-peer");
    let wanted = "CN=e2|clientAuth|DNS:e2,DNS:localhost,IP:10.0.0.32,IP:127.0.0.1,IP:::1";
    let signed = answer("certificate", &pairing.sign(&["sh"], wanted, &request));
    let output = pairing.install(&["sh"], "etcd-peer", &signed);
    assert!(
        output.last_line().contains("is not for TLS Web Server Authentication"),
        "{}",
        said(&output)
    );
    pairing.assert_clean();
}

#[test]
fn a_half_finished_installation_is_made_whole_by_the_next() {
    for shell in shells() {
        let pairing = Pairing::master();
        let old = pairing.pair(CLIENT);
        // The host lost its power between the key and the certificate: /run is empty, the key is new.
        pairing
            .host
            .write(&format!("{PKI}/{CLIENT}.key"), &Authority::new("x").leaf("y").key);
        pairing.host.write(&format!("{PKI}/{CLIENT}.crt.certfleet"), "half");
        pairing.reissue(&shell, CLIENT, CLIENT_SPEC);
        assert_ne!(pairing.read(&format!("{CLIENT}.crt")), old.cert);
        pairing.assert_clean();
        // A request that nobody needs any more leaves no key.
        pairing.request(&shell, CLIENT);
        let key = pairing
            .host
            .path(&format!("/run/certfleet/etcd-certificates/{CLIENT}.key"));
        assert_eq!(fs::metadata(&key).unwrap().mode() & 0o777, 0o600);
        assert!(pairing.here(&shell, &["discard", PKI]).status.success());
        pairing.assert_clean();
    }
}

#[test]
fn without_an_old_certificate_nobody_knows_for_whom_to_ask() {
    for shell in shells() {
        let pairing = Pairing::bare();
        let output = pairing.here(&shell, &["request", PKI, CLIENT]);
        assert_eq!(code(&output), "exit status 1", "{}", said(&output));
        let output = pairing.here(&shell, &["request", PKI, "apiserver"]);
        assert_eq!(code(&output), "exit status 2", "{}", said(&output));
        pairing.assert_clean();
    }
}

/// A running etcd; ended with the test.
struct RealEtcd(std::process::Child);

impl Drop for RealEtcd {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn start_etcd(host: &Tree, port: u16) -> RealEtcd {
    let pki = |file: &str| host.path(&format!("{PKI}/etcd/{file}")).display().to_string();
    let (client, peer) = (
        format!("https://127.0.0.1:{port}"),
        format!("https://127.0.0.1:{}", free_port()),
    );
    let data = host.path("/var/lib/etcd").display().to_string();
    let (ca, server, server_key) = (pki("ca.crt"), pki("server.crt"), pki("server.key"));
    let (peer_crt, peer_key, cluster) = (pki("peer.crt"), pki("peer.key"), format!("e2={peer}"));
    let arguments = [
        ["--name", "e2"],
        ["--data-dir", &data],
        ["--cert-file", &server],
        ["--key-file", &server_key],
        ["--trusted-ca-file", &ca],
        ["--peer-cert-file", &peer_crt],
        ["--peer-key-file", &peer_key],
        ["--peer-trusted-ca-file", &ca],
        ["--listen-client-urls", &client],
        ["--advertise-client-urls", &client],
        ["--listen-peer-urls", &peer],
        ["--initial-advertise-peer-urls", &peer],
        ["--initial-cluster", &cluster],
    ];
    let mut command = Command::new("etcd");
    command
        .args(arguments.concat())
        .arg("--client-cert-auth")
        .arg("--peer-client-cert-auth");
    command
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null());
    RealEtcd(command.spawn().expect("etcd starts"))
}

/// What etcd says of its health to this client; curl's error otherwise.
fn health(host: &Tree, port: u16, client: &str) -> String {
    let file = |path: String| host.path(&path).display().to_string();
    let output = Command::new("curl")
        .args(["-q", "--silent", "--show-error", "--noproxy", "*", "--max-time", "5"])
        .args(["--cacert", &file(format!("{PKI}/etcd/ca.crt"))])
        .args(["--cert", &file(format!("{PKI}/{client}.crt"))])
        .args(["--key", &file(format!("{PKI}/{client}.key"))])
        .arg(format!("https://127.0.0.1:{port}/health"))
        .output()
        .unwrap();
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// `cargo test --test host_scripts -- --ignored`: an etcd that runs takes its new certificates, and those of its clients.
#[test]
#[ignore = "needs a real etcd"]
fn a_real_etcd_takes_what_another_host_signed() {
    let member = Pairing::member();
    let old = params(Some("system:masters"), "kube-apiserver-etcd-client", &[], false);
    member
        .host
        .pair(&format!("{PKI}/{CLIENT}"), &member.authority.sign(&old));
    let port = free_port();
    let _etcd = start_etcd(&member.host, port);
    let mut said = String::new();
    for _ in 0..100 {
        said = health(&member.host, port, CLIENT);
        if said.contains("expired") {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    assert!(said.contains("expired"), "{said}");
    let names = "CN=e2|serverAuth,clientAuth|DNS:e2,DNS:localhost,IP:10.0.0.32,IP:127.0.0.1,IP:::1";
    let wanted = format!("CN=kube-etcd-healthcheck-client,O=system:masters|clientAuth|;{names};{names}");
    member.reissue(&["sh"], MEMBER, &wanted);
    let refused = health(&member.host, port, CLIENT);
    assert!(!refused.contains("\"true\""), "its certificate has expired: {refused}");
    member.reissue(&["sh"], CLIENT, CLIENT_SPEC);
    for client in [CLIENT, "etcd/healthcheck-client"] {
        let said = health(&member.host, port, client);
        assert!(said.contains("\"health\":\"true\""), "{client}: {said}");
    }
}
