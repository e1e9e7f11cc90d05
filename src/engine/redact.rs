//! What may be kept of a command's output: its end, without anything that looks like a secret.

use std::sync::LazyLock;

use regex::Regex;

use crate::model::Output;

/// Enough to see why, little enough for a ledger line.
const KEPT: usize = 4096;

/// Standard error and output, the end of each, secrets masked.
pub(super) fn shown(output: &Output) -> String {
    let (out, err) = (output.stdout_text(), output.stderr_text());
    let both = [out.trim_end(), err.trim_end()].iter().filter(|t| !t.is_empty()).copied().collect::<Vec<_>>().join("\n");
    mask(end_of(&both))
}

fn end_of(text: &str) -> &str {
    let cut = text.len().saturating_sub(KEPT);
    let start = (cut..text.len()).find(|i| text.is_char_boundary(*i)).unwrap_or(text.len());
    &text[start..]
}

/// Masks private-key blocks (also cut ones), bearer tokens and JWTs.
pub(super) fn mask(text: &str) -> String {
    static KEY: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\z)").ok()
    });
    static TOKEN: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?i)(bearer |token[=: ]+)?eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*|(?i)bearer [A-Za-z0-9._~+/-]{16,}").ok());
    static DATA: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(client-key-data|token|password):[ \t]*\S+").ok());
    let mut masked = text.to_owned();
    for (pattern, with) in [(&KEY, "[private key masked]"), (&TOKEN, "[token masked]"), (&DATA, "$1: [masked]")] {
        if let Some(regex) = pattern.as_ref() {
            masked = regex.replace_all(&masked, with).into_owned();
        }
    }
    masked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tokens_and_passwords_do_not_pass() {
        let text = "a\n-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----\nb\nAuthorization: Bearer abcdefghijklmnop1234\nclient-key-data: TUhjQ0FR\ntoken: abc";
        let masked = mask(text);
        for secret in ["MHcCAQ", "abcdefghijklmnop1234", "TUhjQ0FR", "abc\n"] {
            assert!(!masked.contains(secret), "{secret} is still in {masked}");
        }
        assert!(masked.starts_with("a\n") && masked.contains("\nb\n"));
        assert!(!mask("-----BEGIN PRIVATE KEY-----\nMHcCAQ").contains("MHcCAQ"), "a cut block is masked too");
    }
}
