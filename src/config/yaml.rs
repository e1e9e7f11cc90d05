//! YAML text to as-written structs; the parser's errors in a person's words.

use serde::de::DeserializeOwned;
use serde_yaml::Error;

use super::error::{ConfigError, ConfigErrors};
use super::located::Span;
use super::source::Source;
use super::suggest::nearest;

/// Reads the whole text as one `T`. The first error of syntax or shape ends it.
pub(super) fn parse<T: DeserializeOwned>(source: &Source, what: &str) -> Result<T, ConfigErrors> {
    if source.is_blank() {
        let hint = format!("`docs/reference/{what}.md` shows a whole {what}");
        let message = format!("{} is empty", source.file);
        return Err(ConfigErrors::one(ConfigError::whole_file(
            &source.file,
            message,
            Some(hint),
        )));
    }
    let options = serde_yaml::options! { with_snippet: false };
    serde_yaml::from_str_with_options(&source.text, options).map_err(|e| ConfigErrors::one(explain(source, &e)))
}

fn explain(source: &Source, error: &Error) -> ConfigError {
    let at = error.location().map(Span::from).unwrap_or_default();
    match error.without_snippet() {
        Error::AliasError { error: inner, .. } => explain(source, inner),
        Error::SerdeUnknownField { field, expected, .. } => unknown_key(source, at, field, expected),
        Error::SerdeUnknownVariant { variant, expected, .. } => unknown_word(source, at, variant, expected),
        Error::SerdeMissingField { field, .. } => source
            .error(at, format!("`{field}` is missing"))
            .with_hint(format!("add `{field}:` here")),
        Error::DuplicateMappingKey { key, .. } => duplicate_key(source, at, key.as_deref()),
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => {
            wrong_type(source, at, expected)
        }
        Error::Unexpected { expected, .. } => wrong_type(source, at, expected),
        Error::InvalidScalar { ty, .. } => wrong_type(source, at, scalar_name(ty)),
        Error::NullIntoString { .. } => source
            .error(at, "a value is missing here")
            .with_hint("write the value after the colon, or remove the key"),
        Error::MultipleDocuments { .. } => source
            .error(at, "a second YAML document begins here")
            .with_hint("keep one document per file; remove the `---`"),
        Error::Budget { .. } => source
            .error(at, "the file is too large or nests too deeply")
            .with_hint("write hosts as ranges, `worker[01-40]`, and avoid YAML aliases"),
        Error::Message { msg, .. } => own_message(source, at, msg),
        other => syntax(source, at, &other.to_string()),
    }
}

/// Our own visitors put the hint on a second line of their message.
fn own_message(source: &Source, at: Span, msg: &str) -> ConfigError {
    match msg.split_once('\n') {
        Some((message, hint)) => source.error(at, message).with_hint(hint),
        None => syntax(source, at, msg),
    }
}

fn syntax(source: &Source, at: Span, msg: &str) -> ConfigError {
    if let Some(tab) = source.tab_indent().filter(|tab| tab.line <= at.line.max(1) + 1) {
        return source
            .error(tab, "a tab character in the indentation")
            .with_hint("YAML is indented with spaces only");
    }
    let plain = msg
        .split(" at line ")
        .next()
        .unwrap_or(msg)
        .trim_end_matches([',', '.']);
    let hint = if plain.contains("flow") || source_has_bare_range(source, at) {
        "quote a name that begins with `[` or holds one inside a list: \"worker[01-40]\""
    } else {
        "check indentation, quotes and brackets of this line and the one above"
    };
    source.error(at, format!("not valid YAML: {plain}")).with_hint(hint)
}

/// `[worker[01-40]]` ends the list at the first `]`.
fn source_has_bare_range(source: &Source, at: Span) -> bool {
    source
        .place(at)
        .is_some_and(|p| p.source_line.contains('[') && p.source_line.contains('-') && !p.source_line.contains('"'))
}

fn unknown_key(source: &Source, at: Span, field: &str, expected: &[&'static str]) -> ConfigError {
    let error = source.error(at, format!("unknown key `{field}`"));
    if let Some(near) = nearest(field, expected.iter().copied()) {
        return error.with_hint(format!("did you mean `{near}`?"));
    }
    error.with_hint(match block_of(field) {
        Some(block) if expected.contains(&block) => format!("`{field}` belongs under `{block}:`"),
        _ if field == "on" => "write `hosts:`; YAML 1.1 readers turn `on` into `true`".to_owned(),
        _ => format!("known here: {}", words(expected)),
    })
}

/// The block that a key of an inventory or playbook belongs to, for keys written one level too high.
fn block_of(field: &str) -> Option<&'static str> {
    const BLOCKS: [(&str, &[&str]); 5] = [
        (
            "ssh",
            &[
                "user",
                "port",
                "identity",
                "jump",
                "host-key-policy",
                "known-hosts",
                "connect-timeout",
                "keepalive",
            ],
        ),
        ("become", &["method"]),
        (
            "kubernetes",
            &[
                "cert-dir",
                "kubelet-unit",
                "runtime",
                "kubeadm",
                "kubectl",
                "node-name",
                "kubeconfigs",
                "cni",
            ],
        ),
        ("cni", &["namespaces", "labels"]),
        ("gate", &["probes", "quiet", "interval", "timeout"]),
    ];
    BLOCKS
        .iter()
        .find(|(_, keys)| keys.contains(&field))
        .map(|(block, _)| *block)
}

fn unknown_word(source: &Source, at: Span, word: &str, expected: &[&'static str]) -> ConfigError {
    let error = source.error(at, format!("`{word}` is not known here"));
    match nearest(word, expected.iter().copied()) {
        Some(near) => error.with_hint(format!("did you mean `{near}`?")),
        None => error.with_hint(format!("write one of {}", words(expected))),
    }
}

fn words(list: &[&str]) -> String {
    list.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", ")
}

fn duplicate_key(source: &Source, at: Span, key: Option<&str>) -> ConfigError {
    let name = key.unwrap_or("?");
    let mut error = source
        .error(at, format!("key `{name}` is written twice"))
        .with_hint("keep one of the two");
    error.earlier = source
        .same_key_above(at, name)
        .and_then(|earlier| source.place(earlier));
    error
}

fn wrong_type(source: &Source, at: Span, expected: &str) -> ConfigError {
    let found = source.token(at);
    if found.is_empty() || found.starts_with(':') {
        return source
            .error(at, format!("nothing stands here; expected {}", plain_type(expected)))
            .with_hint("write it after the colon, or on the next lines, indented deeper than the key");
    }
    let (found, hint) = match found.chars().next() {
        Some('[' | '-') if at.length <= 1 => (
            "a list".to_owned(),
            "a list stands one level deeper, under a key: `hosts: [a, b]`",
        ),
        Some('{') => ("keys and values".to_owned(), "remove the braces"),
        _ if plain_type(expected) == "a list" => (
            format!("`{found}`"),
            "write it in brackets, `[a, b]`, or as lines that begin with `- `",
        ),
        _ => (
            format!("`{found}`"),
            "the reference shows every key with an example: docs/reference/",
        ),
    };
    source
        .error(
            at,
            format!("wrong type: expected {}, found {found}", plain_type(expected)),
        )
        .with_hint(hint)
}

/// serde's words for types, as an operator would say them.
fn plain_type(expected: &str) -> String {
    match expected {
        name if name.starts_with("struct ") => "keys and values".to_owned(),
        "a sequence" | "sequence start" => "a list".to_owned(),
        "a map" | "mapping start" => "keys and values".to_owned(),
        other => other.to_owned(),
    }
}

fn scalar_name(ty: &str) -> &str {
    match ty {
        "u16" => "a whole number from 1 to 65535",
        "u8" | "u32" | "u64" | "usize" => "a whole number",
        "bool" => "true or false",
        other => other,
    }
}
