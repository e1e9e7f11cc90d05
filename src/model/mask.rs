//! What may be shown of a text that a host gave: all of it but what looks like a secret.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// Masks private-key blocks (also cut ones, also in base64), tokens, and values that are called passwords.
pub fn mask(text: &str) -> String {
    static PATTERNS: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(patterns);
    let mut masked = text.to_owned();
    for (pattern, with) in PATTERNS.iter() {
        if pattern.is_match(&masked) {
            masked = pattern.replace_all(&masked, *with).into_owned();
        }
    }
    mask_named(&masked)
}

/// `password: …` and the like, but for the word that says where a password comes from, and what is masked already.
fn mask_named(text: &str) -> String {
    static NAMED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(NAMED_VALUE).ok());
    let shown = |found: &Captures<'_>| match &found["value"] {
        "prompt" => found[0].to_owned(),
        _ => format!("{}[masked]", &found["name"]),
    };
    match NAMED.as_ref() {
        Some(named) => named.replace_all(text, shown).into_owned(),
        None => text.to_owned(),
    }
}

const NAMED_VALUE: &str =
    r#"(?i)(?<name>(?:client-key-data|token|password)["']?[ \t]*[:=][ \t]*["']?)(?<value>[^\s"',}\[][^\s"',}]*)"#;

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
        assert_eq!(patterns().len(), 6);
        let kept = "become: { password: prompt }, certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0t, w1.example.org";
        assert_eq!(mask(kept), kept);
    }

    #[test]
    fn keys_tokens_and_passwords_do_not_pass() {
        let text = "a\n-----BEGIN EC PRIVATE KEY-----\nMHcCAQ\n-----END EC PRIVATE KEY-----\nb\nAuthorization: Bearer abcdefghijklmnop1234\nclient-key-data: TUhjQ0FR\ntoken: abc";
        let masked = mask(text);
        for secret in ["MHcCAQ", "abcdefghijklmnop1234", "TUhjQ0FR", "abc\n"] {
            assert!(!masked.contains(secret), "{secret} is still in {masked}");
        }
        for text in [
            "password: production1",
            "token=prod-1",
            "password='production1'",
            "Password: production1",
            "K3S_TOKEN=production1",
            "{\"token\": \"production1\"}",
            "password=promptly1",
        ] {
            let masked = mask(text);
            assert!(
                masked.contains("[masked]") && !masked.contains('1'),
                "{text} became {masked}"
            );
        }
        assert!(masked.starts_with("a\n") && masked.contains("\nb\n"));
        assert!(
            !mask("-----BEGIN PRIVATE KEY-----\nMHcCAQ").contains("MHcCAQ"),
            "a cut block is masked too"
        );
    }
}
