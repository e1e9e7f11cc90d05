//! A fake machine with a handful of commands, and a lab around it.

use std::sync::Arc;
use std::time::Duration;

use certfleet::lab::files::{LabFiles, LabHost, LabLogin};
use certfleet::lab::ssh_server::{ServerHandle, ServerOptions, SshServer};
use certfleet::lab::{ExecIo, Machine, keys};
use certfleet::model::{ExitStatus, HostName, Role};
use certfleet::remote::Duplex;
use certfleet::remote::error::TunnelRefusal;
use futures::future::BoxFuture;
use russh::keys::ssh_key::PrivateKey;
use tokio::io::DuplexStream;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// A test that waits longer than this has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Where the fake machine echoes; other ports are those of this computer, except 9.
pub(crate) const ECHO_PORT: u16 = 7;

/// Counts the commands that noticed the end of their client.
#[derive(Debug)]
pub(crate) struct Fake {
    ended: watch::Sender<usize>,
}

impl Fake {
    pub(crate) async fn wait_for_ended(&self, count: usize) {
        let mut ended = self.ended.subscribe();
        let waiting = ended.wait_for(|n| *n >= count);
        let seen = tokio::time::timeout(PATIENCE, waiting).await;
        seen.expect("the command was not ended").expect("the fake lives");
    }
}

impl Machine for Fake {
    fn exec<'a>(&'a self, host: &'a HostName, user: &'a str, line: String, io: ExecIo) -> BoxFuture<'a, ExitStatus> {
        Box::pin(async move {
            let (word, rest) = line.split_once(' ').unwrap_or((line.as_str(), ""));
            match word {
                "echo" => say(&io, format!("{rest}\n")),
                "whoami" => say(&io, format!("{user}@{host}\n")),
                "fail" => {
                    say(&io, "half\n");
                    let _ = io.stderr.send(b"broken\n".to_vec());
                    return ExitStatus::Code(rest.parse().expect("a number"));
                }
                "die" => return ExitStatus::Signal(rest.to_owned()),
                "cat" => cat(io).await,
                "count" => count(io).await,
                "follow" => {
                    say(&io, "first line\n");
                    io.stdout.closed().await;
                    self.ended.send_modify(|n| *n += 1);
                }
                _ => return ExitStatus::Code(127),
            }
            ExitStatus::Code(0)
        })
    }

    fn dial<'a>(
        &'a self,
        _host: &'a HostName,
        _address: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Duplex>, TunnelRefusal>> {
        Box::pin(async move {
            match port {
                ECHO_PORT => Ok(Box::new(echo()) as Box<dyn Duplex>),
                9 => Err(TunnelRefusal::Closed),
                port => match TcpStream::connect(("127.0.0.1", port)).await {
                    Ok(stream) => Ok(Box::new(stream) as Box<dyn Duplex>),
                    Err(_) => Err(TunnelRefusal::Closed),
                },
            }
        })
    }
}

fn echo() -> DuplexStream {
    let (near, far) = tokio::io::duplex(4096);
    tokio::spawn(async move {
        let (mut read, mut write) = tokio::io::split(far);
        let _ = tokio::io::copy(&mut read, &mut write).await;
    });
    near
}

fn say(io: &ExecIo, text: impl Into<Vec<u8>>) {
    let _ = io.stdout.send(text.into());
}

async fn cat(mut io: ExecIo) {
    while let Some(bytes) = io.stdin.recv().await {
        let _ = io.stdout.send(bytes);
    }
}

async fn count(mut io: ExecIo) {
    let mut total = 0;
    while let Some(bytes) = io.stdin.recv().await {
        total += bytes.len();
    }
    say(&io, format!("{total}\n"));
}

/// A server for `m1` and `w1` with its files.
#[derive(Debug)]
pub(crate) struct Lab {
    pub(crate) machine: Arc<Fake>,
    pub(crate) server: ServerHandle,
    pub(crate) login: Arc<PrivateKey>,
    pub(crate) files: LabFiles,
    _dir: tempfile::TempDir,
}

impl Lab {
    pub(crate) async fn start() -> Self {
        let machine = Arc::new(Fake {
            ended: watch::Sender::new(0),
        });
        let login = Arc::new(keys::generate().expect("a key"));
        let mut options = ServerOptions::new(login.public_key().clone());
        options.password = Some("tomate".into());
        let hosts = vec![HostName::from("m1"), HostName::from("w1")];
        let fleet: Arc<dyn Machine> = Arc::clone(&machine) as Arc<dyn Machine>;
        let server = SshServer::start(fleet, hosts, options)
            .await
            .expect("the server starts");
        let dir = tempfile::tempdir().expect("a directory");
        let files = write_files(dir.path(), &server, &login);
        Self {
            machine,
            server,
            login,
            files,
            _dir: dir,
        }
    }

    pub(crate) fn port(&self, host: &str) -> u16 {
        self.server.ports()[&HostName::from(host)]
    }
}

fn write_files(dir: &std::path::Path, server: &ServerHandle, key: &PrivateKey) -> LabFiles {
    let hosts = server.hosts().iter().map(|host| LabHost {
        name: host.name.clone(),
        role: if host.name.as_str() == "m1" {
            Role::ControlPlane
        } else {
            Role::Worker
        },
        port: host.port,
        host_key: host.host_key.clone(),
    });
    let login = LabLogin {
        key,
        sudo_password: false,
    };
    // A space in the path: ssh_config must quote it.
    LabFiles::write(&dir.join("a lab"), &hosts.collect::<Vec<_>>(), &login).expect("the files")
}
