//! sshd, users and keys; everything is removed on drop.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use certfleet::model::host::{BecomeMethod, KubernetesSettings, PasswordSource};
use certfleet::model::{BecomeSettings, Command, Host, HostName, Output, Role, SshSettings};
use certfleet::remote::{FixedSecrets, FleetOptions, RemoteError, SecretRequest, SshFleet, Transport};

pub(crate) const PASSWORD: &str = "Zx9-loopback";

/// User and login shell.
const USERS: [(&str, &str); 7] = [
    ("cf-free", "/bin/sh"),
    ("cf-pass", "/bin/bash"),
    ("cf-wrong", "/bin/bash"),
    ("cf-none", "/bin/sh"),
    ("cf-tty", "/bin/bash"),
    ("cf-fish", "/usr/bin/fish"),
    ("cf-zsh", "/usr/bin/zsh"),
];

const SUDOERS: &str = "/etc/sudoers.d/certfleet-openssh-tests";

pub(crate) struct Ground {
    folder: tempfile::TempDir,
    sshd: Child,
    pub(crate) port: u16,
}

/// Runs a program; its failure fails the test.
pub(crate) fn run(program: &str, arguments: &[&str]) {
    let output = Process::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|e| panic!("{program}: {e}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}

impl Ground {
    pub(crate) fn prepare() -> Self {
        remove_users();
        let folder = tempfile::Builder::new()
            .prefix("certfleet-openssh")
            .tempdir()
            .expect("a folder");
        let dir = folder.path().to_owned();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).expect("readable by sshd's users");
        for (name, kind) in [
            ("host", "ed25519"),
            ("host_rsa", "rsa"),
            ("ca", "ed25519"),
            ("id", "ed25519"),
            ("id_rsa", "rsa"),
            ("id_ecdsa", "ecdsa"),
        ] {
            keygen(&dir, name, kind, "");
        }
        keygen(&dir, "id_locked", "ed25519", "open sesame");
        let ids = ["id", "id_rsa", "id_ecdsa", "id_locked"];
        let authorized: String = ids
            .iter()
            .map(|n| fs::read_to_string(dir.join(format!("{n}.pub"))).expect("a key"))
            .collect();
        fs::write(dir.join("authorized_keys"), authorized).expect("written");
        make_users();
        let port = free_port();
        write_config(&dir, port);
        let sshd = start(&dir, port);
        let ground = Self { folder, sshd, port };
        ground.trust_everything();
        ground
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn public(&self, name: &str) -> String {
        let text = fs::read_to_string(self.path(&format!("{name}.pub"))).expect("a key");
        text.split(' ').take(2).collect::<Vec<_>>().join(" ")
    }

    fn trust_everything(&self) {
        let (port, key) = (self.port, self.public("host"));
        fs::write(
            self.path("known_hosts"),
            format!("[127.0.0.1]:{port},[localhost]:{port} {key}\n"),
        )
        .expect("written");
    }

    pub(crate) fn host(&self, user: &str) -> Host {
        Host {
            name: HostName::from("m1"),
            address: "127.0.0.1".to_owned(),
            role: Role::Worker,
            ssh: SshSettings {
                user: Some(user.to_owned()),
                port: Some(self.port),
                identity: vec![self.path("id")],
                known_hosts: vec![self.path("known_hosts")],
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

    pub(crate) fn options(&self) -> FleetOptions {
        FleetOptions {
            home: self.folder.path().join("home"),
            agent: None,
            ..FleetOptions::default()
        }
    }

    pub(crate) fn fleet(&self, hosts: Vec<Host>) -> SshFleet {
        SshFleet::new(hosts, Arc::new(secrets()), self.options())
    }

    /// One command on one host.
    pub(crate) async fn once(&self, host: Host, command: Command) -> Result<Output, RemoteError> {
        let name = host.name.clone();
        self.fleet(vec![host]).run(&name, &command).await
    }
}

/// Every password is `PASSWORD`, the passphrase `open sesame`.
pub(crate) fn secrets() -> FixedSecrets {
    let users = USERS.iter().map(|(u, _)| (*u).to_owned());
    users.fold(FixedSecrets::default(), |secrets, user| {
        let sudo = SecretRequest::Become {
            method: "sudo",
            user: user.clone(),
        };
        let answer = if user == "cf-wrong" { "not this" } else { PASSWORD };
        secrets.with(sudo, answer).with(SecretRequest::Login { user }, PASSWORD)
    })
}

pub(crate) fn login(words: &[&str]) -> Command {
    Command::login(words.iter().copied())
}

pub(crate) fn root(words: &[&str]) -> Command {
    Command::root(words.iter().copied())
}

fn keygen(dir: &Path, name: &str, kind: &str, passphrase: &str) {
    let file = dir.join(name);
    run(
        "ssh-keygen",
        &[
            "-q",
            "-t",
            kind,
            "-N",
            passphrase,
            "-C",
            name,
            "-f",
            file.to_str().expect("UTF-8"),
        ],
    );
}

fn make_users() {
    let mut passwords = String::new();
    for (user, shell) in USERS {
        run("useradd", &["--create-home", "--shell", shell, user]);
        passwords.extend([user, ":", PASSWORD, "\n"]);
    }
    let mut chpasswd = Process::new("chpasswd")
        .stdin(Stdio::piped())
        .spawn()
        .expect("chpasswd");
    std::io::Write::write_all(&mut chpasswd.stdin.take().expect("a pipe"), passwords.as_bytes()).expect("written");
    assert!(chpasswd.wait().expect("ended").success());
    let noisy = "echo welcome; echo problem >&2; printf 'no newline'\nexport LC_ALL=fr_FR.UTF-8 LANGUAGE=fr PATH=/usr/bin:/bin\n";
    for user in ["cf-pass", "cf-wrong"] {
        fs::write(format!("/home/{user}/.bashrc"), noisy).expect("written");
    }
    let sudoers = "cf-free ALL=(ALL) NOPASSWD: ALL\ncf-tty ALL=(ALL) NOPASSWD: ALL\ncf-fish ALL=(ALL) NOPASSWD: ALL\ncf-zsh ALL=(ALL) NOPASSWD: ALL\n\
         cf-pass ALL=(ALL) ALL\ncf-wrong ALL=(ALL) ALL\nDefaults:cf-tty requiretty\n\
         Defaults:cf-pass lecture=always, timestamp_type=global\nDefaults:cf-wrong logfile=/home/cf-wrong/sudo.log\n";
    fs::write(SUDOERS, sudoers).expect("written");
    fs::set_permissions(SUDOERS, fs::Permissions::from_mode(0o440)).expect("modes");
}

fn remove_users() {
    let _ = fs::remove_file(SUDOERS);
    for (user, _) in USERS {
        let quiet = |program: &str, arguments: &[&str]| {
            let _ = Process::new(program)
                .args(arguments)
                .stderr(Stdio::null())
                .stdout(Stdio::null())
                .status();
        };
        if Path::new("/home").join(user).exists() {
            quiet("pkill", &["-KILL", "-u", user]);
            quiet("userdel", &["--force", "--remove", user]);
            let _ = fs::remove_file(format!("/run/sudo/ts/{user}"));
        }
    }
}

fn write_config(dir: &Path, port: u16) {
    let d = dir.display();
    let text = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {d}/host\nHostKey {d}/host_rsa\nAuthorizedKeysFile {d}/authorized_keys\n\
         TrustedUserCAKeys {d}/ca.pub\nStrictModes no\nUsePAM yes\nPasswordAuthentication yes\nKbdInteractiveAuthentication yes\n\
         PidFile none\nMaxStartups 10:30:100\nMaxSessions 10\nPermitRootLogin no\nPrintMotd yes\nUseDNS no\n\
         Match User cf-zsh\n  AuthenticationMethods keyboard-interactive publickey\n  PasswordAuthentication no\n"
    );
    fs::write(dir.join("sshd_config"), text).expect("written");
    fs::create_dir_all(dir.join("home/.ssh")).expect("a folder");
}

fn start(dir: &Path, port: u16) -> Child {
    fs::create_dir_all("/run/sshd").expect("privilege separation folder");
    let log = fs::File::create(dir.join("sshd.log")).expect("a log");
    let mut command = Process::new("/usr/sbin/sshd");
    command.arg("-D").arg("-e").arg("-f").arg(dir.join("sshd_config"));
    let sshd = command
        .stderr(log)
        .stdin(Stdio::null())
        .spawn()
        .expect("sshd is installed");
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(Instant::now() < deadline, "sshd did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    sshd
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}

impl Drop for Ground {
    fn drop(&mut self) {
        if std::thread::panicking() || std::env::var_os("CERTFLEET_KEEP").is_some() {
            let _ = fs::copy(self.path("sshd.log"), "/tmp/certfleet-openssh-sshd.log");
        }
        let _ = self.sshd.kill();
        let _ = self.sshd.wait();
        remove_users();
    }
}
