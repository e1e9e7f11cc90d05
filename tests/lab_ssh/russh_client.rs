//! What russh's client sees: the client that certfleet itself uses.

use std::sync::Arc;

use certfleet::lab::keys;
use certfleet::model::HostName;
use russh::client::{self, Handle, Msg};
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate, ssh_key::PrivateKey};
use russh::{Channel, ChannelMsg, ChannelOpenFailure, Error, Sig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use crate::fixture::{ECHO_PORT, Lab, PATIENCE};

struct AnyHostKey;

impl client::Handler for AnyHostKey {
    type Error = Error;

    async fn check_server_key(&mut self, _key: &PublicKeyOrCertificate) -> Result<bool, Error> {
        Ok(true)
    }
}

type Client = Handle<AnyHostKey>;

async fn knock(lab: &Lab, host: &str) -> Client {
    let config = client::Config {
        nodelay: true,
        ..client::Config::default()
    };
    let connecting = client::connect(Arc::new(config), ("127.0.0.1", lab.port(host)), AnyHostKey);
    timeout(PATIENCE, connecting)
        .await
        .expect("in time")
        .expect("connected")
}

async fn key_login(client: &mut Client, user: &str, key: &Arc<PrivateKey>) -> bool {
    let key = PrivateKeyWithHashAlg::new(Arc::clone(key), None);
    client
        .authenticate_publickey(user, key)
        .await
        .expect("an answer")
        .success()
}

async fn connect(lab: &Lab, host: &str) -> Client {
    let mut client = knock(lab, host).await;
    assert!(key_login(&mut client, "ops", &lab.login).await, "ops may log in");
    client
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Ended {
    out: Vec<u8>,
    err: Vec<u8>,
    code: Option<u32>,
    signal: Option<String>,
    /// The messages after the output, in their order.
    order: Vec<&'static str>,
}

async fn run(client: &Client, line: &str, stdin: &[u8]) -> Ended {
    let channel = client.channel_open_session().await.expect("a channel");
    channel.exec(true, line).await.expect("sent");
    let (mut read, write) = channel.split();
    let reading = async {
        let mut ended = Ended::default();
        while let Some(message) = read.wait().await {
            match message {
                ChannelMsg::Data { data } => ended.out.extend_from_slice(&data),
                ChannelMsg::ExtendedData { data, ext: 1 } => ended.err.extend_from_slice(&data),
                ChannelMsg::ExitStatus { exit_status } => {
                    ended.code = Some(exit_status);
                    ended.order.push("status");
                }
                ChannelMsg::ExitSignal { signal_name, .. } => {
                    ended.signal = Some(format!("{signal_name:?}"));
                    ended.order.push("signal");
                }
                ChannelMsg::Eof => ended.order.push("eof"),
                ChannelMsg::Close => ended.order.push("close"),
                _ => {}
            }
        }
        ended
    };
    let writing = async {
        write.data_bytes(stdin.to_vec()).await.expect("written");
        write.eof().await.expect("written");
    };
    timeout(PATIENCE, async { tokio::join!(reading, writing).0 })
        .await
        .expect("the command ends")
}

fn said(out: &str, err: &str, code: u32) -> Ended {
    Ended {
        out: out.into(),
        err: err.into(),
        code: Some(code),
        signal: None,
        order: vec!["eof", "status", "close"],
    }
}

#[tokio::test]
async fn commands_end_with_their_output_and_status() {
    let lab = Lab::start().await;
    let client = connect(&lab, "w1").await;
    assert_eq!(run(&client, "whoami", b"").await, said("ops@w1\n", "", 0));
    assert_eq!(run(&client, "fail 3", b"").await, said("half\n", "broken\n", 3));
    assert_eq!(run(&client, "unheard-of", b"").await, said("", "", 127));
    let killed = run(&client, "die KILL", b"").await;
    assert_eq!((killed.code, killed.signal.as_deref()), (None, Some("KILL")));
    assert_eq!(killed.order, ["eof", "signal", "close"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_megabytes_go_in_and_come_back() {
    let lab = Lab::start().await;
    let client = connect(&lab, "m1").await;
    let bytes: Vec<u8> = (0..5_000_000_u32)
        .map(|n| u8::try_from(n % 251).expect("small"))
        .collect();
    let (cat, count) = tokio::join!(run(&client, "cat", &bytes), run(&client, "count", &bytes));
    assert!(cat.out == bytes, "{} bytes came back, or others", cat.out.len());
    assert_eq!((cat.code, count), (Some(0), said("5000000\n", "", 0)));
}

#[tokio::test]
async fn only_the_labs_key_and_password_open_the_door() {
    let lab = Lab::start().await;
    let other = Arc::new(keys::generate().expect("a key"));
    let mut client = knock(&lab, "m1").await;
    assert!(!key_login(&mut client, "ops", &other).await, "another key");
    assert!(!key_login(&mut client, "admin", &lab.login).await, "another user");
    let mut password = async |user: &str, word: &str| {
        client
            .authenticate_password(user, word)
            .await
            .expect("an answer")
            .success()
    };
    assert!(!password("ops", "patate").await);
    assert!(!password("root", "tomate").await, "root has no password");
    assert!(password("ops", "tomate").await);

    let mut root = knock(&lab, "m1").await;
    assert!(key_login(&mut root, "root", &lab.login).await);
    assert_eq!(run(&root, "whoami", b"").await, said("root@m1\n", "", 0));
}

#[tokio::test]
async fn a_tunnel_reaches_what_the_host_reaches() {
    let lab = Lab::start().await;
    let client = connect(&lab, "m1").await;
    let opened = client
        .channel_open_direct_tcpip("127.0.0.1", u32::from(ECHO_PORT), "127.0.0.1", 0)
        .await;
    let mut stream = opened.expect("a tunnel").into_stream();
    stream.write_all(b"hello").await.expect("written");
    stream.shutdown().await.expect("half closed");
    let mut back = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut back))
        .await
        .expect("in time")
        .expect("read");
    assert_eq!(back, "hello");

    let refused = client.channel_open_direct_tcpip("127.0.0.1", 9, "127.0.0.1", 0).await;
    let reason = match refused {
        Err(Error::ChannelOpenFailure(reason)) => Some(reason),
        _ => None,
    };
    assert_eq!(reason, Some(ChannelOpenFailure::ConnectFailed));
}

#[tokio::test]
async fn the_eleventh_session_waits_for_a_free_slot() {
    let lab = Lab::start().await;
    let client = connect(&lab, "m1").await;
    let mut open = Vec::new();
    for _ in 0..10 {
        open.push(follow(&client).await);
    }
    assert!(client.channel_open_session().await.is_err(), "MaxSessions is 10");
    let last = open.pop().expect("ten are open");
    last.signal(Sig::TERM).await.expect("sent");
    let (mut read, _write) = last.split();
    let signalled = async { while !matches!(read.wait().await, None | Some(ChannelMsg::Close)) {} };
    timeout(PATIENCE, signalled).await.expect("SIGTERM ends the command");
    assert_eq!(run(&client, "echo free", b"").await, said("free\n", "", 0));
}

/// Starts `follow` and waits for its first line, so that it surely runs.
async fn follow(client: &Client) -> Channel<Msg> {
    let mut channel = client.channel_open_session().await.expect("a channel");
    channel.exec(true, "follow").await.expect("sent");
    let starting = async { while !matches!(channel.wait().await, Some(ChannelMsg::Data { .. })) {} };
    timeout(PATIENCE, starting).await.expect("its first line");
    channel
}

#[tokio::test]
async fn dropped_connections_end_without_a_status_and_their_commands_notice() {
    let lab = Lab::start().await;
    let (cut, kept) = (connect(&lab, "m1").await, connect(&lab, "w1").await);
    let mut lost = follow(&cut).await;
    assert!(lab.server.drop_connections(&HostName::from("m1")));
    assert!(!lab.server.drop_connections(&HostName::from("m9")), "no such host");
    assert!(
        timeout(PATIENCE, lost.wait()).await.expect("in time").is_none(),
        "no status, no goodbye"
    );
    lab.machine.wait_for_ended(1).await;
    assert_eq!(run(&kept, "echo still here", b"").await, said("still here\n", "", 0));
    assert_eq!(
        run(&connect(&lab, "m1").await, "echo again", b"").await,
        said("again\n", "", 0)
    );
}

#[tokio::test]
async fn shutdown_ends_commands_and_closes_the_ports() {
    let lab = Lab::start().await;
    let client = connect(&lab, "m1").await;
    let _running = follow(&client).await;
    timeout(PATIENCE, lab.server.shutdown())
        .await
        .expect("it has a deadline");
    timeout(PATIENCE, client)
        .await
        .expect("the client is told")
        .expect("with a goodbye");
    let again = tokio::net::TcpStream::connect(("127.0.0.1", lab.port("m1"))).await;
    assert!(again.is_err(), "the port is closed");
}
