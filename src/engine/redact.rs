//! What may be kept of a command's output: its end, without anything that looks like a secret.

use crate::model::{Output, mask};

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
