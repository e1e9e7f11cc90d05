//! Against Debian's OpenSSH sshd and sudo on loopback: what only the real programs can show.
//!
//! Needs root, `openssh-server`, `openssh-client`, `sudo`, `opendoas`, `locales`, `zsh` and `fish`; makes users `cf-*` and
//! removes them. Their passwords, sudoers and doas.conf are in a copy of /etc that only the sshds of the tests see. Not part
//! of `cargo test`: `cargo test --test openssh -- --ignored` (`.ci/run` does it); `CERTFLEET_CASE=limits` runs a part. One
//! sshd serves most cases, since a fork is dear on small machines; a case that fails does not hide the others.

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
#[path = "openssh/legacy.rs"]
mod legacy;
#[path = "openssh/limits.rs"]
mod limits;
#[path = "openssh/sshd.rs"]
mod sshd;
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
        keys::rsa_and_ecdsa,
        keys::an_encrypted_key_is_asked_for_once,
        keys::an_agent_with_many_keys_offers_the_right_one,
        keys::user_certificates,
        keys::a_user_certificate_that_does_not_hold,
        keys::password_and_keyboard_interactive,
        keys::a_wrong_login_password_is_sent_once,
        keys::a_refusal_names_what_was_tried,
        trust::known_in_every_spelling,
        trust::unknown_changed_revoked,
        trust::key_types_follow_what_is_known,
        trust::host_certificates,
        trust::accept_new_and_an_alias,
        ways_in::tunnels,
        ways_in::one_and_two_jump_hosts,
        ways_in::ssh_config_as_openssh_reads_it,
        ways_in::ssh_config_that_cannot_work,
        ways_in::jump_none,
        limits::more_hosts_than_max_startups,
        limits::max_sessions,
        limits::login_grace_time,
        limits::per_source_penalties,
        limits::client_alive_and_rekey,
        limits::unused_connections,
        limits::a_silent_host,
        limits::a_stopped_sshd_is_found_by_keepalive,
        legacy::centos_7_and_ubuntu_16_04_work_by_default,
        legacy::sha1_and_cbc_need_a_word,
        legacy::every_old_list_names_the_way_out,
        legacy::an_rsa_key_with_sha1,
        become_root::without_a_password,
        become_root::a_wrong_password_is_one_attempt,
        become_root::with_a_password_a_lecture_and_a_french_prompt,
        become_root::a_cached_ticket_asks_nobody,
        become_root::in_other_languages,
        become_root::not_in_sudoers,
        become_root::on_a_terminal_when_sudoers_requires_one,
        become_root::on_a_terminal_with_a_password,
        become_root::sudo_rs,
        become_root::su_asks_and_is_answered,
        become_root::su_with_a_wrong_password,
        become_root::doas,
        become_root::root_itself,
        become_root::words_for_each_refusal,
        commands::streams_status_and_path,
        commands::fifty_megabytes,
        commands::every_login_shell_reads_the_same_words,
        commands::accounts_that_run_nothing,
        commands::follow_ends_with_its_stream,
    ];
    let wanted = std::env::var("CERTFLEET_CASE").unwrap_or_default();
    let mut failed = Vec::new();
    let is_wanted = |name: &str| wanted.split(',').any(|w| name.contains(w));
    for (name, case) in cases.into_iter().filter(|(name, _)| is_wanted(name)) {
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
