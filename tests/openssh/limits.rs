//! What sshd limits, and connections that fall silent.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use certfleet::model::SshSettings;
use certfleet::model::host::PasswordSource;
use certfleet::remote::{RemoteError, SecretRequest, Secrets, SshFleet, Transport};
use futures::FutureExt;
use futures::future::BoxFuture;
use secrecy::SecretString;

use super::ground::{Ground, PASSWORD, copies, failures, login, secrets, words};
use super::sshd::{Pretence, pretend};

/// 120 hosts, each with its own address, behind one sshd that drops logins in progress from the tenth on.
pub(crate) async fn more_hosts_than_max_startups(g: Arc<Ground>) {
    let (mut hosts, names) = copies(&g.host("cf-none"), 120);
    for (n, host) in hosts.iter_mut().enumerate() {
        host.address = format!("127.7.{}.{}", n / 100, n % 100 + 1);
    }
    let before = g.sshd.logins();
    // Chance drops: one host of so many may be unlucky more often than the usual tries allow.
    let mut options = g.options();
    options.backoff.tries = 20;
    let fleet = SshFleet::new(hosts, Arc::new(secrets()), options);
    let failed = failures(&fleet, &names, &login(&["true"])).await;
    assert!(failed.is_empty(), "{failed:?}");
    assert_eq!(g.sshd.logins() - before, 120);
}

/// Ten sessions by default, two on a hardened host, none at all.
pub(crate) async fn max_sessions(g: Arc<Ground>) {
    let hard = g.another("two_sessions", "MaxSessions 2");
    for host in [g.host("cf-free"), g.host_on(&hard, "cf-free")] {
        let mut options = g.options();
        options.sessions = 14;
        let name = host.name.clone();
        let fleet = SshFleet::new(vec![host], Arc::new(secrets()), options);
        let failed = failures(&fleet, &vec![name; 14], &login(&["sleep", "0.2"])).await;
        assert!(failed.is_empty(), "{failed:?}");
    }
    assert_eq!(hard.logins(), 1);
    let said = g.words(g.host("cf-closed"), login(&["true"])).await;
    assert!(
        said.contains("refused another session") && said.contains("Raise MaxSessions"),
        "{said}"
    );
}

/// A person who thinks longer than sshd waits.
#[derive(Debug)]
struct Slow;

impl Secrets for Slow {
    fn ask<'a>(
        &'a self,
        request: &'a SecretRequest,
    ) -> BoxFuture<'a, Result<SecretString, certfleet::remote::SecretError>> {
        let answer = match request {
            SecretRequest::Passphrase { .. } => "open sesame",
            _ => PASSWORD,
        };
        async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok(SecretString::from(answer))
        }
        .boxed()
    }
}

/// The login starts again with the answer: nothing had been sent.
pub(crate) async fn login_grace_time(g: Arc<Ground>) {
    let sshd = g.another("grace", "LoginGraceTime 3");
    let mut locked = g.host_on(&sshd, "cf-free");
    locked.ssh.identity = vec![g.path("id_locked")];
    let mut password = g.host_on(&sshd, "cf-free");
    password.ssh.identity.clear();
    password.ssh.password = PasswordSource::Prompt;
    let one = |host: certfleet::model::Host| async {
        let name = host.name.clone();
        let fleet = SshFleet::new(vec![host], Arc::new(Slow), g.options());
        fleet.run(&name, &login(&["true"])).await
    };
    let (locked, password) = tokio::join!(one(locked), one(password));
    assert!(locked.is_ok() && password.is_ok(), "{locked:?} {password:?}");
}

/// From 9.8 on sshd penalises addresses: words in clear text, then a reset.
pub(crate) async fn per_source_penalties(g: Arc<Ground>) {
    const WORDS: &str = "Not allowed at this time\r\n";
    for (refusals, words, good, connections) in [
        (1, WORDS, true, 2),
        (9, WORDS, false, 2),
        (3, "Exceeded MaxStartups\r\n", true, 4),
    ] {
        let (port, count) = pretend(Pretence::Says(words, refusals, g.port)).await;
        let mut host = g.host("cf-free");
        host.ssh.port = Some(port);
        let name = host.name.clone();
        let mut options = g.options();
        options.backoff.penalised = Duration::from_millis(300);
        let fleet = SshFleet::new(vec![host], Arc::new(secrets()), options);
        match fleet.run(&name, &login(&["true"])).await {
            Ok(_) => assert!(good),
            Err(error) => {
                let said = super::ground::words(&error);
                assert!(
                    said.contains("it said: Not allowed") && said.contains("PerSourcePenaltyExemptList"),
                    "{said}"
                );
                assert!(!good);
            }
        }
        assert_eq!(count.load(Ordering::SeqCst), connections);
    }
}

/// sshd asks whether we live every second, and changes keys every megabyte and every two seconds; so do we.
pub(crate) async fn client_alive_and_rekey(g: Arc<Ground>) {
    let sshd = g.another(
        "rekey",
        "LogLevel DEBUG\nClientAliveInterval 1\nClientAliveCountMax 2\nRekeyLimit 1M 2s",
    );
    let ours = async |every: Duration| {
        let host = g.host_on(&sshd, "cf-free");
        let name = host.name.clone();
        let mut options = g.options();
        options.rekey_after = every;
        let fleet = SshFleet::new(vec![host], Arc::new(secrets()), options);
        for _ in 0..2 {
            let script = "yes 0123456789 | head -c 8000000; sleep 2; echo; echo last";
            let output = fleet
                .run(&name, &login(&["sh", "-c", script]))
                .await
                .expect("an answer");
            assert!(output.stdout.ends_with(b"\nlast\n"));
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
    };
    tokio::join!(ours(Duration::from_secs(3600)), ours(Duration::from_secs(1)));
    assert_eq!(sshd.logins(), 2, "each kept its connection");
    let exchanges = sshd.log().matches("kex: algorithm:").count();
    assert!(exchanges > 10, "{exchanges} key exchanges");
}

/// sshd closes connections that nobody uses; the next command opens another.
pub(crate) async fn unused_connections(g: Arc<Ground>) {
    let sshd = g.another("unused", "UnusedConnectionTimeout 1");
    let host = g.host_on(&sshd, "cf-free");
    let (name, fleet) = (host.name.clone(), g.fleet(vec![host]));
    for logins in 1..3 {
        let result = fleet.run(&name, &login(&["true"])).await;
        assert!(result.is_ok(), "{result:?}");
        assert_eq!(sshd.logins(), logins);
        tokio::time::sleep(Duration::from_millis(3500)).await;
    }
}

pub(crate) async fn a_silent_host(g: Arc<Ground>) {
    let (port, _) = pretend(Pretence::Silent).await;
    let mut host = g.host("cf-free");
    host.ssh.port = Some(port);
    host.ssh.connect_timeout = Duration::from_secs(1);
    let started = Instant::now();
    let said = g.words(host, login(&["true"])).await;
    assert!(said.contains("did not finish the key exchange within 1s"), "{said}");
    assert!(said.contains("Check that the host is up"), "{said}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

/// Three intervals without an answer: 45 s by default, 3 s here.
pub(crate) async fn a_stopped_sshd_is_found_by_keepalive(g: Arc<Ground>) {
    assert_eq!(SshSettings::default().keepalive * 3, Duration::from_secs(45));
    // bash replaces itself with the command, so that its parent is sshd.
    let mut host = g.host("cf-pass");
    host.ssh.keepalive = Duration::from_secs(1);
    let name = host.name.clone();
    let fleet = g.fleet(vec![host]);
    assert!(fleet.run(&name, &login(&["true"])).await.is_ok());
    let started = Instant::now();
    let stop = login(&["sh", "-c", "kill -STOP $PPID; sleep 60"]).with_timeout(Duration::from_secs(50));
    let lost = fleet.run(&name, &stop).await.expect_err("a lost connection");
    assert_eq!(lost, RemoteError::Lost { sent: true });
    assert!(words(&lost).contains("Look whether the host is up"));
    let took = started.elapsed();
    assert!(
        took < Duration::from_secs(10),
        "far less than the command's own 50 s: {took:?}"
    );
}
