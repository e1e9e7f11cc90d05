//! The one place where words become a line for a shell, and a shell's line becomes words.
//!
//! Own code, because the line must mean the same to every login shell: inside single quotes fish reads `\\` and `\'`
//! as escapes while POSIX shells do not, so a backslash is written between double quotes, where both agree.

/// Quotes one word for `sh`, `bash`, `dash`, `zsh` and `fish`.
pub fn quote(word: &str) -> String {
    // `=` is special only where a word could be an assignment, or first in zsh: never after a dash.
    let is_option = word.starts_with('-');
    if !word.is_empty() && word.bytes().all(|b| is_plain(b) || (is_option && b == b'=')) {
        return word.to_owned();
    }
    let mut out = String::with_capacity(word.len() + 8);
    let mut open = false;
    for c in word.chars() {
        let special = match c {
            '\'' => Some("\"'\""),
            '\\' => Some("\"\\\\\""),
            _ => None,
        };
        if special.is_some() == open {
            out.push('\'');
            open = !open;
        }
        match special {
            Some(text) => out.push_str(text),
            None => out.push(c),
        }
    }
    if open {
        out.push('\'');
    }
    if word.is_empty() { "''".to_owned() } else { out }
}

fn is_plain(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"-_./:,@%+".contains(&b)
}

/// Joins words into one line; [`split`] gives the same words back.
pub fn join<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(quote).collect::<Vec<_>>().join(" ")
}

/// Splits a line as a POSIX shell would, without expansions; `None` when a quote is left open.
pub fn split(line: &str) -> Option<Vec<String>> {
    shlex::split(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn plain_words_stay_readable() {
        assert_eq!(
            join(["systemctl", "stop", "docker.socket"]),
            "systemctl stop docker.socket"
        );
        assert_eq!(quote("--output=json"), "--output=json");
        assert_eq!(quote("A=b"), "'A=b'");
        assert_eq!(quote("it's"), "'it'\"'\"'s'");
        assert_eq!(quote(r"a\"), "'a'\"\\\\\"");
        assert_eq!(quote(""), "''");
    }

    proptest! {
        #[test]
        fn a_shell_reads_back_the_words(words in proptest::collection::vec("[^\0]{0,12}", 1..5)) {
            let line = join(words.iter().map(String::as_str));
            prop_assert_eq!(split(&line), Some(words));
        }
    }
}
