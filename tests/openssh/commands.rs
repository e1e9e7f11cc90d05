//! Running commands: streams, sizes, shells, lost connections.

use std::sync::Arc;
use std::time::{Duration, Instant};

use certfleet::model::ExitStatus;
use certfleet::remote::{Line, Transport};

use super::ground::{Ground, login};

pub(crate) async fn streams_status_and_path(g: Arc<Ground>) {
    let script = "cat; printf 'a\\377b'; echo wrong >&2; echo $PATH; exit 255";
    let output = g
        .once(g.host("cf-pass"), login(&["sh", "-c", script]))
        .await
        .expect("an answer");
    assert_eq!(output.status, ExitStatus::Code(255));
    assert!(
        output.stdout.starts_with(b"a\xffb/usr/local/sbin:"),
        "{:?}",
        output.stdout_text()
    );
    assert!(output.stdout_text().contains("/usr/local/bin"));
    assert_eq!(output.last_line(), "wrong");
    let missing = g
        .once(g.host("cf-free"), login(&["no-such-program"]))
        .await
        .expect("an answer");
    assert_eq!(missing.status, ExitStatus::Code(127));
    let killed = g
        .once(g.host("cf-pass"), login(&["sh", "-c", "kill -KILL $$"]))
        .await
        .expect("an answer");
    assert_eq!(killed.status, ExitStatus::Signal("KILL".to_owned()));
}

pub(crate) async fn fifty_megabytes(g: Arc<Ground>) {
    let script = "echo first; yes 0123456789 | head -c 50000000; echo; echo last";
    let output = g
        .once(g.host("cf-free"), login(&["sh", "-c", script]))
        .await
        .expect("an answer");
    assert!(output.truncated && output.stdout.starts_with(b"first\n") && output.stdout.ends_with(b"last\n"));
    assert_eq!(output.stdout.len(), 2 * 1024 * 1024);
}

pub(crate) async fn every_login_shell_reads_the_same_words(g: Arc<Ground>) {
    let words = [
        "it's",
        r"back\slash",
        r"\'",
        "$HOME `id` $(id)",
        "a\nb",
        "",
        "*",
        "!x",
        "{a,b}",
        "~",
        "=ls",
        "#",
        "é\u{7f}",
        "%s;|&<>",
        "\"q\"",
    ];
    let mut command = vec!["printf", "[%s]\n"];
    command.extend(words);
    let expected: String = words.map(|w| format!("[{w}]\n")).concat();
    for user in ["cf-free", "cf-pass", "cf-fish", "cf-zsh", "cf-rs"] {
        let output = g.once(g.host(user), login(&command)).await.expect("an answer");
        assert_eq!(output.stdout_text(), expected, "{user}");
    }
}

/// sshd's own refusals after the login: an expired password, no shell.
pub(crate) async fn accounts_that_run_nothing(g: Arc<Ground>) {
    for (user, expected) in [
        ("cf-old", "Password change required"),
        ("cf-shut", "This account is currently not available"),
    ] {
        let said = g.words(g.host(user), login(&["true"])).await;
        assert!(
            said.contains("the login shell ended first") && said.contains(expected),
            "{said}"
        );
        assert!(said.contains("Log in as"), "{said}");
    }
}

pub(crate) async fn follow_ends_with_its_stream(g: Arc<Ground>) {
    let host = g.host("cf-free");
    let (name, fleet) = (host.name.clone(), g.fleet(vec![host]));
    let command = login(&["sh", "-c", "echo $$; echo two >&2; exec sleep 50"]);
    let mut lines = fleet.follow(&name, &command).await.expect("a stream");
    let Some(Ok(Line::Out(pid))) = lines.next().await else {
        panic!("no line")
    };
    let pid = String::from_utf8(pid).expect("a number");
    let proc = std::path::PathBuf::from(format!("/proc/{pid}"));
    assert!(proc.exists());
    drop(lines);
    let deadline = Instant::now() + Duration::from_secs(5);
    while proc.exists() {
        assert!(Instant::now() < deadline, "the followed command still runs");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
