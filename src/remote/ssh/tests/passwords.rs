//! Whose password is sent where: jump hosts, hosts that have another one, codes that are good for one login.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::model::host::PasswordSource;
use crate::model::{Command, Host, HostName};
use crate::remote::error::{BecomeError, RemoteError};
use crate::remote::secrets::{FixedSecrets, SecretRequest};
use crate::remote::ssh::SshFleet;
use crate::remote::transport::Transport;

use super::server::Behaviour;
use super::{Bench, PASSWORD, login, sudo_bench};

const CODE: &str = "Verification code: ";

/// A server that takes this password and no key.
async fn wanting(password: &'static str) -> Bench {
    Bench::new(Behaviour {
        password: Some(password),
        refuse_keys: true,
        ..Behaviour::default()
    })
    .await
}

fn asking(bench: &Bench, name: &str) -> Host {
    let mut host = bench.host(name);
    host.ssh.password = PasswordSource::Prompt;
    host.ssh.identity.clear();
    host
}

fn attempts(bench: &Bench) -> usize {
    bench.server.state.passwords.load(Ordering::SeqCst)
}

async fn refusal(fleet: &SshFleet, host: &str, command: &Command) -> RemoteError {
    fleet.run(&HostName::from(host), command).await.expect_err("refused")
}

#[tokio::test]
async fn a_jump_host_has_a_password_of_its_own() {
    let bastion = wanting("bastion's").await;
    let mut bench = wanting(PASSWORD).await.with_password(PASSWORD);
    let at_the_bastion = SecretRequest::Login {
        user: "ops".to_owned(),
        jump_host: Some("127.0.0.1".to_owned()),
    };
    assert_eq!(
        at_the_bastion.to_string(),
        "SSH password of ops on the jump host 127.0.0.1"
    );
    let answers = FixedSecrets::default().with(SecretRequest::login("ops"), PASSWORD);
    bench.secrets = Arc::new(answers.with(at_the_bastion, "bastion's"));
    let mut hosts = vec![asking(&bench, "a"), asking(&bench, "b")];
    for host in &mut hosts {
        host.ssh.jump = Some(vec![format!("ops@127.0.0.1:{}", bastion.server.port)]);
        host.ssh.known_hosts.push(bastion.folder.path().join("known_hosts"));
    }
    let fleet = bench.fleet(hosts);
    for name in ["a", "b"] {
        let output = fleet.run(&HostName::from(name), &login(&["say"])).await;
        assert!(output.is_ok(), "{output:?}");
    }
    assert_eq!((attempts(&bastion), attempts(&bench)), (1, 2));
    assert_eq!(bench.secrets.asked().len(), 2);
}

#[tokio::test]
async fn a_host_with_another_login_password_fails_alone() {
    let (bench, odd) = (
        wanting(PASSWORD).await.with_password(PASSWORD),
        wanting("another").await,
    );
    let fleet = bench.fleet(vec![asking(&bench, "a"), asking(&odd, "odd"), asking(&bench, "c")]);
    let command = login(&["say"]);
    assert!(fleet.run(&HostName::from("a"), &command).await.is_ok());
    for _ in 0..2 {
        let said = refusal(&fleet, "odd", &command).await.to_string();
        assert!(
            said.contains("other hosts accepted this password, this one has another"),
            "{said}"
        );
    }
    assert!(fleet.run(&HostName::from("c"), &command).await.is_ok());
    assert_eq!((attempts(&bench), attempts(&odd)), (2, 1));
}

#[tokio::test]
async fn a_password_that_one_host_accepted_is_not_tried_on_all_others() {
    let (bench, odd) = (
        wanting(PASSWORD).await.with_password(PASSWORD),
        wanting("another").await,
    );
    let names: Vec<HostName> = (0..8).map(|n| HostName::new(format!("w{n}"))).collect();
    let mut hosts: Vec<Host> = names.iter().map(|n| asking(&odd, n.as_str())).collect();
    hosts.push(asking(&bench, "a"));
    let fleet = bench.fleet(hosts);
    let command = login(&["say"]);
    assert!(fleet.run(&HostName::from("a"), &command).await.is_ok());
    let all = futures::future::join_all(names.iter().map(|n| fleet.run(n, &command))).await;
    let said: Vec<String> = all
        .iter()
        .filter_map(|r| r.as_ref().err().map(ToString::to_string))
        .collect();
    let spared = said.iter().filter(|s| s.contains("so it was not sent here")).count();
    assert_eq!((said.len(), spared, attempts(&odd)), (8, 6, 2), "{said:#?}");
}

#[tokio::test]
async fn a_host_with_another_sudo_password_fails_alone() {
    let bench = Bench::new(sudo_bench(PASSWORD)).await.with_password(PASSWORD);
    let odd = Bench::new(sudo_bench("another")).await;
    let fleet = bench.fleet(vec![bench.host("a"), odd.host("odd"), bench.host("c")]);
    let command = Command::root(["stdin"]);
    assert!(fleet.run(&HostName::from("a"), &command).await.is_ok());
    for _ in 0..2 {
        let refused = refusal(&fleet, "odd", &command).await;
        assert_eq!(refused, RemoteError::Become(BecomeError::AnotherPassword));
    }
    assert!(fleet.run(&HostName::from("c"), &command).await.is_ok());
    assert_eq!(attempts(&odd), 1);
}

/// A server that asks for a code, and takes it or not, login by login.
async fn with_codes(verdicts: &'static [bool], answer: Option<&str>) -> (Bench, SshFleet, HostName) {
    let mut bench = Bench::new(Behaviour {
        codes: Some(verdicts),
        refuse_keys: true,
        ..Behaviour::default()
    })
    .await;
    let question = SecretRequest::Question {
        host: "m1".to_owned(),
        text: CODE.to_owned(),
        echo: false,
    };
    let answers = FixedSecrets::default();
    bench.secrets = Arc::new(match answer {
        Some(answer) => answers.with(question, answer),
        None => answers,
    });
    let fleet = bench.fleet(vec![asking(&bench, "m1")]);
    (bench, fleet, HostName::from("m1"))
}

#[tokio::test]
async fn a_code_is_asked_for_at_each_login_and_a_refused_one_is_not_the_end() {
    let (bench, fleet, m1) = with_codes(&[true, false, true], Some("123456")).await;
    let (say, vanish) = (login(&["say"]), login(&["vanish"]));
    assert!(fleet.run(&m1, &say).await.is_ok());
    assert!(fleet.run(&m1, &vanish).await.is_err());
    let refused = fleet.run(&m1, &say).await.expect_err("a code of before");
    assert!(
        matches!(&refused, RemoteError::CodeRefused { question, .. } if question == CODE.trim()),
        "{refused:?}"
    );
    assert!(refused.remedy().contains("wait for the next one"));
    assert!(fleet.run(&m1, &say).await.is_ok(), "the next code");
    assert_eq!(bench.secrets.asked().len(), 3);
}

#[tokio::test]
async fn a_code_that_nobody_gives_is_what_the_refusal_says() {
    let (bench, fleet, _) = with_codes(&[true], None).await;
    let said = refusal(&fleet, "m1", &login(&["say"])).await.to_string();
    assert!(
        said.contains("keyboard-interactive (it asks `Verification code:`, and no answer was given)"),
        "{said}"
    );
    assert_eq!(bench.server.state.codes.load(Ordering::SeqCst), 0, "nothing was sent");
}
