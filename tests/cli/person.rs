//! A person at a terminal, on hosts that ask for a password in French.

use crate::harness::{Lab, Terminal};
use crate::renewal::hurried;

/// The prompt for the fleet's password.
const PASSWORD: &str = "password";
/// What the lab's sudo accepts.
const ANSWER: &str = "labpass\r";

#[test]
fn passwords_and_the_clusters_name_are_asked_for_and_ctrl_c_is_heard() {
    let lab = Lab::up("french", 3, 2);
    let file = lab.write("hurried.yaml", &hurried());
    let renew = lab.command(&["renew", "--playbook", &file, "--quiet", "1s"]);

    let mut wrong = Terminal::start(&renew);
    wrong.answer(PASSWORD, ANSWER);
    wrong.wait_for("Type the cluster's name");
    wrong.type_in("prod\r");
    let (code, screen) = wrong.end();
    assert_eq!(code, Some(6), "{screen}");
    assert!(screen.contains("`prod` is not `lab`"), "{screen}");

    let mut interrupted = Terminal::start(&renew);
    interrupted.answer(PASSWORD, ANSWER);
    interrupted.wait_for("cluster name:");
    interrupted.type_in("\u{3}");
    let (code, screen) = interrupted.end();
    assert_eq!(code, Some(6), "{screen}");
    assert!(screen.contains("stopped before anything was changed"), "{screen}");

    let mut right = Terminal::start(&renew);
    right.answer(PASSWORD, ANSWER);
    right.wait_for("cluster name:");
    right.type_in("lab\r");
    right.wait_for("SUCCEEDED");
    let (code, screen) = right.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(!screen.contains("labpass"), "{screen}");
}

#[test]
fn ctrl_c_at_the_password_gives_the_terminal_back() {
    let lab = Lab::up("french", 1, 0);
    let verbs: [(&[&str], i32); 7] = [
        (&["renew"], 6),
        (&["rollback", "r1"], 6),
        (&["exec", "--root", "--", "true"], 6),
        (&["unlock", "--reason", "x"], 6),
        (&["journal"], 6),
        (&["journal", "--follow"], 0),
        (&["check"], 3),
    ];
    for (verb, expected) in verbs {
        let mut terminal = Terminal::left_by(&lab.command(verb));
        terminal.wait_for(PASSWORD);
        terminal.type_in("\u{3}");
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(expected), "{verb:?}: {screen}");
        assert!(
            screen.contains(" echo ") && screen.contains(" -echonl"),
            "{verb:?}: {screen}"
        );
    }
}
