//! `known_hosts` as a table of cases.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use russh::keys::key::safe_rng;
use russh::keys::ssh_key::certificate::{Builder, CertType};
use russh::keys::{Algorithm, EcdsaCurve, PrivateKey, PublicKey, PublicKeyOrCertificate};
use sha1::Sha1;

use crate::model::host::HostKeyPolicy;
use crate::remote::error::RemoteError;

use super::{HostId, HostsFile, KnownHosts};

const P256: Algorithm = Algorithm::Ecdsa {
    curve: EcdsaCurve::NistP256,
};

fn key(algorithm: Algorithm) -> PrivateKey {
    PrivateKey::random(&mut safe_rng(), algorithm).expect("a key")
}

fn text(key: &PrivateKey) -> String {
    let line = key.public_key().to_openssh().expect("openssh form");
    line.split(' ').take(2).collect::<Vec<_>>().join(" ")
}

fn hashed(name: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(b"salt").expect("any length");
    mac.update(name.as_bytes());
    let hash = STANDARD.encode(mac.finalize().into_bytes());
    format!("|1|{}|{hash}", STANDARD.encode(b"salt"))
}

struct Case {
    _folder: tempfile::TempDir,
    host: HostId,
}

fn case(content: &str) -> Case {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("ssh/known_hosts");
    if !content.is_empty() {
        std::fs::create_dir_all(file.parent().expect("a parent")).expect("a folder");
        std::fs::write(&file, content).expect("written");
    }
    let host = HostId {
        name: "m1.example.com".to_owned(),
        port: 22,
        is_alias: false,
        policy: HostKeyPolicy::Strict,
        files: vec![file],
    };
    Case { _folder: folder, host }
}

fn check(host: &HostId, key: &PrivateKey) -> Result<(), RemoteError> {
    let shown = PublicKeyOrCertificate::from(PublicKey::from(key));
    KnownHosts::default().check(host, &shown)
}

/// A short name of the verdict, with the line it points to.
fn word(verdict: &Result<(), RemoteError>) -> String {
    match verdict {
        Ok(()) => "ok".to_owned(),
        Err(RemoteError::HostKeyUnknown { .. }) => "unknown".to_owned(),
        Err(RemoteError::HostKeyChanged { line, .. }) => format!("changed {line}"),
        Err(RemoteError::HostKeyRevoked { line, .. }) => format!("revoked {line}"),
        Err(RemoteError::HostCertificate { reason, .. }) => reason.clone(),
        Err(other) => format!("{other:?}"),
    }
}

#[test]
fn verdicts_for_plain_keys() {
    let (mine, old, ecdsa) = (key(Algorithm::Ed25519), key(Algorithm::Ed25519), key(P256));
    let (m, o, e) = (text(&mine), text(&old), text(&ecdsa));
    let name = "m1.example.com";
    for (file, expected) in [
        (String::new(), "unknown"),
        (format!("{name} {m}\n"), "ok"),
        (format!("{name}\t{m} a comment\n"), "ok"),
        (format!("# note\n\n  {name}   {m}"), "ok"),
        (format!("M1.EXAMPLE.COM {m}\n"), "ok"),
        (format!("other,m1.example.com {m}\n"), "ok"),
        (format!("*.example.com {m}\n"), "ok"),
        (format!("*.example.com,!m1.* {m}\n"), "unknown"),
        (format!("{} {m}\n", hashed(name)), "ok"),
        (format!("{} {o}\n", hashed(name)), "changed 1"),
        (format!("{name} {o}\n{name} {m}\n"), "ok"),
        (format!("# a\n{name} {o}\n"), "changed 2"),
        (format!("{name} {e}\n"), "changed 1"),
        (format!("{name} {m}\n@revoked * {m}\n"), "revoked 2"),
        (format!("@revoked {name} {o}\n{name} {m}\n"), "ok"),
        (format!("@cert-authority * {m}\n"), "unknown"),
        (format!("@unheard-of {name} {m}\n"), "unknown"),
        (format!("{name} ssh-ed25519 rubbish\n{name} {m}\n"), "ok"),
    ] {
        assert_eq!(word(&check(&case(&file).host, &mine)), expected, "{file}");
    }
}

#[test]
fn ports_and_aliases() {
    let mine = key(Algorithm::Ed25519);
    let m = text(&mine);
    for (file, port, alias, expected) in [
        (format!("[m1.example.com]:2222 {m}\n"), 2222, false, "ok"),
        (format!("[m1.example.com]:2222 {m}\n"), 22, false, "unknown"),
        (format!("m1.example.com {m}\n"), 2222, false, "ok"),
        (
            format!("m1.example.com {m}\n@revoked m1.example.com {m}\n"),
            2222,
            false,
            "unknown",
        ),
        (format!("m1.example.com {m}\n"), 2222, true, "ok"),
        (format!("[m1.example.com]:2222 {m}\n"), 2222, true, "unknown"),
    ] {
        let mut case = case(&file);
        case.host.port = port;
        case.host.is_alias = alias;
        assert_eq!(word(&check(&case.host, &mine)), expected, "{port} {alias} {file}");
    }
}

#[test]
fn several_files_count_together() {
    let mine = key(Algorithm::Ed25519);
    let mut case = case("");
    let second = case.host.files[0].with_file_name("second");
    std::fs::create_dir_all(second.parent().expect("a parent")).expect("a folder");
    std::fs::write(&second, format!("m1.example.com {}\n", text(&mine))).expect("written");
    case.host.files.push(second);
    assert_eq!(word(&check(&case.host, &mine)), "ok");
}

#[test]
fn accept_new_records_once_and_still_refuses_a_change() {
    let mine = key(Algorithm::Ed25519);
    let mut case = case("other ssh-ed25519 AAAA");
    case.host.policy = HostKeyPolicy::AcceptNew;
    case.host.port = 2222;
    assert_eq!(word(&check(&case.host, &mine)), "ok");
    case.host.policy = HostKeyPolicy::Strict;
    assert_eq!(word(&check(&case.host, &mine)), "ok");
    let written = std::fs::read_to_string(&case.host.files[0]).expect("written");
    assert_eq!(
        written,
        format!("other ssh-ed25519 AAAA\n[m1.example.com]:2222 {}\n", text(&mine))
    );
    case.host.policy = HostKeyPolicy::AcceptNew;
    for other in [key(Algorithm::Ed25519), key(P256)] {
        assert_eq!(word(&check(&case.host, &other)), "changed 2");
    }
}

#[cfg(unix)]
#[test]
fn accept_new_makes_a_private_file() {
    use std::os::unix::fs::PermissionsExt;
    let mut case = case("");
    case.host.policy = HostKeyPolicy::AcceptNew;
    assert_eq!(word(&check(&case.host, &key(Algorithm::Ed25519))), "ok");
    let mode = std::fs::metadata(&case.host.files[0])
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
}

fn certificate(
    authority: &PrivateKey,
    host: &PrivateKey,
    kind: CertType,
    valid: (u64, u64),
    for_host: &str,
) -> PublicKeyOrCertificate {
    let mut builder =
        Builder::new(vec![7; 16], host.public_key().key_data().clone(), valid.0, valid.1).expect("a builder");
    builder.cert_type(kind).expect("a type");
    builder.valid_principal(for_host).expect("a principal");
    builder.sign(authority).expect("signed").into()
}

#[test]
fn host_certificates() {
    let (authority, other, host) = (key(Algorithm::Ed25519), key(P256), key(Algorithm::Ed25519));
    let (past, future) = (1_000_000_000, 4_000_000_000);
    let line = format!("@cert-authority *.example.com {}\n", text(&authority));
    let make = |ca, kind, valid, name| certificate(ca, &host, kind, valid, name);
    let good = "m1.example.com";
    for (shown, file, expected) in [
        (
            make(&authority, CertType::Host, (past, future), good),
            line.clone(),
            "ok",
        ),
        (
            make(&authority, CertType::Host, (past, future), "m?.example.com"),
            line.clone(),
            "ok",
        ),
        (
            make(&authority, CertType::Host, (past, past + 1), good),
            line.clone(),
            "it has expired",
        ),
        (
            make(&authority, CertType::Host, (future, future + 1), good),
            line.clone(),
            "it is not yet valid; compare the clocks",
        ),
        (
            make(&authority, CertType::User, (past, future), good),
            line.clone(),
            "it is a user certificate",
        ),
        (
            make(&authority, CertType::Host, (past, future), "x"),
            line.clone(),
            "it is for x, not for m1.example.com",
        ),
        (
            make(&other, CertType::Host, (past, future), good),
            line.clone(),
            "unknown",
        ),
        (
            make(&other, CertType::Host, (past, future), good),
            format!("{good} {}\n", text(&host)),
            "ok",
        ),
        (
            make(&authority, CertType::Host, (past, future), good),
            format!("{line}@revoked * {}\n", text(&authority)),
            "revoked 2",
        ),
    ] {
        let case = case(&file);
        assert_eq!(
            word(&KnownHosts::default().check(&case.host, &shown)),
            expected,
            "{file}"
        );
    }
}

#[test]
fn known_types_are_asked_for_first() {
    let all = [Algorithm::Ed25519, P256];
    let ecdsa = key(P256);
    let known = case(&format!("m1.example.com {}\n", text(&ecdsa)));
    let (order, certificates) = KnownHosts::default().preferred(&known.host, &all);
    assert_eq!(order, [P256, Algorithm::Ed25519]);
    assert!(certificates.is_empty());
    let authority = case(&format!("@cert-authority * {}\n", text(&ecdsa)));
    assert_eq!(KnownHosts::default().preferred(&authority.host, &all).1, all);
}

#[test]
fn rubbish_never_panics() {
    for line in [
        "@",
        "@revoked",
        "a",
        "a b",
        "|1|",
        "|1|x|y ssh-ed25519 z",
        "\u{0}",
        "a ssh-ed25519",
    ] {
        assert!(HostsFile::parse(Path::new("f"), line).entries.is_empty(), "{line}");
    }
}

#[test]
fn a_file_that_is_there_and_cannot_be_read_says_nothing_good_of_a_key() {
    let mut case = case("");
    let shown = key(Algorithm::Ed25519);
    let folder = tempfile::tempdir().expect("a folder");
    // A directory can be opened by everybody and read by nobody, root included.
    case.host.files.push(folder.path().to_owned());
    case.host.policy = HostKeyPolicy::AcceptNew;
    let refused = check(&case.host, &shown).expect_err("refused");
    assert!(
        matches!(&refused, RemoteError::Config { what, .. } if what.contains("cannot be read")),
        "{refused:?}"
    );
    assert!(!case.host.files[0].exists(), "nothing was recorded");
}
