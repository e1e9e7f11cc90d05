//! A command becomes the line of an exec request.
//!
//! Shape, outermost first; the login shell reads it, so every word is quoted for sh, bash, dash, zsh and fish:
//!
//! ```text
//! ENV [sudo -n --  ENV] sh -c 'printf "%s\n" "$1"; shift; exec "$@"' certfleet-begin MARK WORDS…
//! ```
//!
//! `ENV` is `env LC_ALL=C LANGUAGE= PATH=…`: messages in English (sudo's too, hence twice), and kubeadm's usual places
//! in PATH. The marker, 32 random hex digits on a line of their own, does two things for one more `exec` and no fork:
//! whatever ~/.bashrc printed before it is noise, and nothing that comes after it is a question of sudo.

use crate::model::shell_words;

/// `$0` of the wrapper: how a process list and the embedded fleet recognise it.
pub const BEGIN_TAG: &str = "certfleet-begin";

/// The wrapper's text; see the module's comment.
pub const BEGIN_SCRIPT: &str = r#"printf "%s\n" "$1"; shift; exec "$@""#;

/// The same on a pseudo-terminal, where end of file cannot be sent: the command must not read the terminal.
pub const BEGIN_SCRIPT_PTY: &str = r#"printf "%s\n" "$1"; shift; exec "$@" < /dev/null"#;

/// Marks standard error before `su`, whose prompt cannot be chosen.
pub const BEFORE_SU_SCRIPT: &str = r#"printf "%s\n" "$1" >&2; shift; exec "$@""#;

/// English messages, and a PATH that has what kubeadm hosts use, whatever the login shell set.
pub const ENV: &str =
    "env LC_ALL=C LANGUAGE= PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/bin:/snap/bin";

/// How root is reached for one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Elevation {
    /// As the login user.
    None,
    /// `sudo -n`: never asks.
    SudoQuiet,
    /// `sudo -S` with our own prompt.
    SudoAsk { prompt: String },
    /// `doas -n`: never asks.
    Doas,
    /// `su root -c`; our mark stands on standard error before its prompt.
    Su { mark: String },
}

impl Elevation {
    /// The program, for messages.
    pub fn program(&self) -> &'static str {
        match self {
            Elevation::None => "sh",
            Elevation::SudoQuiet | Elevation::SudoAsk { .. } => "sudo",
            Elevation::Doas => "doas",
            Elevation::Su { .. } => "su",
        }
    }
}

/// The exec request for these words.
pub fn line(words: &[String], elevation: &Elevation, mark: &str, terminal: bool) -> String {
    let script = if terminal { BEGIN_SCRIPT_PTY } else { BEGIN_SCRIPT };
    let wrapped = format!("{ENV} {}", wrap(script, BEGIN_TAG, mark, words));
    match elevation {
        Elevation::None => wrapped,
        Elevation::SudoQuiet => format!("{ENV} sudo -n -- {wrapped}"),
        Elevation::SudoAsk { prompt } => format!("{ENV} sudo -S -p {} -- {wrapped}", shell_words::quote(prompt)),
        Elevation::Doas => format!("{ENV} doas -n -- {wrapped}"),
        Elevation::Su { mark } => {
            let su = ["su".to_owned(), "root".to_owned(), "-c".to_owned(), wrapped];
            format!("{ENV} {}", wrap(BEFORE_SU_SCRIPT, "certfleet-su", mark, &su))
        }
    }
}

fn wrap(script: &str, tag: &str, mark: &str, words: &[String]) -> String {
    let head = ["sh", "-c", script, tag, mark];
    shell_words::join(head.into_iter().chain(words.iter().map(String::as_str)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(items: &[&str]) -> Vec<String> {
        items.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn the_shape_is_the_documented_one() {
        let line = line(&words(&["echo", "it's"]), &Elevation::SudoQuiet, "0a", false);
        let read = shell_words::split(&line).expect("closed quotes");
        let tail = ["sh", "-c", BEGIN_SCRIPT, BEGIN_TAG, "0a", "echo", "it's"];
        assert_eq!(&read[read.len() - 7..], tail);
        assert!(line.starts_with("env LC_ALL=C LANGUAGE= PATH=/usr/local/sbin:"));
        assert!(line.contains(" sudo -n -- env LC_ALL=C "));
    }

    #[test]
    fn su_gets_one_word_with_the_whole_inner_line() {
        let su = Elevation::Su { mark: "0b".to_owned() };
        let outer = shell_words::split(&line(&words(&["a b"]), &su, "0a", false)).expect("closed quotes");
        let inner = shell_words::split(outer.last().expect("words")).expect("closed quotes");
        assert_eq!(inner.last().map(String::as_str), Some("a b"));
    }
}
