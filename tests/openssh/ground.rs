//! Users, keys, a private /etc and the sshd of most cases; everything is removed on drop.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command as Process, Stdio};
use std::sync::Arc;

use certfleet::model::host::{BecomeMethod, KubernetesSettings, PasswordSource};
use certfleet::model::{BecomeSettings, Command, Host, HostName, Output, Role, SshSettings};
use certfleet::remote::{FixedSecrets, FleetOptions, RemoteError, SecretRequest, SshFleet, Transport};

use super::sshd::Sshd;

pub(crate) const PASSWORD: &str = "Zx9-loopback";

/// root's, in the private /etc only.
pub(crate) const ROOT_PASSWORD: &str = "Rt7-loopback";

/// User and login shell.
const USERS: [(&str, &str); 12] = [
    ("cf-free", "/bin/sh"),
    ("cf-pass", "/bin/bash"),
    ("cf-wrong", "/bin/bash"),
    ("cf-none", "/bin/sh"),
    ("cf-tty", "/bin/bash"),
    ("cf-ttypw", "/bin/bash"),
    ("cf-fish", "/usr/bin/fish"),
    ("cf-zsh", "/usr/bin/zsh"),
    ("cf-rs", "/bin/dash"),
    ("cf-closed", "/bin/sh"),
    ("cf-shut", "/usr/sbin/nologin"),
    ("cf-old", "/bin/sh"),
];

const SUDOERS: &str = "\
cf-free ALL=(ALL) NOPASSWD: ALL
cf-tty ALL=(ALL) NOPASSWD: ALL
cf-fish ALL=(ALL) NOPASSWD: ALL
cf-zsh ALL=(ALL) NOPASSWD: ALL
cf-rs ALL=(ALL) NOPASSWD: ALL
cf-pass ALL=(ALL) ALL
cf-wrong ALL=(ALL) ALL
cf-ttypw ALL=(ALL) ALL
Defaults:cf-tty requiretty
Defaults:cf-ttypw requiretty
Defaults:cf-pass lecture=always, timestamp_type=global
Defaults:cf-wrong logfile=/home/cf-wrong/sudo.log
";

const DOAS: &str = "permit nopass cf-free as root\npermit cf-pass as root\n";

/// sudo-rs as its source has it: `-n` refuses in these words, the prompt is wrapped, three attempts.
const SUDO_RS: &str = r#"#!/bin/sh
while [ $# -gt 0 ]; do
  case "$1" in
    -n) quiet=1; shift ;;
    -S) shift ;;
    -p) prompt=$2; shift 2 ;;
    --) shift; break ;;
    *) break ;;
  esac
done
[ -z "$quiet" ] || { echo "sudo: interactive authentication is required" >&2; exit 1; }
for attempt in 1 2 3; do
  printf '[sudo: %s] Password: ' "$prompt" >&2
  IFS= read -r given || { echo "sudo: Authentication failed" >&2; exit 1; }
  echo x >> /home/cf-rs/attempts
  [ "$given" != "Zx9-loopback" ] || exec /usr/bin/sudo -n -- "$@"
  echo "sudo: Authentication failed, try again." >&2
done
echo "sudo: maximum 3 incorrect authentication attempts" >&2
exit 1
"#;

pub(crate) const LANGUAGES: [&str; 3] = ["fr_FR", "pt_BR", "zh_CN"];

pub(crate) struct Ground {
    folder: tempfile::TempDir,
    pub(crate) sshd: Sshd,
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
        fs::create_dir_all(dir.join("home/.ssh")).expect("a folder");
        fs::create_dir_all("/run/sshd").expect("privilege separation folder");
        make_keys(&dir);
        make_users();
        make_private_etc(&dir);
        make_locales(&dir);
        let last = "Match User cf-zsh\n  AuthenticationMethods keyboard-interactive publickey\n  PasswordAuthentication no\n\
                    Match User cf-none\n  AllowTcpForwarding no\nMatch User cf-closed\n  MaxSessions 0\n";
        let sshd = Sshd::start(&dir, "main", "", last);
        let port = sshd.port;
        let ground = Self { folder, sshd, port };
        let known = format!("[127.*]:*,[localhost]:*,[::1]:* {}\n", ground.public("host"));
        fs::write(ground.path("known_hosts"), known).expect("written");
        ground
    }

    /// One more sshd with its own configuration.
    pub(crate) fn another(&self, name: &str, first: &str) -> Sshd {
        Sshd::start(self.folder.path(), name, first, "")
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().expect("UTF-8").to_owned()
    }

    pub(crate) fn public(&self, name: &str) -> String {
        let text = fs::read_to_string(self.path(&format!("{name}.pub"))).expect("a key");
        text.split(' ').take(2).collect::<Vec<_>>().join(" ")
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

    /// The same on another sshd.
    pub(crate) fn host_on(&self, sshd: &Sshd, user: &str) -> Host {
        let mut host = self.host(user);
        host.ssh.port = Some(sshd.port);
        host
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

    /// The same for a refusal: what a person reads, message and remedy.
    pub(crate) async fn words(&self, host: Host, command: Command) -> String {
        match self.once(host, command).await {
            Err(error) => words(&error),
            Ok(output) => panic!("nothing was refused: {output:?}"),
        }
    }
}

/// What a person reads: the message and what to do.
pub(crate) fn words(error: &RemoteError) -> String {
    format!("{error}. {}", error.remedy())
}

/// The same host several times, under several names.
pub(crate) fn copies(host: &Host, count: usize) -> (Vec<Host>, Vec<HostName>) {
    let names: Vec<_> = (0..count).map(|n| HostName::new(format!("w{n}"))).collect();
    let hosts = names.iter().map(|name| Host {
        name: name.clone(),
        ..host.clone()
    });
    (hosts.collect(), names)
}

/// One command on all of them at once; the refusals.
pub(crate) async fn failures(fleet: &SshFleet, names: &[HostName], command: &Command) -> Vec<RemoteError> {
    let all = futures::future::join_all(names.iter().map(|n| fleet.run(n, command))).await;
    all.into_iter().filter_map(Result::err).collect()
}

/// Every password is `PASSWORD` but root's; cf-wrong's is wrong.
pub(crate) fn secrets() -> FixedSecrets {
    let users = USERS.iter().map(|(u, _)| (*u).to_owned());
    let su = SecretRequest::Become {
        method: "su",
        user: "root".to_owned(),
    };
    users.fold(FixedSecrets::default().with(su, ROOT_PASSWORD), |secrets, user| {
        let sudo = SecretRequest::Become {
            method: "sudo",
            user: user.clone(),
        };
        let answer = if user == "cf-wrong" { "not this" } else { PASSWORD };
        secrets.with(sudo, answer).with(SecretRequest::login(&user), PASSWORD)
    })
}

pub(crate) fn login(words: &[&str]) -> Command {
    Command::login(words.iter().copied())
}

pub(crate) fn root(words: &[&str]) -> Command {
    Command::root(words.iter().copied())
}

/// `ssh-keygen -q` with these arguments.
pub(crate) fn keygen(arguments: &[&str]) {
    run("ssh-keygen", &[&["-q"], arguments].concat());
}

fn make_keys(dir: &Path) {
    let file = |name: &str| dir.join(name).to_str().expect("UTF-8").to_owned();
    for (name, kind) in [
        ("host", "ed25519"),
        ("host_rsa", "rsa"),
        ("host_ecdsa", "ecdsa"),
        ("ca", "ed25519"),
        ("id", "ed25519"),
        ("id_rsa", "rsa"),
        ("id_ecdsa", "ecdsa"),
    ] {
        keygen(&["-t", kind, "-N", "", "-C", name, "-f", &file(name)]);
    }
    keygen(&["-t", "ed25519", "-N", "open sesame", "-f", &file("id_locked")]);
    for (name, format, phrase) in [
        ("id_pem", "PEM", ""),
        ("id_pem_locked", "PEM", "open sesame"),
        ("id_pkcs8", "PKCS8", ""),
    ] {
        fs::copy(dir.join("id_rsa"), dir.join(name)).expect("copied");
        keygen(&["-p", "-m", format, "-P", "", "-N", phrase, "-f", &file(name)]);
    }
    let ids = ["id", "id_rsa", "id_ecdsa", "id_locked"];
    let public = ids
        .iter()
        .map(|n| fs::read_to_string(dir.join(format!("{n}.pub"))).expect("a key"));
    fs::write(dir.join("authorized_keys"), public.collect::<String>()).expect("written");
}

fn make_users() {
    for (user, shell) in USERS {
        run("useradd", &["--create-home", "--shell", shell, user]);
    }
    for user in ["cf-pass", "cf-wrong"] {
        speak(user, "fr_FR");
    }
    let noisy = "echo welcome; echo problem >&2\n";
    fs::write("/home/cf-zsh/.zshenv", noisy).expect("written");
    fs::create_dir_all("/home/cf-fish/.config/fish").expect("a folder");
    fs::write("/home/cf-fish/.config/fish/config.fish", noisy).expect("written");
}

/// A login shell that talks, in this language, with a short PATH.
pub(crate) fn speak(user: &str, language: &str) {
    let noisy = format!(
        "echo welcome; echo problem >&2; printf 'no newline'\nexport LC_ALL={language}.UTF-8 LANGUAGE= PATH=/usr/bin:/bin\n"
    );
    fs::write(format!("/home/{user}/.bashrc"), noisy).expect("written");
}

/// Passwords, sudoers and doas.conf of the tests: the machine's own stay as they are.
fn make_private_etc(dir: &Path) {
    let etc = dir.join("etc");
    run("cp", &["-a", "/etc", etc.to_str().expect("UTF-8")]);
    let users = USERS.iter().map(|(user, _)| (*user, PASSWORD));
    let lines: String = users
        .chain([("root", ROOT_PASSWORD)])
        .map(|(u, p)| format!("{u}:{p}\n"))
        .collect();
    let script = format!("mount --bind {0} /etc && chpasswd && chage -d 0 cf-old", etc.display());
    let mut chpasswd = Process::new("unshare")
        .args(["--mount", "--propagation", "private", "sh", "-c", &script])
        .stdin(Stdio::piped())
        .spawn()
        .expect("util-linux is installed");
    std::io::Write::write_all(&mut chpasswd.stdin.take().expect("a pipe"), lines.as_bytes()).expect("written");
    assert!(chpasswd.wait().expect("ended").success());
    fs::write(etc.join("motd"), "Authorised use only.\nAll is logged.\n").expect("written");
    for (file, text, mode) in [("sudoers.d/certfleet", SUDOERS, 0o440), ("doas.conf", DOAS, 0o400)] {
        fs::write(etc.join(file), text).expect("written");
        fs::set_permissions(etc.join(file), fs::Permissions::from_mode(mode)).expect("modes");
    }
    fs::create_dir(dir.join("sbin")).expect("a folder");
    fs::write(dir.join("sbin/sudo"), SUDO_RS).expect("written");
    fs::set_permissions(dir.join("sbin/sudo"), fs::Permissions::from_mode(0o755)).expect("modes");
}

fn make_locales(dir: &Path) {
    run(
        "cp",
        &["-a", "/usr/lib/locale", dir.join("locale").to_str().expect("UTF-8")],
    );
    for language in LANGUAGES {
        let place = dir.join(format!("locale/{language}.utf8"));
        let place = place.to_str().expect("UTF-8");
        run("localedef", &["--no-archive", "-i", language, "-f", "UTF-8", place]);
    }
}

fn remove_users() {
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

impl Drop for Ground {
    fn drop(&mut self) {
        if std::env::var_os("CERTFLEET_KEEP").is_some() {
            let _ = fs::write("/tmp/certfleet-openssh-sshd.log", self.sshd.log());
        }
        remove_users();
    }
}
