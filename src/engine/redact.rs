//! What may be kept of a command's output: its end, without anything that looks like a secret.

use std::sync::LazyLock;

use regex::Regex;

use crate::model::Output;

/// Enough to see why, little enough for a ledger line.
const KEPT: usize = 4096;

/// Standard error and output, the end of each, secrets masked.
pub(super) fn shown(output: &Output) -> String {
    let (out, err) = (output.stdout_text(), output.stderr_text());
    let both = [out.trim_end(), err.trim_end()]
        .iter()
        .filter(|t| !t.is_empty())
        .copied()
        .collect::<Vec<_>>()
        .join("\n");
    // Masked first: a key whose beginning is cut off is no less a key.
    end_of(&mask(&both)).to_owned()
}

fn end_of(text: &str) -> &str {
    let cut = text.len().saturating_sub(KEPT);
    let start = (cut..text.len())
        .find(|i| text.is_char_boundary(*i))
        .unwrap_or(text.len());
    &text[start..]
}

/// Masks private-key blocks (also cut ones, also in base64), tokens, and values that are called passwords.
pub(super) fn mask(text: &str) -> String {
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(patterns);
    let mut masked = text.to_owned();
    for (pattern, with) in PATTERNS.iter() {
        if pattern.is_match(&masked) {
            masked = pattern.replace_all(&masked, *with).into_owned();
        }
    }
    masked
}

const KEY: &str = "[private key masked]";
const TOKEN: &str = "[token masked]";

/// In this order: whole blocks first, then what a cut has left of one.
fn patterns() -> Vec<(Regex, &'static str)> {
    let all = [
        (
            r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\z)",
            KEY,
        ),
        (
            r"([A-Za-z0-9+/=]+\s+)*[A-Za-z0-9+/=]*-----END [A-Z ]*PRIVATE KEY-----",
            KEY,
        ),
        (
            r"LS0tLS1CRUdJTiB(QUklWQVRF|FQyBQUklWQVRF|SU0EgUFJJVkFUR)[A-Za-z0-9+/=]*",
            KEY,
        ),
        (
            r"(?i)(bearer |token[=: ]+)?eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.?[A-Za-z0-9_-]*",
            TOKEN,
        ),
        (r"(?i)bearer [A-Za-z0-9._~+/-]{16,}=*", TOKEN),
        (r"\b[a-z0-9]{6}\.[a-z0-9]{16}\b", TOKEN),
        (
            r#"(client-key-data|token|password)("?[ \t]*[:=][ \t]*"?)([^\s"',}\[p]|p[^\s"',}r]|pr[^\s"',}o])[^\s"',}]*"#,
            "$1$2[masked]",
        ),
    ];
    all.into_iter()
        .filter_map(|(pattern, with)| Some((Regex::new(pattern).ok()?, with)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_one() {
        assert_eq!(patterns().len(), 7);
        let kept = "become: { password: prompt }, certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0t, w1.example.org";
        assert_eq!(mask(kept), kept);
    }

    #[test]
    fn what_a_cut_leaves_of_a_key_is_masked_too() {
        let key = format!(
            "-----BEGIN RSA PRIVATE KEY-----\n{}-----END RSA PRIVATE KEY-----\n",
            "TUhjQ0FR0123456789abcdef\n".repeat(300)
        );
        let told = shown(&Output::new(0, key.as_str(), "the end"));
        assert_eq!(told, "[private key masked]\nthe end");
        assert!(!mask(&key[2000..]).contains("TUhjQ0FR"));
        let json =
            r#"{"client-key-data":"LS0tLS1CRUdJTiBSU0EgUFJJVkFURSBLRVktLS0tLQ==","token": "abcdef.0123456789abcdef"}"#;
        let masked = mask(json);
        assert!(!masked.contains("LS0t") && !masked.contains("abcdef."), "{masked}");
    }

    #[test]
    fn keys_tokens_and_passwords_do_not_pass() {
        let text = "a\n-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----\nb\nAuthorization: Bearer abcdefghijklmnop1234\nclient-key-data: TUhjQ0FR\ntoken: abc";
        let masked = mask(text);
        for secret in ["MHcCAQ", "abcdefghijklmnop1234", "TUhjQ0FR", "abc\n"] {
            assert!(!masked.contains(secret), "{secret} is still in {masked}");
        }
        assert!(masked.starts_with("a\n") && masked.contains("\nb\n"));
        assert!(
            !mask("-----BEGIN PRIVATE KEY-----\nMHcCAQ").contains("MHcCAQ"),
            "a cut block is masked too"
        );
    }
}
