//! The fleet against an SSH server in this process: what needs no real sshd.

mod passwords;
mod server;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use russh::keys::PrivateKey;
use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::RsaKeypair;

use crate::model::host::{BecomeMethod, HostKeyPolicy, KubernetesSettings, PasswordSource};
use crate::model::{BecomeSettings, Command, ExitStatus, Host, HostName, Role, SshSettings};
use crate::remote::error::{BecomeError, RemoteError, TunnelRefusal};
use crate::remote::secrets::{FixedSecrets, SecretRequest};
use crate::remote::transport::{Line, Transport};

use super::retry::Backoff;
use super::{FleetOptions, SshFleet};
use server::{Behaviour, Server};

const PASSWORD: &str = "correct horse";

struct Bench {
    server: Server,
    folder: tempfile::TempDir,
    secrets: Arc<FixedSecrets>,
}

impl Bench {
    async fn new(behaviour: Behaviour) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let server = Server::start(behaviour, folder.path()).await;
        Self {
            server,
            folder,
            secrets: Arc::new(FixedSecrets::default()),
        }
    }

    fn with_password(mut self, password: &str) -> Self {
        let sudo = SecretRequest::Become {
            method: "sudo",
            user: "ops".to_owned(),
        };
        let login = SecretRequest::login("ops");
        self.secrets = Arc::new(FixedSecrets::default().with(sudo, password).with(login, password));
        self
    }

    fn host(&self, name: &str) -> Host {
        Host {
            name: HostName::from(name),
            address: "127.0.0.1".to_owned(),
            role: Role::Worker,
            ssh: SshSettings {
                user: Some("ops".to_owned()),
                port: Some(self.server.port),
                identity: vec![self.folder.path().join("id")],
                known_hosts: vec![self.folder.path().join("known_hosts")],
                config: Some(PathBuf::from("none")),
                ..SshSettings::default()
            },
            r#become: BecomeSettings {
                method: BecomeMethod::Sudo,
                password: PasswordSource::Prompt,
            },
            kubernetes: KubernetesSettings::default(),
        }
    }

    fn fleet(&self, hosts: Vec<Host>) -> SshFleet {
        let options = FleetOptions {
            home: self.folder.path().to_owned(),
            agent: None,
            backoff: Backoff {
                first: Duration::from_millis(5),
                ..Backoff::default()
            },
            ..FleetOptions::default()
        };
        SshFleet::new(hosts, Arc::clone(&self.secrets) as _, options)
    }

    fn one(&self) -> (SshFleet, HostName) {
        (self.fleet(vec![self.host("m1")]), HostName::from("m1"))
    }
}

fn login(words: &[&str]) -> Command {
    Command::login(words.iter().copied())
}

#[tokio::test]
async fn a_command_gives_its_streams_and_status_without_the_shells_noise() {
    let bench = Bench::new(Behaviour::default()).await;
    let (fleet, m1) = bench.one();
    let output = fleet
        .run(&m1, &login(&["say", "it's", "here"]))
        .await
        .expect("an answer");
    assert_eq!(
        (output.stdout_text().as_ref(), output.stderr_text().as_ref()),
        ("it's here\n", "warning\n")
    );
    assert_eq!(output.status, ExitStatus::Code(255), "255 is a status like any other");
    assert_eq!(
        fleet.run(&HostName::from("x"), &login(&["say"])).await,
        Err(RemoteError::NoSuchHost("x".to_owned()))
    );
}

#[tokio::test]
async fn many_callers_share_one_connection_and_six_sessions() {
    let bench = Bench::new(Behaviour::default()).await;
    let (fleet, m1) = bench.one();
    let command = login(&["slow"]);
    let all = futures::future::join_all((0..20).map(|_| fleet.run(&m1, &command))).await;
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(bench.server.state.connections.load(Ordering::SeqCst), 1);
    assert!(bench.server.state.most_sessions.load(Ordering::SeqCst) <= 6);
}

#[tokio::test]
async fn a_lost_connection_is_told_and_the_next_command_reconnects() {
    let bench = Bench::new(Behaviour::default()).await;
    let (fleet, m1) = bench.one();
    assert_eq!(
        fleet.run(&m1, &login(&["vanish"])).await,
        Err(RemoteError::Lost { sent: true })
    );
    assert!(fleet.run(&m1, &login(&["say"])).await.is_ok());
    assert_eq!(bench.server.state.connections.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_command_has_a_deadline_and_its_session_is_free_again() {
    let bench = Bench::new(Behaviour::default()).await;
    let (fleet, m1) = bench.one();
    let after = Duration::from_millis(500);
    for _ in 0..8 {
        let result = fleet.run(&m1, &login(&["hang"]).with_timeout(after)).await;
        assert_eq!(result, Err(RemoteError::CommandTimeout { after }));
    }
}

#[tokio::test]
async fn output_is_bounded_at_both_ends() {
    let bench = Bench::new(Behaviour::default()).await;
    let (fleet, m1) = bench.one();
    let output = fleet.run(&m1, &login(&["flood"])).await.expect("an answer");
    assert!(output.truncated);
    assert!(output.stdout.starts_with(b"first\n") && output.stdout.ends_with(b"last\n"));
    assert_eq!(output.stdout.len(), 2 * super::capture::HALF);
}

#[tokio::test]
async fn followed_lines_come_while_the_command_runs_and_dropping_ends_it() {
    let bench = Bench::new(Behaviour::default()).await;
    let (fleet, m1) = bench.one();
    let mut lines = fleet.follow(&m1, &login(&["tick"])).await.expect("a stream");
    assert_eq!(lines.next().await, Some(Ok(Line::Out(b"tick 0".to_vec()))));
    assert_eq!(lines.next().await, Some(Ok(Line::Out(b"tick 1".to_vec()))));
    drop(lines);
    let closed = &bench.server.state.closed;
    tokio::time::timeout(Duration::from_secs(5), closed.notified())
        .await
        .expect("the channel was closed");
}

#[tokio::test]
async fn an_unread_stream_does_not_stall_other_commands() {
    let bench = Bench::new(Behaviour::default()).await;
    let (fleet, m1) = bench.one();
    let mut lines = fleet.follow(&m1, &login(&["flood"])).await.expect("a stream");
    let other = tokio::time::timeout(Duration::from_secs(10), fleet.run(&m1, &login(&["say"]))).await;
    assert!(other.expect("not stalled").is_ok());
    let mut last = None;
    while let Some(item) = lines.next().await {
        last = Some(item);
    }
    assert_eq!(
        last,
        Some(Ok(Line::Out(b"last".to_vec()))),
        "every line arrives in the end"
    );
}

#[tokio::test]
async fn a_tunnel_reaches_a_port_and_a_closed_one_is_named() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let bench = Bench::new(Behaviour::default()).await;
    let (fleet, m1) = bench.one();
    let mut stream = fleet.dial(&m1, "127.0.0.1", 7).await.expect("a tunnel");
    stream.write_all(b"ping").await.expect("written");
    let mut back = [0; 4];
    stream.read_exact(&mut back).await.expect("echoed");
    assert_eq!(&back, b"ping");
    let closed = fleet.dial(&m1, "127.0.0.1", 9).await.err();
    assert!(
        matches!(
            closed,
            Some(RemoteError::TunnelRefused {
                reason: TunnelRefusal::Closed,
                ..
            })
        ),
        "{closed:?}"
    );
}

#[tokio::test]
async fn an_unknown_host_key_is_refused_for_good_and_accept_new_records_it() {
    let bench = Bench::new(Behaviour::default()).await;
    std::fs::write(bench.folder.path().join("known_hosts"), "").expect("written");
    let (fleet, m1) = bench.one();
    for _ in 0..2 {
        let refused = fleet.run(&m1, &login(&["say"])).await;
        assert!(
            matches!(refused, Err(RemoteError::HostKeyUnknown { .. })),
            "{refused:?}"
        );
    }
    assert_eq!(
        bench.server.state.connections.load(Ordering::SeqCst),
        0,
        "no login was attempted"
    );
    let mut host = bench.host("m1");
    host.ssh.host_key_policy = HostKeyPolicy::AcceptNew;
    assert!(bench.fleet(vec![host]).run(&m1, &login(&["say"])).await.is_ok());
    assert!(bench.one().0.run(&m1, &login(&["say"])).await.is_ok(), "recorded");
}

#[tokio::test]
async fn connections_dropped_before_the_banner_are_tried_again() {
    let bench = Bench::new(Behaviour {
        drops: 5,
        ..Behaviour::default()
    })
    .await;
    let (fleet, m1) = bench.one();
    assert!(fleet.run(&m1, &login(&["say"])).await.is_ok());
}

#[tokio::test]
async fn a_refused_key_is_never_tried_again() {
    let bench = Bench::new(Behaviour {
        password: Some("another"),
        refuse_keys: true,
        ..Behaviour::default()
    })
    .await
    .with_password(PASSWORD);
    let mut hosts = vec![bench.host("a"), bench.host("b"), bench.host("c")];
    for host in &mut hosts {
        host.ssh.password = PasswordSource::Prompt;
    }
    let names: Vec<HostName> = hosts.iter().map(|h| h.name.clone()).collect();
    let fleet = bench.fleet(hosts);
    let command = login(&["say"]);
    let all = futures::future::join_all(names.iter().map(|n| fleet.run(n, &command))).await;
    assert!(
        all.iter().all(|r| matches!(r, Err(RemoteError::AuthRefused { .. }))),
        "{all:?}"
    );
    let again = fleet.run(&names[0], &command).await;
    assert!(matches!(again, Err(RemoteError::AuthRefused { .. })));
    assert_eq!(
        bench.server.state.passwords.load(Ordering::SeqCst),
        1,
        "one host, one attempt"
    );
    assert_eq!(bench.secrets.asked().len(), 1);
}

#[tokio::test]
async fn a_login_password_is_asked_once_for_all_hosts() {
    let bench = Bench::new(Behaviour {
        password: Some(PASSWORD),
        refuse_keys: true,
        ..Behaviour::default()
    })
    .await
    .with_password(PASSWORD);
    let mut hosts = vec![bench.host("a"), bench.host("b")];
    for host in &mut hosts {
        host.ssh.password = PasswordSource::Prompt;
        host.ssh.identity.clear();
    }
    let fleet = bench.fleet(hosts);
    for name in ["a", "b"] {
        assert!(fleet.run(&HostName::from(name), &login(&["say"])).await.is_ok());
    }
    assert_eq!(bench.secrets.asked().len(), 1);
}

fn sudo_bench(password: &'static str) -> Behaviour {
    Behaviour {
        sudo_password: Some(password),
        ..Behaviour::default()
    }
}

#[tokio::test]
async fn sudo_gets_its_password_once_and_the_command_none_of_it() {
    let bench = Bench::new(sudo_bench(PASSWORD)).await.with_password(PASSWORD);
    let fleet = bench.fleet(vec![bench.host("a"), bench.host("b")]);
    for name in ["a", "b", "a"] {
        let output = fleet
            .run(&HostName::from(name), &Command::root(["stdin"]))
            .await
            .expect("root");
        assert_eq!(
            (output.stdout_text().as_ref(), output.stderr_text().as_ref()),
            ("root: \n", "")
        );
    }
    assert_eq!(bench.secrets.asked().len(), 1);
}

#[tokio::test]
async fn a_wrong_sudo_password_is_sent_to_one_host_once() {
    let bench = Bench::new(sudo_bench("another")).await.with_password(PASSWORD);
    let names = ["a", "b", "c"].map(HostName::from);
    let fleet = bench.fleet(["a", "b", "c"].map(|n| bench.host(n)).to_vec());
    let command = Command::root(["stdin"]);
    let all = futures::future::join_all(names.iter().map(|n| fleet.run(n, &command))).await;
    for result in all {
        assert_eq!(result, Err(RemoteError::Become(BecomeError::WrongPassword)));
    }
    assert_eq!(bench.server.state.passwords.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_needed_password_that_may_not_be_asked_is_an_error() {
    let bench = Bench::new(sudo_bench(PASSWORD)).await;
    let mut host = bench.host("m1");
    host.r#become.password = PasswordSource::None;
    let result = bench
        .fleet(vec![host])
        .run(&HostName::from("m1"), &Command::root(["stdin"]))
        .await;
    assert_eq!(result, Err(RemoteError::Become(BecomeError::PasswordRequired)));
}

#[tokio::test]
async fn hosts_behind_a_jump_host_share_one_connection_to_it() {
    let bench = Bench::new(Behaviour::default()).await;
    let spec = format!("ops@127.0.0.1:{}", bench.server.port);
    let mut hosts = vec![bench.host("a"), bench.host("b")];
    for host in &mut hosts {
        host.ssh.jump = Some(vec![spec.clone()]);
    }
    let fleet = bench.fleet(hosts);
    let (a, b) = (HostName::from("a"), HostName::from("b"));
    let command = login(&["say"]);
    let (a, b) = tokio::join!(fleet.run(&a, &command), fleet.run(&b, &command));
    assert!(a.is_ok() && b.is_ok(), "{a:?} {b:?}");
    assert_eq!(bench.server.state.connections.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_dead_host_costs_one_attempt_for_all_who_wait() {
    let bench = Bench::new(Behaviour {
        silent: true,
        ..Behaviour::default()
    })
    .await;
    let mut host = bench.host("m1");
    host.ssh.connect_timeout = Duration::from_millis(200);
    let (fleet, m1) = (bench.fleet(vec![host]), HostName::from("m1"));
    let command = login(&["say"]);
    let started = std::time::Instant::now();
    let all = futures::future::join_all((0..20).map(|_| fleet.run(&m1, &command))).await;
    assert!(
        all.iter().all(|r| matches!(r, Err(RemoteError::ConnectTimeout { .. }))),
        "{all:?}"
    );
    assert!(
        started.elapsed() < Duration::from_secs(3),
        "one after another takes four"
    );
}

#[tokio::test]
async fn an_rsa_key_and_an_sshd_that_knows_no_sha2_name_the_opt_in() {
    let bench = Bench::new(Behaviour {
        refuse_keys: true,
        old: true,
        ..Behaviour::default()
    })
    .await;
    let pair = RsaKeypair::random(&mut safe_rng(), 2048).expect("a key");
    let key = PrivateKey::new(pair.into(), "rsa").expect("a key");
    let file = bench.folder.path().join("rsa");
    std::fs::write(&file, key.to_openssh(LineEnding::LF).expect("a key")).expect("written");
    let mut host = bench.host("m1");
    host.ssh.identity = vec![file];
    let refused = bench
        .fleet(vec![host])
        .run(&HostName::from("m1"), &login(&["say"]))
        .await;
    let said = refused.expect_err("refused").to_string();
    assert!(said.contains("`legacy-algorithms: true`"), "{said}");
}

#[tokio::test]
async fn a_channel_that_the_server_opens_is_refused() {
    let bench = Bench::new(Behaviour::default()).await;
    let (fleet, m1) = bench.one();
    let output = fleet.run(&m1, &login(&["call-back"])).await.expect("an answer");
    assert_eq!(output.stdout_text(), "refused\n");
}
