//! sudo and su as Debian ships them.

use std::sync::Arc;

use certfleet::model::host::{BecomeMethod, PasswordSource};
use certfleet::remote::error::BecomeError;
use certfleet::remote::{FixedSecrets, RemoteError, SecretRequest, SshFleet, Transport};

use super::ground::{Ground, LANGUAGES, login, root, speak};

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

pub(crate) async fn on_a_terminal_with_a_password(g: Arc<Ground>) {
    let host = g.host("cf-ttypw");
    let (name, fleet) = (host.name.clone(), g.fleet(vec![host]));
    for _ in 0..2 {
        let output = fleet
            .run(&name, &root(&["sh", "-c", "id -u; cat; exit 3"]))
            .await
            .expect("root");
        let expected = ("0\n", "exit status 3");
        assert_eq!(
            (output.stdout_text().as_ref(), output.status.to_string().as_str()),
            expected
        );
    }
}

/// The languages are real: without our own settings sudo speaks them, and so does PAM.
pub(crate) async fn in_other_languages(g: Arc<Ground>) {
    for (language, words) in LANGUAGES.iter().zip(["mot de passe", "senha", "密码"]) {
        speak("cf-pass", language);
        let host = g.host("cf-pass");
        let (name, fleet) = (host.name.clone(), g.fleet(vec![host]));
        let plain = format!("sudo -k; env LC_ALL={language}.UTF-8 sudo -n true");
        let said = fleet
            .run(&name, &login(&["sh", "-c", &plain]))
            .await
            .expect("an answer");
        assert!(said.stderr_text().contains(words), "{language}: {said:?}");
        let output = fleet.run(&name, &root(&["sh", "-c", "id -u; cat; echo $LC_ALL"])).await;
        assert_eq!(output.expect("root").stdout_text(), "0\nC\n", "{language}");
    }
}

/// A ticket of an earlier login serves: nobody is asked, and no password travels.
pub(crate) async fn a_cached_ticket_asks_nobody(g: Arc<Ground>) {
    let host = g.host("cf-pass");
    let name = host.name.clone();
    assert!(g.once(host.clone(), root(&["true"])).await.is_ok());
    let secrets = Arc::new(FixedSecrets::default());
    let fleet = SshFleet::new(vec![host], Arc::clone(&secrets) as _, g.options());
    let output = fleet
        .run(&name, &root(&["sh", "-c", "id -u; cat"]))
        .await
        .expect("root");
    assert_eq!((output.stdout_text().as_ref(), secrets.asked().len()), ("0\n", 0));
}

/// A program that speaks as sudo-rs: its prompt wraps ours, and three attempts are ours to waste.
pub(crate) async fn sudo_rs(g: Arc<Ground>) {
    let sshd = g.another("rs", "");
    let host = g.host_on(&sshd, "cf-rs");
    let output = g
        .once(host.clone(), root(&["sh", "-c", "id -u; cat; echo e >&2"]))
        .await
        .expect("root");
    assert_eq!(
        (output.stdout_text().as_ref(), output.stderr_text().as_ref()),
        ("0\n", "e\n")
    );
    let request = SecretRequest::Become {
        method: "sudo",
        user: "cf-rs".to_owned(),
    };
    let secrets = FixedSecrets::default().with(request, "surely not");
    let name = host.name.clone();
    let fleet = SshFleet::new(vec![host], Arc::new(secrets), g.options());
    let refused = fleet.run(&name, &root(&["id"])).await;
    assert_eq!(refused, Err(RemoteError::Become(BecomeError::WrongPassword)));
    let attempts = std::fs::read_to_string("/home/cf-rs/attempts").expect("a count");
    assert_eq!(attempts.lines().count(), 2, "one right, one wrong");
}

pub(crate) async fn doas(g: Arc<Ground>) {
    let host = |user: &str| {
        let mut host = g.host(user);
        host.r#become.method = BecomeMethod::Doas;
        host
    };
    let output = g
        .once(host("cf-free"), root(&["sh", "-c", "id -u; cat"]))
        .await
        .expect("root");
    assert_eq!(output.stdout_text(), "0\n");
    let asks = g.words(host("cf-pass"), root(&["id"])).await;
    assert!(
        asks.contains("a password is required") && asks.contains("`permit nopass`"),
        "{asks}"
    );
    let refused = g.once(host("cf-none"), root(&["id"])).await;
    assert_eq!(refused, Err(RemoteError::Become(BecomeError::NotAllowed)));
}

pub(crate) async fn root_itself(g: Arc<Ground>) {
    let before = sudo_lines(&g);
    let output = g.once(g.host("root"), root(&["id", "-u"])).await.expect("root");
    assert_eq!(output.stdout_text(), "0\n");
    assert_eq!(sudo_lines(&g), before);
    let mut password = g.host("root");
    password.ssh.identity.clear();
    password.ssh.password = PasswordSource::Prompt;
    let said = g.words(password, login(&["true"])).await;
    assert!(said.contains("refused the login as root"), "{said}");
}

/// How often root's sessions were started by somebody else than sshd.
fn sudo_lines(g: &Ground) -> usize {
    g.sshd.log().matches("sudo").count()
}

pub(crate) async fn words_for_each_refusal(g: Arc<Ground>) {
    let wrong = g.words(g.host("cf-wrong"), root(&["id"])).await;
    assert!(
        wrong.contains("the password is wrong") && wrong.contains("nothing is locked"),
        "{wrong}"
    );
    let not_allowed = g.words(g.host("cf-none"), root(&["id"])).await;
    assert!(
        not_allowed.contains("may not run commands as root") && not_allowed.contains("sudoers"),
        "{not_allowed}"
    );
    let mut none = g.host("cf-wrong");
    none.r#become.password = PasswordSource::None;
    let required = g.words(none, root(&["id"])).await;
    assert!(
        required.contains("`become: { password: prompt }`") && required.contains("NOPASSWD"),
        "{required}"
    );
    let mut method = g.host("cf-free");
    method.r#become.method = BecomeMethod::None;
    let output = g.once(method, root(&["id", "-un"])).await.expect("an answer");
    assert_eq!(output.stdout_text(), "cf-free\n", "`method: none` means what it says");
}

pub(crate) async fn su_asks_and_is_answered(g: Arc<Ground>) {
    let mut host = g.host("cf-pass");
    host.r#become.method = BecomeMethod::Su;
    let output = g
        .once(host.clone(), root(&["sh", "-c", "id -u; cat; echo e >&2"]))
        .await
        .expect("root");
    assert_eq!(
        (output.stdout_text().as_ref(), output.stderr_text().as_ref()),
        ("0\n", "e\n")
    );
    host.r#become.password = PasswordSource::None;
    let said = g.words(host, root(&["id"])).await;
    assert!(said.contains("a password is required"), "{said}");
}

pub(crate) async fn su_with_a_wrong_password(g: Arc<Ground>) {
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
