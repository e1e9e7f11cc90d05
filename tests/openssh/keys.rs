//! Proving who we are.

use std::process::{Command as Process, Stdio};
use std::sync::Arc;
use std::time::Duration;

use certfleet::model::host::PasswordSource;
use certfleet::remote::{FixedSecrets, RemoteError, SecretRequest, SshFleet, Transport};

use super::ground::{Ground, login, run, secrets};

pub(crate) async fn an_encrypted_key_is_asked_for_once(g: Arc<Ground>) {
    let file = g.path("id_locked");
    for (passphrase, good) in [("open sesame", true), ("guess", false)] {
        let request = SecretRequest::Passphrase { file: file.clone() };
        let secrets = Arc::new(FixedSecrets::default().with(request, passphrase));
        let hosts = ["a", "b"].map(|name| {
            let mut host = g.host("cf-free");
            host.name = name.into();
            host.ssh.identity = vec![file.clone()];
            host
        });
        let names = hosts.clone().map(|h| h.name);
        let fleet = SshFleet::new(hosts.to_vec(), Arc::clone(&secrets) as _, g.options());
        for name in &names {
            let result = fleet.run(name, &login(&["true"])).await;
            assert_eq!(result.is_ok(), good, "{result:?}");
            assert!(good || result.is_err_and(|e| e.to_string().contains("passphrase")));
        }
        assert_eq!(secrets.asked().len(), 1);
    }
}

pub(crate) async fn an_agent_with_many_keys_offers_the_right_one(g: Arc<Ground>) {
    let socket = g.path("agent.sock");
    let text = |name: &str| g.path(name).to_str().expect("UTF-8").to_owned();
    let mut agent = Process::new("ssh-agent")
        .args(["-D", "-a", &text("agent.sock")])
        .stdout(Stdio::null())
        .spawn()
        .expect("an agent");
    while !socket.exists() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut names = Vec::new();
    for n in 0..7 {
        let name = text(&format!("decoy{n}"));
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &name]);
        names.push(name);
    }
    names.push(text("id"));
    let added = Process::new("ssh-add")
        .arg("-q")
        .args(&names)
        .env("SSH_AUTH_SOCK", &socket)
        .status();
    assert!(added.expect("ssh-add").success());
    std::fs::copy(g.path("id.pub"), g.path("only.pub")).expect("copied");
    let mut options = g.options();
    options.agent = Some(socket);
    let mut host = g.host("cf-free");
    host.ssh.identity = vec![g.path("only")];
    let name = host.name.clone();
    let fleet = SshFleet::new(vec![host], Arc::new(secrets()), options);
    let result = fleet.run(&name, &login(&["true"])).await;
    let _ = agent.kill();
    let _ = agent.wait();
    assert!(result.is_ok(), "{result:?}");
}

pub(crate) async fn user_certificates(g: Arc<Ground>) {
    let ca = g.path("ca").to_str().expect("UTF-8").to_owned();
    for kind in ["ed25519", "rsa"] {
        let name = format!("certified_{kind}");
        let file = g.path(&name).to_str().expect("UTF-8").to_owned();
        run("ssh-keygen", &["-q", "-t", kind, "-N", "", "-f", &file]);
        run(
            "ssh-keygen",
            &["-q", "-s", &ca, "-I", "test", "-n", "cf-free", &format!("{file}.pub")],
        );
        let mut host = g.host("cf-free");
        host.ssh.identity = vec![g.path(&name)];
        let result = g.once(host, login(&["true"])).await;
        assert!(result.is_ok(), "{kind}: {result:?}");
    }
}

pub(crate) async fn rsa_and_ecdsa(g: Arc<Ground>) {
    for name in ["id_rsa", "id_ecdsa"] {
        let mut host = g.host("cf-free");
        host.ssh.identity = vec![g.path(name)];
        let result = g.once(host, login(&["true"])).await;
        assert!(result.is_ok(), "{name}: {result:?}");
    }
}

pub(crate) async fn password_and_keyboard_interactive(g: Arc<Ground>) {
    for user in ["cf-free", "cf-zsh"] {
        let mut host = g.host(user);
        host.ssh.identity.clear();
        host.ssh.password = PasswordSource::Prompt;
        let result = g.once(host, login(&["true"])).await;
        assert!(result.is_ok(), "{user}: {result:?}");
    }
}

pub(crate) async fn a_refusal_names_what_was_tried(g: Arc<Ground>) {
    let mut host = g.host("cf-free");
    host.ssh.identity = vec![g.path("host_rsa"), g.path("gone")];
    let refused = g.once(host, login(&["true"])).await;
    let Err(RemoteError::AuthRefused { tried, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert!(
        tried.contains("host_rsa") && tried.contains("gone (no such file)"),
        "{tried}"
    );
}
