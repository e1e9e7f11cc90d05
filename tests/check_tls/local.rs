//! This machine as a host: commands run here, dials go to loopback; servers to look at, and a kubeadm-shaped PKI for them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Stdio};
use std::time::Duration;

use certfleet::check::{FleetInspection, Handshake, Inspection};
use certfleet::model::{
    BecomeSettings, Command, ExitStatus, Host, HostFacts, HostName, KubernetesSettings, Output, Role, SshSettings,
};
use certfleet::probes::certificates_on_disk;
use certfleet::remote::error::TunnelRefusal;
use certfleet::remote::{Duplex, LineStream, RemoteError, Transport};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

/// A transport to this very machine.
#[derive(Debug, Default)]
pub(crate) struct Local {
    /// sshd with `AllowTcpForwarding no`.
    pub(crate) forbidden: bool,
}

impl Transport for Local {
    fn run<'a>(&'a self, _: &'a HostName, command: &'a Command) -> BoxFuture<'a, Result<Output, RemoteError>> {
        async move {
            let mut program = tokio::process::Command::new(&command.words[0]);
            let done = program
                .args(&command.words[1..])
                .env("LC_ALL", "C")
                .stdin(Stdio::null())
                .kill_on_drop(true)
                .output();
            let done = tokio::time::timeout(command.timeout, done)
                .await
                .expect("ends in time")
                .expect("runs");
            let code = done.status.code().and_then(|c| u32::try_from(c).ok()).unwrap_or(255);
            Ok(Output {
                status: ExitStatus::Code(code),
                ..Output::new(code, done.stdout, done.stderr)
            })
        }
        .boxed()
    }

    fn follow<'a>(&'a self, _: &'a HostName, _: &'a Command) -> BoxFuture<'a, Result<LineStream, RemoteError>> {
        async { unreachable!("a check follows nothing") }.boxed()
    }

    fn dial<'a>(
        &'a self,
        _: &'a HostName,
        address: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Duplex>, RemoteError>> {
        async move {
            let refused = |reason| RemoteError::TunnelRefused {
                target: format!("{address}:{port}"),
                reason,
            };
            if self.forbidden {
                return Err(refused(TunnelRefusal::Forbidden));
            }
            let stream = TcpStream::connect((address, port))
                .await
                .map_err(|_| refused(TunnelRefusal::Closed))?;
            Ok(Box::new(stream) as Box<dyn Duplex>)
        }
        .boxed()
    }
}

/// A host whose PKI is the test's own.
pub(crate) fn host(cert_dir: &Path) -> Host {
    Host {
        name: "here".into(),
        address: "127.0.0.1".to_owned(),
        role: Role::Etcd,
        ssh: SshSettings::default(),
        r#become: BecomeSettings::default(),
        kubernetes: KubernetesSettings {
            cert_dir: cert_dir.display().to_string(),
            ..KubernetesSettings::default()
        },
    }
}

/// The files as they are now, and what was served.
pub(crate) async fn fleet(pki: &Pki, handshake: Handshake) -> FleetInspection {
    let here = host(&pki.dir);
    let output = Local::default()
        .run(&here.name, &certificates_on_disk::command(&here))
        .await
        .expect("runs");
    let mut facts = HostFacts::unknown(here.name.clone());
    facts.certificates = certificates_on_disk::parse(&output).expect("rows");
    let inspection = Inspection {
        role: here.role,
        address: here.address,
        cert_dir: here.kubernetes.cert_dir,
        facts,
        handshakes: vec![handshake],
        surroundings: None,
        journal: None,
    };
    FleetInspection {
        cluster: "here".to_owned(),
        at: jiff::Timestamp::now(),
        hosts: vec![inspection],
        requests: None,
        typha: Vec::new(),
        marked: Vec::new(),
    }
}

/// Whether a program is in PATH.
pub(crate) fn installed(program: &str) -> bool {
    std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()).any(|folder| folder.join(program).is_file())
}

/// A port that nothing listens on now.
pub(crate) fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// Keys and certificates below a directory of the test.
pub(crate) struct Pki {
    pub(crate) dir: PathBuf,
    _root: tempfile::TempDir,
}

impl Pki {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let dir = root.path().join("pki");
        std::fs::create_dir_all(dir.join("etcd")).expect("a directory");
        let pki = Self { dir, _root: root };
        pki.request(
            "etcd/ca",
            "p256",
            "/CN=etcd-ca",
            3650,
            &["-addext", "basicConstraints=critical,CA:TRUE"],
        );
        pki
    }

    /// KEY.crt and KEY.key, self-signed; the serial in hex.
    pub(crate) fn self_signed(&self, key: &str, days: u32) -> String {
        self.request(key, key, "/CN=m1", days, &[]);
        let shown = openssl(&["x509", "-noout", "-serial", "-in", &self.path(&format!("{key}.crt"))]);
        shown
            .trim()
            .trim_start_matches("serial=")
            .trim_start_matches('0')
            .to_ascii_lowercase()
    }

    /// A new etcd/server.crt with a new key, signed by etcd/ca.crt, as `kubeadm certs renew` makes it.
    pub(crate) fn etcd_server(&self, days: u32) {
        let (request, key) = (self.path("etcd/server.csr"), self.path("etcd/server.key.new"));
        let names = self.path("names");
        std::fs::write(
            &names,
            "subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n",
        )
        .expect("writes");
        openssl(&[
            "req",
            "-new",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-keyout",
            &key,
            "-out",
            &request,
            "-subj",
            "/CN=here",
        ]);
        let new = self.path("etcd/server.crt.new");
        openssl(&[
            "x509",
            "-req",
            "-in",
            &request,
            "-CA",
            &self.path("etcd/ca.crt"),
            "-CAkey",
            &self.path("etcd/ca.key"),
            "-CAcreateserial",
            "-days",
            &days.to_string(),
            "-extfile",
            &names,
            "-out",
            &new,
        ]);
        std::fs::rename(key, self.path("etcd/server.key")).expect("renames");
        std::fs::rename(new, self.path("etcd/server.crt")).expect("renames");
    }

    fn request(&self, name: &str, kind: &str, subject: &str, days: u32, more: &[&str]) {
        let algorithm: &[&str] = match kind {
            "rsa" => &["-newkey", "rsa:2048"],
            "ed25519" => &["-newkey", "ed25519"],
            _ => &["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
        };
        let (key, certificate, days) = (
            self.path(&format!("{name}.key")),
            self.path(&format!("{name}.crt")),
            days.to_string(),
        );
        let mut words = vec![
            "req",
            "-x509",
            "-nodes",
            "-keyout",
            &key,
            "-out",
            &certificate,
            "-subj",
            subject,
            "-days",
            &days,
        ];
        words.extend(algorithm);
        words.extend(more);
        openssl(&words);
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }
}

fn openssl(words: &[&str]) -> String {
    let done = Program::new("openssl")
        .args(words)
        .output()
        .expect("openssl is installed");
    assert!(
        done.status.success(),
        "openssl {words:?}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8_lossy(&done.stdout).into_owned()
}

/// A server process; ends with the test.
pub(crate) struct Server {
    child: Child,
    _data: Option<tempfile::TempDir>,
}

impl Server {
    /// `openssl s_server` with KEY.crt and KEY.key, once it listens.
    pub(crate) async fn s_server(pki: &Pki, key: &str, port: u16, arguments: &[&str]) -> Self {
        let mut program = Program::new("openssl");
        let (certificate, private) = (pki.path(&format!("{key}.crt")), pki.path(&format!("{key}.key")));
        program.args([
            "s_server",
            "-quiet",
            "-accept",
            &format!("127.0.0.1:{port}"),
            "-cert",
            &certificate,
            "-key",
            &private,
        ]);
        Self::start(program.args(arguments), port, None).await
    }

    /// A single etcd member that serves etcd/server.crt and demands client certificates.
    pub(crate) async fn etcd(pki: &Pki, port: u16, peer: u16) -> Self {
        let data = tempfile::tempdir().expect("a directory");
        let (client, peer) = (format!("https://127.0.0.1:{port}"), format!("http://127.0.0.1:{peer}"));
        let mut program = Program::new("etcd");
        program.args(["--name=here", "--data-dir"]).arg(data.path()).args([
            &format!("--listen-client-urls={client}"),
            &format!("--advertise-client-urls={client}"),
            &format!("--listen-peer-urls={peer}"),
            &format!("--initial-advertise-peer-urls={peer}"),
            &format!("--initial-cluster=here={peer}"),
            &format!("--cert-file={}", pki.path("etcd/server.crt")),
            &format!("--key-file={}", pki.path("etcd/server.key")),
            &format!("--trusted-ca-file={}", pki.path("etcd/ca.crt")),
            "--client-cert-auth=true",
        ]);
        Self::start(&mut program, port, Some(data)).await
    }

    async fn start(program: &mut Program, port: u16, data: Option<tempfile::TempDir>) -> Self {
        // s_server ends when its input does; a pipe that nobody writes to keeps it.
        let child = program
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("starts");
        let server = Self { child, _data: data };
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return server;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("nothing listens on {port} after ten seconds");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A listener that is no TLS server.
pub(crate) struct Listener {
    pub(crate) port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Listener {
    /// Answers every connection with these bytes.
    pub(crate) async fn says(bytes: &'static [u8]) -> Self {
        Self::start(Some(bytes)).await
    }

    /// Accepts and says nothing.
    pub(crate) async fn silent() -> Self {
        Self::start(None).await
    }

    async fn start(answer: Option<&'static [u8]>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let task = tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                if let Some(bytes) = answer {
                    let _ = stream.write_all(bytes).await;
                }
                kept.push(stream);
            }
        });
        Self { port, task }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}
