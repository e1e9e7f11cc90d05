//! A small SSH server whose "shell" knows the few commands of the tests.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use russh::keys::key::safe_rng;
use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};
use russh::server::{self, Auth, ChannelOpenHandle, Msg, Response, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelMsg, ChannelOpenFailure, ChannelWriteHalf, MethodKind, MethodSet, Preferred};
use tokio::net::TcpListener;
use tokio::sync::{Notify, mpsc};

use crate::model::shell_words;

/// What the server does.
#[derive(Debug, Clone, Default)]
pub(super) struct Behaviour {
    /// Connections that are dropped before the banner.
    pub drops: usize,
    /// Accept and say nothing.
    pub silent: bool,
    pub refuse_keys: bool,
    /// Says nothing of RSA keys, as sshd before 7.2.
    pub old: bool,
    pub password: Option<&'static str>,
    pub sudo_password: Option<&'static str>,
    /// Asks for a code instead of a password; whether each in turn is right.
    pub codes: Option<&'static [bool]>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub connections: AtomicUsize,
    pub sessions: AtomicUsize,
    pub most_sessions: AtomicUsize,
    pub passwords: AtomicUsize,
    pub codes: AtomicUsize,
    pub closed: Notify,
}

pub(super) struct Server {
    pub port: u16,
    pub state: Arc<State>,
}

impl Server {
    /// Listens on loopback; writes `id` and `known_hosts` into the folder.
    pub(super) async fn start(behaviour: Behaviour, folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let [host, user] = [(); 2].map(|()| PrivateKey::random(&mut safe_rng(), Algorithm::Ed25519).expect("a key"));
        std::fs::write(folder.join("id"), user.to_openssh(LineEnding::LF).expect("a key")).expect("written");
        let known = format!(
            "[127.0.0.1]:{port} {}\n",
            host.public_key().to_openssh().expect("a key")
        );
        std::fs::write(folder.join("known_hosts"), known).expect("written");
        let mut preferred = Preferred::DEFAULT;
        if behaviour.old {
            preferred.key = Cow::Borrowed(&[Algorithm::Ed25519]);
        }
        let methods = match behaviour.codes {
            Some(_) => MethodSet::from(&[MethodKind::PublicKey, MethodKind::KeyboardInteractive][..]),
            None => MethodSet::server_supported(),
        };
        let config = Arc::new(server::Config {
            methods,
            preferred,
            keys: vec![host],
            nodelay: true,
            auth_rejection_time: Duration::ZERO,
            auth_rejection_time_initial: Some(Duration::ZERO),
            ..server::Config::default()
        });
        let state = Arc::new(State::default());
        tokio::spawn(accept(listener, config, behaviour, Arc::clone(&state)));
        Self { port, state }
    }
}

async fn accept(listener: TcpListener, config: Arc<server::Config>, behaviour: Behaviour, state: Arc<State>) {
    let mut kept = Vec::new();
    for number in 0.. {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        if number < behaviour.drops {
            continue;
        }
        if behaviour.silent {
            kept.push(stream);
            continue;
        }
        let login = Login {
            behaviour: behaviour.clone(),
            state: Arc::clone(&state),
        };
        let config = Arc::clone(&config);
        tokio::spawn(async move {
            if let Ok(session) = server::run_stream(config, stream, login).await {
                let _ = session.await;
            }
        });
    }
}

struct Login {
    behaviour: Behaviour,
    state: Arc<State>,
}

impl server::Handler for Login {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _: &str, _: VerifiedPublicKey<'_>) -> Result<Auth, russh::Error> {
        if self.behaviour.refuse_keys {
            return Ok(Auth::reject());
        }
        self.state.connections.fetch_add(1, Ordering::SeqCst);
        Ok(Auth::Accept)
    }

    async fn auth_password(&mut self, _: &str, password: &str) -> Result<Auth, russh::Error> {
        self.state.passwords.fetch_add(1, Ordering::SeqCst);
        let good = self.behaviour.password == Some(password);
        Ok(if good { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, russh::Error> {
        let Some(verdicts) = self.behaviour.codes else {
            return Ok(Auth::reject());
        };
        if response.is_none() {
            return Ok(Auth::Partial {
                name: "".into(),
                instructions: "".into(),
                prompts: vec![("Verification code: ".into(), false)].into(),
            });
        }
        let number = self.state.codes.fetch_add(1, Ordering::SeqCst);
        let good = verdicts.get(number) == Some(&true);
        Ok(if good { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        session: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.accept().await;
        let shell = Shell {
            behaviour: self.behaviour.clone(),
            state: Arc::clone(&self.state),
            server: session.handle(),
        };
        tokio::spawn(shell.serve(channel));
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        _: &str,
        port: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        if port == 9 {
            reply.reject(ChannelOpenFailure::ConnectFailed).await;
            return Ok(());
        }
        reply.accept().await;
        tokio::spawn(async move {
            let mut stream = channel.into_stream();
            if port == 7 {
                let (mut read, mut write) = tokio::io::split(stream);
                let _ = tokio::io::copy(&mut read, &mut write).await;
            } else if let Ok(mut tcp) =
                tokio::net::TcpStream::connect(("127.0.0.1", u16::try_from(port).unwrap_or_default())).await
            {
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut tcp).await;
            }
        });
        Ok(())
    }

    async fn exec_request(&mut self, id: ChannelId, _: &[u8], session: &mut Session) -> Result<(), russh::Error> {
        session.channel_success(id)
    }
}

struct Shell {
    behaviour: Behaviour,
    state: Arc<State>,
    server: server::Handle,
}

type Write = ChannelWriteHalf<Msg>;

impl Shell {
    async fn serve(self, channel: Channel<Msg>) {
        let (mut read, write) = channel.split();
        let (input, mut stdin) = mpsc::unbounded_channel();
        let mut input = Some(input);
        let state = Arc::clone(&self.state);
        let mut command = None;
        let shell = Arc::new(self);
        let write = Arc::new(write);
        while let Some(message) = read.wait().await {
            match message {
                ChannelMsg::Exec { command: line, .. } => {
                    let line = String::from_utf8(line).expect("UTF-8");
                    let stdin = std::mem::replace(&mut stdin, mpsc::unbounded_channel().1);
                    let (shell, write) = (Arc::clone(&shell), Arc::clone(&write));
                    command = Some(tokio::spawn(async move { shell.exec(&line, &write, stdin).await }));
                }
                ChannelMsg::Data { data } => drop(input.as_ref().map(|i| i.send(data.to_vec()))),
                ChannelMsg::Eof => input = None,
                ChannelMsg::Close => break,
                _ => {}
            }
        }
        state.closed.notify_one();
        if let Some(command) = command {
            command.abort();
        }
    }

    async fn exec(&self, line: &str, write: &Write, mut stdin: mpsc::UnboundedReceiver<Vec<u8>>) {
        let now = self.state.sessions.fetch_add(1, Ordering::SeqCst) + 1;
        self.state.most_sessions.fetch_max(now, Ordering::SeqCst);
        let words = shell_words::split(line).expect("closed quotes");
        let tag = words.iter().position(|w| w == "certfleet-begin").expect("our wrapper");
        let _ = write.data_bytes("Welcome to m1! ").await;
        let status = match self.elevate(&words[..tag], write, &mut stdin).await {
            Ok(who) => {
                let _ = write.data_bytes(format!("{}\n", words[tag + 1])).await;
                self.command(&words[tag + 2..], who, write, &mut stdin).await
            }
            Err(status) => status,
        };
        self.state.sessions.fetch_sub(1, Ordering::SeqCst);
        let _ = write.exit_status(status).await;
        let _ = write.eof().await;
        let _ = write.close().await;
    }

    async fn elevate(
        &self,
        words: &[String],
        write: &Write,
        stdin: &mut mpsc::UnboundedReceiver<Vec<u8>>,
    ) -> Result<&'static str, u32> {
        let Some(at) = words.iter().position(|w| w == "sudo") else {
            return Ok("ops");
        };
        let Some(password) = self.behaviour.sudo_password else {
            return Ok("root");
        };
        if words[at + 1] == "-n" {
            let _ = write.extended_data_bytes(1, "sudo: a password is required\n").await;
            return Err(1);
        }
        let prompt = words[at + 3].clone();
        let _ = write.extended_data_bytes(1, format!("usual lecture\n\n{prompt}")).await;
        let Some(line) = stdin.recv().await else { return Err(1) };
        self.state.passwords.fetch_add(1, Ordering::SeqCst);
        if line == format!("{password}\n").as_bytes() {
            return Ok("root");
        }
        let _ = write
            .extended_data_bytes(1, format!("Sorry, try again.\n{prompt}"))
            .await;
        let _ = stdin.recv().await;
        Err(1)
    }

    async fn command(
        &self,
        words: &[String],
        who: &str,
        write: &Write,
        stdin: &mut mpsc::UnboundedReceiver<Vec<u8>>,
    ) -> u32 {
        match words[0].as_str() {
            "say" => {
                let _ = write.extended_data_bytes(1, "warning\n").await;
                let _ = write.data_bytes(format!("{}\n", words[1..].join(" "))).await;
                return 255;
            }
            "slow" => tokio::time::sleep(Duration::from_millis(20)).await,
            "stdin" => {
                let mut all = Vec::new();
                while let Some(more) = stdin.recv().await {
                    all.extend(more);
                }
                let _ = write
                    .data_bytes(format!("{who}: {}\n", String::from_utf8_lossy(&all)))
                    .await;
            }
            "vanish" => {
                let bye = self
                    .server
                    .disconnect(russh::Disconnect::ByApplication, String::new(), String::new());
                let _ = bye.await;
                std::future::pending::<()>().await;
            }
            "hang" => std::future::pending::<()>().await,
            "flood" => flood(write).await,
            "tick" => {
                for n in 0.. {
                    let _ = write.data_bytes(format!("tick {n}\n")).await;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            "call-back" => {
                let refused = self.server.channel_open_agent().await.is_err();
                let _ = write.data_bytes(if refused { "refused\n" } else { "accepted\n" }).await;
            }
            _ => return 127,
        }
        0
    }
}

/// 4 MB in lines.
async fn flood(write: &Write) {
    let _ = write.data_bytes("first\n").await;
    let chunk = format!("{}\n", "x".repeat(999)).repeat(20);
    for _ in 0..200 {
        let _ = write.data_bytes(chunk.clone()).await;
    }
    let _ = write.data_bytes("last\n").await;
}
