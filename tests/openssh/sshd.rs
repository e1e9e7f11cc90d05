//! One sshd with its own configuration and log, in its own view of /etc; and servers that only pretend.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;

/// A running sshd; it ends with this value.
pub(crate) struct Sshd {
    child: Child,
    pub(crate) port: u16,
    log: PathBuf,
}

/// Mounts of an sshd, seen by it and its sessions only: `folder/NAME` in the place of a system folder.
const PRIVATE_ETC: [(&str, &str); 2] = [("etc", "/etc"), ("locale", "/usr/lib/locale")];

/// Also a `sudo` that speaks as sudo-rs does.
const SUDO_RS: (&str, &str) = ("sbin", "/usr/local/sbin");

impl Sshd {
    /// `first` stands before the common lines (the first value wins), `last` after them (`Match`).
    pub(crate) fn start(dir: &Path, name: &str, first: &str, last: &str) -> Self {
        let port = free_port();
        let config = dir.join(format!("sshd_{name}"));
        fs::write(&config, text(dir, port, first, last)).expect("written");
        let log = dir.join(format!("sshd_{name}.log"));
        let mut mounts = PRIVATE_ETC.to_vec();
        if name == "rs" {
            mounts.push(SUDO_RS);
        }
        let binds = mounts
            .iter()
            .map(|(from, onto)| format!("mount --bind {}/{from} {onto} && ", dir.display()));
        let script = format!(
            "{} exec /usr/sbin/sshd -D -e -f {}",
            binds.collect::<String>(),
            config.display()
        );
        let child = Process::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", &script])
            .stderr(fs::File::create(&log).expect("a log"))
            .stdin(Stdio::null())
            .spawn()
            .expect("util-linux is installed");
        let mut sshd = Self { child, port, log };
        sshd.wait();
        sshd
    }

    fn wait(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !self.log().contains("Server listening") {
            let ended = self.child.try_wait().expect("a child");
            assert!(
                ended.is_none() && Instant::now() < deadline,
                "sshd did not start: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// How many logins by key it has accepted.
    pub(crate) fn logins(&self) -> usize {
        self.log().matches("Accepted publickey for ").count()
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(dir: &Path, port: u16, first: &str, last: &str) -> String {
    let d = dir.display();
    format!(
        "{first}\nPort {port}\nListenAddress 0.0.0.0\nListenAddress ::1\nHostKey {d}/host\nHostKey {d}/host_rsa\nHostKey {d}/host_ecdsa\n\
         AuthorizedKeysFile {d}/authorized_keys\nTrustedUserCAKeys {d}/ca.pub\nStrictModes no\nUsePAM yes\nPasswordAuthentication yes\n\
         KbdInteractiveAuthentication yes\nPidFile none\nMaxStartups 10:30:100\nMaxSessions 10\nPermitRootLogin prohibit-password\n\
         PrintMotd yes\nBanner {d}/etc/motd\nUseDNS no\nLogLevel VERBOSE\n{last}\n"
    )
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

/// What a pretended server does with a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pretence {
    /// Accepts and says nothing.
    Silent,
    /// Says this in clear text and resets the connection, as sshd does to those it penalises; after so many
    /// connections it hands over to the sshd on this port.
    Says(&'static str, usize, u16),
}

/// A pretended server; it ends with the runtime.
pub(crate) async fn pretend(pretence: Pretence) -> (u16, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let seen = counter.fetch_add(1, Ordering::SeqCst);
            match pretence {
                Pretence::Silent => kept.push(stream),
                Pretence::Says(words, refusals, _) if seen < refusals => {
                    let _ = stream.write_all(words.as_bytes()).await;
                    // Unread input makes the kernel send RST instead of FIN.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
                Pretence::Says(.., real) => {
                    tokio::spawn(async move {
                        let mut onward = tokio::net::TcpStream::connect(("127.0.0.1", real)).await.expect("sshd");
                        let _ = tokio::io::copy_bidirectional(&mut stream, &mut onward).await;
                    });
                }
            }
        }
    });
    (port, count)
}
