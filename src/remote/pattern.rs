//! OpenSSH's host patterns (ssh_config(5) PATTERNS): `*`, `?`, lists with commas and `!negation`.

/// Whether `text` matches a pattern of `*` and `?`; ASCII case is ignored, as for host names.
pub fn matches(pattern: &str, text: &str) -> bool {
    glob(
        pattern.to_ascii_lowercase().as_bytes(),
        text.to_ascii_lowercase().as_bytes(),
    )
}

/// Iterative: the last `*` is where to come back to, so no input is slower than quadratic.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p, t));
                p += 1;
            }
            Some(c) if *c == b'?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => {
                let Some((star, from)) = back else { return false };
                back = Some((star, from + 1));
                p = star + 1;
                t = from + 1;
            }
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

/// What a list of patterns says about a name: a negated match wins over all others.
pub fn list_matches<'a>(patterns: impl IntoIterator<Item = &'a str>, name: &str) -> bool {
    let mut found = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(negated) if matches(negated, name) => return false,
            None if matches(pattern, name) => found = true,
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_as_openssh_does() {
        for (pattern, text, expected) in [
            ("*.example.com", "m1.example.com", true),
            ("*.example.com", "example.com", false),
            ("m?", "m1", true),
            ("m?", "m10", false),
            ("*", "", true),
            ("M1", "m1", true),
            ("*a*b*", "xxaxxbxx", true),
            ("*a*b", "xxaxxbxx", false),
            ("[10.0.0.*]:2222", "[10.0.0.7]:2222", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_negation_wins() {
        assert!(list_matches(["*.net", "!bad.net"], "good.net"));
        assert!(!list_matches(["*.net", "!bad.net"], "bad.net"));
        assert!(!list_matches(["!bad.net"], "good.net"));
    }
}
