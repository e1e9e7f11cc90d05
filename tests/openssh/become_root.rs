//! sudo and su as Debian ships them.

use std::sync::Arc;

use certfleet::model::host::{BecomeMethod, PasswordSource};
use certfleet::remote::error::BecomeError;
use certfleet::remote::{FixedSecrets, RemoteError, SecretRequest, SshFleet, Transport};

use super::ground::{Ground, root};

pub(crate) async fn without_a_password(g: Arc<Ground>) {
    for user in ["cf-free", "cf-fish", "cf-zsh"] {
        let output = g
            .once(g.host(user), root(&["sh", "-c", "id -u; cat; echo $LC_ALL"]))
            .await
            .expect("root");
        assert_eq!(output.stdout_text(), "0\nC\n", "{user}");
    }
}

pub(crate) async fn a_wrong_password_is_one_attempt(g: Arc<Ground>) {
    let hosts: Vec<_> = ["a", "b", "c"]
        .map(|name| {
            let mut host = g.host("cf-wrong");
            host.name = name.into();
            host
        })
        .to_vec();
    let names: Vec<_> = hosts.iter().map(|h| h.name.clone()).collect();
    let (fleet, command) = (g.fleet(hosts), root(&["id"]));
    let all = futures::future::join_all(names.iter().map(|n| fleet.run(n, &command))).await;
    for result in all {
        assert_eq!(result, Err(RemoteError::Become(BecomeError::WrongPassword)));
    }
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    let log = std::fs::read_to_string("/home/cf-wrong/sudo.log")
        .expect("sudo's log")
        .replace("\n    ", " ");
    assert_eq!(log.matches("1 incorrect password attempt").count(), 1, "{log}");
}

pub(crate) async fn with_a_password_a_lecture_and_a_french_prompt(g: Arc<Ground>) {
    let host = g.host("cf-pass");
    let (name, fleet) = (host.name.clone(), g.fleet(vec![host]));
    for _ in 0..2 {
        let output = fleet
            .run(&name, &root(&["sh", "-c", "id -u; cat; echo seen >&2"]))
            .await
            .expect("root");
        assert_eq!(
            output.stdout_text(),
            "0\n",
            "the second time the ticket is cached: nothing may reach stdin"
        );
        assert!(output.stderr_text().ends_with("seen\n"), "{:?}", output.stderr_text());
        assert!(!output.stderr_text().contains("lecture") && !output.stderr_text().contains("assword"));
    }
    let mut silent = g.host("cf-wrong");
    silent.r#become.password = PasswordSource::None;
    let refused = g.once(silent, root(&["id"])).await;
    assert_eq!(refused, Err(RemoteError::Become(BecomeError::PasswordRequired)));
}

pub(crate) async fn not_in_sudoers(g: Arc<Ground>) {
    let refused = g.once(g.host("cf-none"), root(&["id"])).await;
    assert_eq!(refused, Err(RemoteError::Become(BecomeError::NotAllowed)));
}

pub(crate) async fn on_a_terminal_when_sudoers_requires_one(g: Arc<Ground>) {
    let output = g
        .once(g.host("cf-tty"), root(&["sh", "-c", "id -u; cat; exit 3"]))
        .await
        .expect("root");
    assert_eq!(
        (output.stdout_text().as_ref(), output.status.to_string().as_str()),
        ("0\n", "exit status 3")
    );
}

/// root has no password here, so any is wrong; that the prompt is recognised is what this shows.
pub(crate) async fn su_asks_and_is_answered(g: Arc<Ground>) {
    let mut host = g.host("cf-none");
    host.r#become.method = BecomeMethod::Su;
    let request = SecretRequest::Become {
        method: "su",
        user: "root".to_owned(),
    };
    let secrets = FixedSecrets::default().with(request, "surely not");
    let name = host.name.clone();
    let fleet = SshFleet::new(vec![host], Arc::new(secrets), g.options());
    let refused = fleet.run(&name, &root(&["id"])).await;
    assert_eq!(refused, Err(RemoteError::Become(BecomeError::WrongPassword)));
}
