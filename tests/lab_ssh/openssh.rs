//! What a person's own `ssh` sees, with nothing but the files that the lab wrote.

use std::path::Path;
use std::process::{Output, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::fixture::{ECHO_PORT, Lab, PATIENCE};

const SSH: &str = "/usr/bin/ssh";

fn start(lab: &Lab, arguments: &[&str]) -> Child {
    assert!(
        Path::new(SSH).exists(),
        "{SSH} is missing: this test asks a real OpenSSH client; install the package openssh-client"
    );
    let mut command = Command::new(SSH);
    command.arg("-F").arg(lab.files.ssh_config()).args(arguments);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.kill_on_drop(true).spawn().expect("ssh starts")
}

async fn ssh(lab: &Lab, arguments: &[&str], stdin: &str) -> Output {
    let mut child = start(lab, arguments);
    let mut input = child.stdin.take().expect("piped");
    input.write_all(stdin.as_bytes()).await.expect("written");
    drop(input);
    let ending = timeout(PATIENCE, child.wait_with_output()).await;
    ending.expect("ssh ends").expect("ssh ran")
}

fn told(output: &Output) -> (String, String, Option<i32>) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.code())
}

fn said(out: &str, err: &str, code: i32) -> (String, String, Option<i32>) {
    (out.to_owned(), err.to_owned(), Some(code))
}

#[tokio::test]
async fn commands_streams_and_status() {
    let lab = Lab::start().await;
    let (who, fail, count, root) = tokio::join!(
        ssh(&lab, &["w1", "whoami"], ""),
        ssh(&lab, &["m1", "fail 3"], ""),
        ssh(&lab, &["m1", "count"], "twelve bytes"),
        ssh(&lab, &["root@m1", "whoami"], ""),
    );
    assert_eq!(told(&who), said("ops@w1\n", "", 0));
    assert_eq!(told(&fail), said("half\n", "broken\n", 3));
    assert_eq!(told(&count), said("12\n", "", 0));
    assert_eq!(told(&root), said("root@m1\n", "", 0));
}

#[tokio::test]
async fn a_line_arrives_while_the_command_runs_and_a_killed_client_ends_it() {
    let lab = Lab::start().await;
    let mut child = start(&lab, &["m1", "follow"]);
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let first = timeout(PATIENCE, lines.next_line())
        .await
        .expect("before the end")
        .expect("text");
    assert_eq!(first.as_deref(), Some("first line"));
    child.kill().await.expect("killed");
    lab.machine.wait_for_ended(1).await;
}

#[tokio::test]
async fn a_tunnel_by_dash_w() {
    let lab = Lab::start().await;
    let target = format!("127.0.0.1:{ECHO_PORT}");
    let (open, closed) = (["-W", &target, "m1"], ["-W", "127.0.0.1:9", "m1"]);
    let (echoed, refused) = tokio::join!(ssh(&lab, &open, "through the tunnel"), ssh(&lab, &closed, ""));
    assert_eq!(told(&echoed), said("through the tunnel", "", 0));
    assert_ne!(refused.status.code(), Some(0), "nothing listens on port 9");
}

#[tokio::test]
async fn a_host_of_the_lab_is_a_jump_host() {
    let lab = Lab::start().await;
    // Not `-J m1`: ssh itself hands a path with a space on unquoted.
    let proxy = format!(
        "ProxyCommand={SSH} -F '{}' -W %h:%p m1",
        lab.files.ssh_config().display()
    );
    let jumped = ssh(&lab, &["-o", &proxy, "w1", "whoami"], "").await;
    assert_eq!(told(&jumped), said("ops@w1\n", "", 0));
}

#[tokio::test]
async fn lines_without_a_terminal_are_run_one_by_one() {
    let lab = Lab::start().await;
    let script = "echo one\n\n# a remark\ncat\nfail 4\necho last";
    let (script, exit) = tokio::join!(
        ssh(&lab, &["m1"], script),
        ssh(&lab, &["m1"], "fail 4\nexit\necho never\n")
    );
    assert_eq!(told(&script), said("one\nhalf\nlast\n", "broken\n", 0));
    assert_eq!(told(&exit), said("half\n", "broken\n", 4));
}

/// Reads until the text has come, and returns all of it.
async fn read_until(out: &mut (impl AsyncReadExt + Unpin), end: &str) -> String {
    let mut seen = Vec::new();
    let reading = async {
        while !String::from_utf8_lossy(&seen).ends_with(end) {
            assert_ne!(out.read_buf(&mut seen).await.expect("readable"), 0, "ended early");
        }
    };
    let in_time = timeout(PATIENCE, reading).await;
    let seen = String::from_utf8_lossy(&seen).into_owned();
    assert!(in_time.is_ok(), "waited for {end:?}, saw {seen:?}");
    seen
}

#[tokio::test]
async fn a_terminal_gets_a_prompt_an_echo_and_control_c() {
    let lab = Lab::start().await;
    let mut child = start(&lab, &["-tt", "m1"]);
    let (mut keys, mut screen) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    let prompt = "ops@m1:~$ ";
    let greeting = read_until(&mut screen, prompt).await;
    assert!(greeting.contains("a host of certfleet's lab"), "{greeting}");
    keys.write_all(b"fail 9x\x7f\r").await.expect("typed");
    let seen = read_until(&mut screen, prompt).await;
    assert_eq!(seen, format!("fail 9x\x08 \x08\r\nhalf\r\nbroken\r\n{prompt}"));
    keys.write_all(b"follow\r").await.expect("typed");
    read_until(&mut screen, "first line\r\n").await;
    keys.write_all(b"\x03").await.expect("typed");
    assert_eq!(read_until(&mut screen, prompt).await, format!("^C\r\n{prompt}"));
    keys.write_all(b"\x04").await.expect("typed");
    let ended = timeout(PATIENCE, child.wait())
        .await
        .expect("^D leaves")
        .expect("ssh ran");
    assert_eq!(ended.code(), Some(130), "the status of the last command");
}

#[tokio::test]
async fn keys_typed_to_a_command_are_not_echoed() {
    let lab = Lab::start().await;
    let mut child = start(&lab, &["-tt", "m1", "cat"]);
    let (mut keys, mut screen) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
    keys.write_all(b"secret\r").await.expect("typed");
    assert_eq!(read_until(&mut screen, "\n").await, "secret\r\n", "once, by cat itself");
    keys.write_all(b"\x04").await.expect("typed");
    let ended = timeout(PATIENCE, child.wait())
        .await
        .expect("^D ends the input")
        .expect("ssh ran");
    assert_eq!(ended.code(), Some(0));
}
