//! The reader against what OpenSSH does.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::remote::error::RemoteError;

use super::{ConfigSource, HostOptions, SshConfig};

fn home(files: &[(&str, &str)]) -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a folder");
    for (name, text) in files {
        let path = home.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("written");
    }
    home
}

fn reader(home: &Path, ssh: Option<&str>) -> SshConfig {
    SshConfig::new(home.to_owned(), home.join("etc/ssh_config"), ssh.map(PathBuf::from))
}

async fn ask(home: &Path, host: &str) -> Result<HostOptions, RemoteError> {
    reader(home, None).options(&ConfigSource::Default, host).await
}

#[tokio::test]
async fn the_first_value_wins_and_identities_add_up() {
    let text = "# mine\nHost m*  !m9\n  HostName %h.example.com\n  Port=2222\n\tUser \"ops\"\n  IdentityFile ~/a\nHost *\n  User other\n  IdentityFile /b\n  ConnectTimeout 7\n  UserKnownHostsFile ~/k1 /k2\n";
    let home = home(&[
        (".ssh/config", text),
        ("etc/ssh_config", "User system\nHostKeyAlias fleet\n"),
    ]);
    let m1 = ask(home.path(), "m1").await.expect("readable");
    assert_eq!(m1.host_name.as_deref(), Some("m1.example.com"));
    assert_eq!((m1.port, m1.user.as_deref()), (Some(2222), Some("ops")));
    assert_eq!(m1.identity_files, [home.path().join("a"), PathBuf::from("/b")]);
    assert_eq!(m1.known_hosts, [home.path().join("k1"), PathBuf::from("/k2")]);
    assert_eq!(m1.connect_timeout, Some(Duration::from_secs(7)));
    assert_eq!(m1.host_key_alias.as_deref(), Some("fleet"));
    let m9 = ask(home.path(), "m9").await.expect("readable");
    assert_eq!((m9.port, m9.user.as_deref()), (None, Some("other")));
}

#[tokio::test]
async fn includes_stand_where_they_are_written() {
    let text = "Include config.d/*\nHost w1\n  Include only-w1\nHost *\n  Port 1\n";
    let home = home(&[
        (".ssh/config", text),
        (".ssh/config.d/20-b", "Host *\n User b\n"),
        (".ssh/config.d/10-a", "Host m1\n User a\n"),
        (".ssh/only-w1", "Port 9\nHost m1\n Port 8\n"),
    ]);
    let options = |host: &'static str| ask(home.path(), host);
    assert_eq!(options("m1").await.expect("readable").user.as_deref(), Some("a"));
    assert_eq!(options("x").await.expect("readable").user.as_deref(), Some("b"));
    assert_eq!(options("w1").await.expect("readable").port, Some(9));
    assert_eq!(
        options("m1").await.expect("readable").port,
        Some(1),
        "an include stays within its Host block"
    );
}

#[tokio::test]
async fn whichever_proxy_comes_first_counts() {
    let text = "Host a\n ProxyJump none\nHost b\n ProxyCommand nc %h %p\nHost *\n ProxyJump bastion\n";
    let home = home(&[(".ssh/config", text)]);
    assert_eq!(ask(home.path(), "a").await.expect("readable").proxy_jump, None);
    let b = ask(home.path(), "b").await.expect("readable");
    assert_eq!((b.proxy_command.as_deref(), b.proxy_jump), (Some("nc %h %p"), None));
    let c = ask(home.path(), "c").await.expect("readable");
    assert_eq!(c.proxy_jump.as_deref(), Some("bastion"));
}

#[tokio::test]
async fn match_without_an_openssh_client_is_an_error_that_names_the_line() {
    let home = home(&[(".ssh/config", "User a\n\nMatch user a\n  Port 1\n")]);
    let error = ask(home.path(), "m1").await.expect_err("refused");
    assert!(error.to_string().contains("config:3: `Match`"), "{error}");
    assert!(error.remedy().contains("config: none"));
    let off = reader(home.path(), None).options(&ConfigSource::Disabled, "m1").await;
    assert_eq!(off, Ok(HostOptions::default()));
}

#[tokio::test]
async fn a_missing_file_and_rubbish_are_errors() {
    let home = home(&[(".ssh/config", "User \"open\nHost\n")]);
    assert!(
        ask(home.path(), "m1")
            .await
            .is_err_and(|e| e.to_string().contains("config:1:"))
    );
    let named = ConfigSource::File(home.path().join("gone"));
    assert!(reader(home.path(), None).options(&named, "m1").await.is_err());
}

#[cfg(unix)]
#[tokio::test]
async fn openssh_is_asked_about_match_and_its_defaults_are_not_taken_for_settings() {
    use std::os::unix::fs::PermissionsExt;
    let home = home(&[
        (".ssh/config", "Match exec true\n  Port 1\n"),
        (
            "fake-ssh",
            "#!/bin/sh\n[ \"$1 $2 $3\" = '-G -- m1' ] || exit 9\nprintf 'hostname 10.0.0.1\\nport 2200\\nidentityfile ~/.ssh/id_rsa\\nidentityfile ~/mine\\nuserknownhostsfile ~/.ssh/known_hosts ~/k2\\n'\n",
        ),
    ]);
    let program = home.path().join("fake-ssh");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("executable");
    let reader = reader(home.path(), program.to_str());
    let options = reader.options(&ConfigSource::Default, "m1").await.expect("answered");
    assert_eq!(
        (options.host_name.as_deref(), options.port),
        (Some("10.0.0.1"), Some(2200))
    );
    assert_eq!(options.identity_files, [home.path().join("mine")]);
    assert_eq!(options.known_hosts.len(), 2);
    assert!(
        reader.options(&ConfigSource::Default, "m2").await.is_err(),
        "a refusal is an error"
    );
}
