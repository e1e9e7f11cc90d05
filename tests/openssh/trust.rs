//! Whether the host is who it says.

use std::sync::Arc;

use certfleet::model::Host;
use certfleet::model::host::HostKeyPolicy;
use certfleet::remote::RemoteError;

use super::ground::{Ground, keygen, login, words};

/// cf-free's host, with this `known_hosts`.
fn knowing(g: &Ground, text: &str) -> Host {
    let file = g.path("known_hosts_case");
    std::fs::write(&file, text).expect("written");
    let mut host = g.host("cf-free");
    host.ssh.known_hosts = vec![file];
    host
}

async fn with_known_hosts(g: &Ground, text: &str) -> Result<(), RemoteError> {
    g.once(knowing(g, text), login(&["true"])).await.map(|_| ())
}

async fn refusal(g: &Ground, text: &str) -> String {
    g.words(knowing(g, text), login(&["true"])).await
}

fn all(text: &str, expected: &[&str]) {
    for words in expected {
        assert!(text.contains(words), "`{words}` is not in: {text}");
    }
}

pub(crate) async fn unknown_changed_revoked(g: Arc<Ground>) {
    let name = format!("[127.0.0.1]:{}", g.port);
    let (right, wrong) = (g.public("host"), g.public("ca"));
    let unknown = refusal(&g, "").await;
    let ssh = format!("`ssh -p {} 127.0.0.1`", g.port);
    all(
        &unknown,
        &["is not known (ssh-ed25519 SHA256:", "console", &ssh, "accept-new"],
    );
    let changed = refusal(&g, &format!("# one\n{name} {wrong}\n")).await;
    all(
        &changed,
        &[
            "HAS CHANGED",
            "SHA256:",
            "known_hosts_case:2",
            "remove line 2",
            "do not go on",
        ],
    );
    let revoked = refusal(&g, &format!("{name} {right}\n@revoked * {right}\n")).await;
    all(
        &revoked,
        &["is revoked", "known_hosts_case:2", "Give the host a new key"],
    );
    let negated = refusal(&g, &format!("!{name},[127.*]:* {right}\n")).await;
    all(&negated, &["is not known"]);
}

/// Every way to write down a host that is known.
pub(crate) async fn known_in_every_spelling(g: Arc<Ground>) {
    let name = format!("[127.0.0.1]:{}", g.port);
    let (right, wrong) = (g.public("host"), g.public("ca"));
    std::fs::write(g.path("hashed"), format!("{name} {right}\n")).expect("written");
    keygen(&["-H", "-f", &g.text("hashed")]);
    let hashed = std::fs::read_to_string(g.path("hashed")).expect("hashed");
    assert!(hashed.starts_with("|1|"));
    for known in [
        hashed,
        format!("{name} {right} a comment\n"),
        format!("[127.*]:{} {right}\n", g.port),
        format!("other,127.0.0.1\t {right}\n"),
        format!("{name} {wrong}\n{name} {right}\n"),
    ] {
        assert_eq!(with_known_hosts(&g, &known).await, Ok(()), "{known}");
    }
}

/// The key that is known decides the algorithm, as with OpenSSH; sshd would show ed25519 by itself.
pub(crate) async fn key_types_follow_what_is_known(g: Arc<Ground>) {
    for kind in ["host_rsa", "host_ecdsa"] {
        let only = format!("[127.0.0.1]:{} {}\n", g.port, g.public(kind));
        assert_eq!(with_known_hosts(&g, &only).await, Ok(()), "{kind}");
    }
}

pub(crate) async fn accept_new_and_an_alias(g: Arc<Ground>) {
    let mut host = knowing(&g, "# mine");
    host.ssh.host_key_policy = HostKeyPolicy::AcceptNew;
    assert!(g.once(host.clone(), login(&["true"])).await.is_ok());
    let recorded = std::fs::read_to_string(g.path("known_hosts_case")).expect("a file");
    assert_eq!(
        recorded,
        format!("# mine\n[127.0.0.1]:{} {}\n", g.port, g.public("host"))
    );
    let wrong = format!("[127.0.0.1]:{} {}\n", g.port, g.public("ca"));
    std::fs::write(g.path("known_hosts_case"), wrong).expect("written");
    all(&g.words(host, login(&["true"])).await, &["HAS CHANGED"]);
    std::fs::write(g.path("ssh_config_alias"), "Host *\n HostKeyAlias fleet-key\n").expect("written");
    for (known, good) in [("fleet-key", true), ("127.0.0.1", false)] {
        let mut host = knowing(&g, &format!("{known} {}\n", g.public("host")));
        host.ssh.config = Some(g.path("ssh_config_alias"));
        assert_eq!(g.once(host, login(&["true"])).await.is_ok(), good, "{known}");
    }
}

/// sshd shows its certificate only from the file named in its configuration, so each has its own sshd.
pub(crate) async fn host_certificates(g: Arc<Ground>) {
    let ca = g.public("ca");
    for (principal, validity, objection) in [
        ("127.0.0.1", "-1d:+1d", None),
        ("other", "-1d:+1d", Some("it is for other, not for 127.0.0.1")),
        ("127.0.0.1", "-2d:-1d", Some("it has expired")),
    ] {
        keygen(&[
            "-s",
            &g.text("ca"),
            "-I",
            "h",
            "-h",
            "-n",
            principal,
            "-V",
            validity,
            &g.text("host.pub"),
        ]);
        let sshd = g.another("cert", &format!("HostCertificate {}", g.text("host-cert.pub")));
        let known = format!("@cert-authority [127.0.0.1]:{} {ca}\n", sshd.port);
        let mut host = knowing(&g, &known);
        host.ssh.port = Some(sshd.port);
        match (g.once(host.clone(), login(&["true"])).await, objection) {
            (Ok(_), None) => {}
            (Err(error @ RemoteError::HostCertificate { .. }), Some(why)) => {
                all(&words(&error), &[why, "issued again by your SSH authority"]);
            }
            other => panic!("{principal} {validity}: {other:?}"),
        }
        if objection.is_none() {
            std::fs::write(g.path("known_hosts_case"), format!("{known}@revoked * {ca}\n")).expect("written");
            all(&g.words(host, login(&["true"])).await, &["is revoked"]);
        }
    }
}
