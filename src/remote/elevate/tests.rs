//! The dialogue with sudo, chunk by chunk.

use super::*;

const MARK: &str = "0123456789abcdef0123456789abcdef";
const TOKEN: &str = "fedcba9876543210fedcba9876543210";

fn asking() -> Dialogue {
    Dialogue::new(MARK, Prompt::Token(TOKEN.to_owned()))
}

fn begin(dialogue: &mut Dialogue) -> Vec<u8> {
    let (act, rest) = dialogue.feed(Stream::Out, format!("{MARK}\nout").as_bytes());
    assert_eq!(act, Act::Began);
    rest
}

#[test]
fn noise_before_the_marker_is_dropped_even_without_a_newline_and_in_pieces() {
    let mut dialogue = Dialogue::new(MARK, Prompt::Never);
    let (head, tail) = MARK.split_at(7);
    assert_eq!(
        dialogue.feed(Stream::Out, format!("welcome! {head}").as_bytes()).0,
        Act::Wait
    );
    assert_eq!(dialogue.feed(Stream::Out, tail.as_bytes()).0, Act::Wait);
    assert_eq!(
        dialogue.feed(Stream::Out, b"\nfirst\n"),
        (Act::Began, b"first\n".to_vec())
    );
}

#[test]
fn the_password_is_sent_once_when_our_prompt_appears() {
    let mut dialogue = asking();
    assert_eq!(dialogue.feed(Stream::Err, b"Password: ").0, Act::Wait, "not our prompt");
    assert_eq!(dialogue.feed(Stream::Err, &TOKEN.as_bytes()[..10]).0, Act::Wait);
    assert_eq!(dialogue.feed(Stream::Err, &TOKEN.as_bytes()[10..]).0, Act::SendPassword);
    assert_eq!(dialogue.feed(Stream::Err, b"\n").0, Act::Wait);
    assert_eq!(begin(&mut dialogue), b"out");
    assert_eq!(dialogue.take_early_err(), b"");
}

#[test]
fn a_second_prompt_means_a_wrong_password_at_once() {
    let mut dialogue = asking();
    assert_eq!(dialogue.feed(Stream::Err, TOKEN.as_bytes()).0, Act::SendPassword);
    let again = format!("Sorry, try again.\n{TOKEN}");
    assert_eq!(
        dialogue.feed(Stream::Err, again.as_bytes()).0,
        Act::Fail(BecomeError::WrongPassword)
    );
    assert_eq!(
        dialogue.feed(Stream::Err, TOKEN.as_bytes()).0,
        Act::Wait,
        "one verdict is enough"
    );
}

#[test]
fn a_cached_ticket_never_asks_and_nothing_is_sent() {
    let mut dialogue = asking();
    begin(&mut dialogue);
    assert!(!dialogue.password_sent());
}

#[test]
fn lecture_and_sudo_rs_prompt_are_stripped() {
    for prompt in [TOKEN.to_owned(), format!("[sudo: {TOKEN}] Password: ")] {
        let mut dialogue = asking();
        let text = format!("We trust you have received the usual lecture\n\n{prompt}");
        assert_eq!(dialogue.feed(Stream::Err, text.as_bytes()).0, Act::SendPassword);
        dialogue.feed(Stream::Err, b"warning: x\n");
        begin(&mut dialogue);
        assert_eq!(dialogue.take_early_err(), b"warning: x\n");
    }
}

#[test]
fn su_is_answered_only_after_our_mark() {
    let mut dialogue = Dialogue::new(MARK, Prompt::PasswordAfter(TOKEN.to_owned()));
    assert_eq!(dialogue.feed(Stream::Err, b"bashrc says Password: \n").0, Act::Wait);
    let text = format!("{TOKEN}\nPassword: ");
    assert_eq!(dialogue.feed(Stream::Err, text.as_bytes()).0, Act::SendPassword);
    dialogue.feed(Stream::Err, b"\nsu: Authentication failure\n");
    assert_eq!(dialogue.verdict("su", &ExitStatus::Code(1)), BecomeError::WrongPassword);
}

#[test]
fn a_terminal_shows_the_prompt_on_the_only_stream() {
    let mut dialogue = asking();
    assert_eq!(dialogue.feed(Stream::Out, TOKEN.as_bytes()).0, Act::SendPassword);
    assert_eq!(
        dialogue.feed(Stream::Out, format!("\r\n{MARK}\r\nok").as_bytes()),
        (Act::Began, b"ok".to_vec())
    );
}

#[test]
fn refusals_are_told_apart() {
    let not_installed = BecomeError::NotInstalled("sudo".to_owned());
    for (text, code, expected) in [
        ("sudo: a password is required", 1, BecomeError::PasswordRequired),
        (
            "sudo: interactive authentication is required",
            1,
            BecomeError::PasswordRequired,
        ),
        ("ops is not in the sudoers file.", 1, BecomeError::NotAllowed),
        (
            "Sorry, user ops is not allowed to execute '/usr/bin/env' as root on m1.",
            1,
            BecomeError::NotAllowed,
        ),
        (
            "sudo: sorry, you must have a tty to run sudo",
            1,
            BecomeError::TerminalRequired,
        ),
        (
            "sudo-rs: A terminal is required to authenticate",
            1,
            BecomeError::TerminalRequired,
        ),
        ("su: must be run from a terminal", 1, BecomeError::TerminalRequired),
        ("env: 'sudo': No such file or directory", 127, not_installed.clone()),
        ("bash: sudo: command not found", 127, not_installed),
        ("doas: Operation not permitted", 1, BecomeError::NotAllowed),
        ("doas: Authentication required", 1, BecomeError::PasswordRequired),
        (
            "sudo: policy plugin failed",
            1,
            BecomeError::Other("sudo: policy plugin failed".to_owned()),
        ),
    ] {
        let mut dialogue = asking();
        dialogue.feed(Stream::Err, text.as_bytes());
        assert_eq!(dialogue.verdict("sudo", &ExitStatus::Code(code)), expected, "{text}");
    }
}

#[test]
fn endless_noise_is_bounded() {
    let mut dialogue = asking();
    for _ in 0..100 {
        dialogue.feed(Stream::Out, &[b'x'; 4096]);
    }
    assert!(dialogue.early_out.len() <= NOISE_CAP);
    assert_eq!(begin(&mut dialogue), b"out");
}
