//! Against Debian's OpenSSH sshd and sudo on loopback: what only the real programs can show.
//!
//! Needs root, `openssh-server`, `openssh-client`, `sudo`, `zsh` and `fish`; makes users `cf-*` and removes them. Not part of
//! `cargo test`: `cargo test --test openssh -- --ignored` (`.ci/run` does it). One sshd serves all cases, since a fork is
//! dear on small machines; a case that fails does not hide the others.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "the whole file is a test; clippy's own exception knows `#[test]` functions only"
)]

#[path = "openssh/ground.rs"]
mod ground;
#[path = "openssh/become_root.rs"]
mod become_root;
#[path = "openssh/commands.rs"]
mod commands;
#[path = "openssh/keys.rs"]
mod keys;
#[path = "openssh/trust.rs"]
mod trust;
#[path = "openssh/ways_in.rs"]
mod ways_in;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use ground::Ground;

type Case = (&'static str, fn(Arc<Ground>) -> BoxFuture<'static, ()>);

macro_rules! cases {
    ($($module:ident :: $name:ident),* $(,)?) => {
        vec![$((concat!(stringify!($module), "::", stringify!($name)), |g| $module::$name(g).boxed())),*]
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root, sshd and sudo; run by .ci/run"]
async fn real_sshd_and_sudo() {
    let ground = Arc::new(Ground::prepare());
    let cases: Vec<Case> = cases![
        commands::streams_status_and_path,
        commands::fifty_megabytes,
        commands::every_login_shell_reads_the_same_words,
        commands::a_stopped_sshd_is_found_by_keepalive,
        commands::follow_ends_with_its_stream,
        become_root::without_a_password,
        become_root::a_wrong_password_is_one_attempt,
        become_root::with_a_password_a_lecture_and_a_french_prompt,
        become_root::not_in_sudoers,
        become_root::on_a_terminal_when_sudoers_requires_one,
        become_root::su_asks_and_is_answered,
        keys::an_encrypted_key_is_asked_for_once,
        keys::an_agent_with_many_keys_offers_the_right_one,
        keys::user_certificates,
        keys::rsa_and_ecdsa,
        keys::password_and_keyboard_interactive,
        keys::a_refusal_names_what_was_tried,
        trust::known_unknown_changed_revoked,
        trust::key_types_follow_what_is_known,
        trust::host_certificates,
        ways_in::tunnels,
        ways_in::one_and_two_jump_hosts,
        ways_in::proxy_command_and_match,
        ways_in::more_hosts_than_max_startups,
    ];
    let wanted = std::env::var("CERTFLEET_CASE").unwrap_or_default();
    let mut failed = Vec::new();
    for (name, case) in cases.into_iter().filter(|(name, _)| name.contains(&wanted)) {
        let started = std::time::Instant::now();
        let outcome = tokio::spawn(case(Arc::clone(&ground))).await;
        let word = if outcome.is_ok() { "ok" } else { "FAILED" };
        println!("{name}: {word} ({:.1} s)", started.elapsed().as_secs_f64());
        if outcome.is_err() {
            failed.push(name);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}
