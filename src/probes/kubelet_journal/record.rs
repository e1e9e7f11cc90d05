//! Any line of any journal form to a [`Record`].

use std::borrow::Cow;

use super::{component, json_line, klog, prefix};

/// What a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A log record (or the message field of one).
    Record,
    /// Something journalctl or a pager adds: `-- No entries --`, record headers and fields of `-o verbose`.
    Notice,
    /// Nothing.
    Blank,
    /// A further line of the record above, indented by journalctl.
    Continuation,
}

/// A line, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Microseconds since 1970, where the form carries year and zone.
    pub realtime_us: Option<u64>,
    /// The host that logged it.
    pub host: Option<String>,
    /// `SYSLOG_IDENTIFIER`, or the name before `[pid]:`.
    pub ident: Option<String>,
    /// The process.
    pub pid: Option<u32>,
    /// The journal cursor, to resume following from.
    pub cursor: Option<String>,
    /// syslog priority, 0 (worst) to 7.
    pub priority: Option<u8>,
    /// The message without any prefix; bytes that are not UTF-8 are replaced.
    pub message: String,
    /// What the line is.
    pub kind: Kind,
}

impl Record {
    /// A record of which only the message is known.
    pub(super) fn plain(message: &str) -> Self {
        Self::of(Kind::Record, message)
    }

    fn of(kind: Kind, message: &str) -> Self {
        Self {
            realtime_us: None,
            host: None,
            ident: None,
            pid: None,
            cursor: None,
            priority: None,
            message: message.to_owned(),
            kind,
        }
    }

    /// Whether nothing but text is known: no date, identifier or klog header.
    pub(super) fn is_headless(&self) -> bool {
        self.ident.is_none()
            && self.host.is_none()
            && self.realtime_us.is_none()
            && klog::parse(&self.message).is_none()
    }
}

/// Lines longer than this keep their first and last half: the cause of an event dump stands at its end.
pub(super) const LONGEST: usize = 64 * 1024;

/// What journalctl and pagers add, by beginning.
const NOTICES: &[&str] = &[
    "-- ",
    "Hint: ",
    "No journal files were",
    "Journal file ",
    "Users in groups",
    "Users in the ",
    "Pass -q to turn off",
    "lines ",
    "(END)",
    "~",
    "No entries",
    "Failed to determine boot",
    "event: ",
    "id: ",
    "retry: ",
];

/// Parses one line (without or with its line end) of any `journalctl -o` form, of a container log or of a paste.
pub fn parse_line(line: &[u8]) -> Record {
    let text = clean(line);
    let text = text.trim_end();
    let quoted = unquote(text);
    let trimmed = quoted.trim_start();
    if trimmed.is_empty() {
        return Record::of(Kind::Blank, "");
    }
    if is_notice(trimmed) {
        return Record {
            cursor: cursor_of(trimmed),
            ..Record::of(Kind::Notice, trimmed)
        };
    }
    json(trimmed)
        .or_else(|| field(trimmed))
        .unwrap_or_else(|| plain(quoted, trimmed))
}

/// Text without NULs, colours and U+00A0, of bounded length.
fn clean(line: &[u8]) -> Cow<'_, str> {
    let text = match std::str::from_utf8(line) {
        Ok(text) if line.len() <= LONGEST => Cow::Borrowed(text),
        Err(_) if line.len() <= LONGEST => String::from_utf8_lossy(line),
        _ => ends(line),
    };
    if !needs_cleaning(&text) {
        return text;
    }
    let mut clean = String::with_capacity(text.len());
    let mut escape = false;
    for c in text.chars() {
        match c {
            '\u{1b}' => escape = true,
            _ if escape => escape = !c.is_ascii_alphabetic(),
            '\u{a0}' => clean.push(' '),
            '\u{feff}' => {}
            '\n' | '\t' => clean.push(c),
            c if c < ' ' => {}
            c => clean.push(c),
        }
    }
    Cow::Owned(clean)
}

/// Whether a control character, U+00A0 or U+FEFF may be there; written without branches, so that it is vectorised.
fn needs_cleaning(text: &str) -> bool {
    let suspect = |b: u8| u8::from(b < 0x20) + u8::from(b == 0xC2) + u8::from(b == 0xEF) - u8::from(b == b'\t');
    text.bytes().fold(0, |found, b| found | suspect(b)) != 0
}

/// The first and the last half of a very long line.
fn ends(line: &[u8]) -> Cow<'_, str> {
    let head = line.get(..LONGEST / 2).unwrap_or_default();
    let tail = line.get(line.len().saturating_sub(LONGEST / 2)..).unwrap_or_default();
    Cow::Owned(format!(
        "{} {}",
        String::from_utf8_lossy(head),
        String::from_utf8_lossy(tail)
    ))
}

/// Strips markdown's `> `, bullets (`minikube logs`), comment signs and code ticks.
fn unquote(text: &str) -> &str {
    let trimmed = text.trim_start();
    let mut text = if trimmed.starts_with("# ") { trimmed } else { text };
    while let Some(rest) = ["> ", "* ", "# ", "```", "`"]
        .iter()
        .find_map(|mark| text.strip_prefix(mark))
    {
        text = rest;
    }
    text
}

fn is_notice(text: &str) -> bool {
    NOTICES.iter().any(|start| text.starts_with(start)) && !text.contains(".go:") && !text.contains("]: ")
}

/// `-- cursor: s=…` of `--show-cursor`.
fn cursor_of(text: &str) -> Option<String> {
    text.strip_prefix("-- cursor: ").map(|cursor| cursor.trim().to_owned())
}

fn json(text: &str) -> Option<Record> {
    let object = text.strip_prefix("data: ").unwrap_or(text);
    let object = object.trim_start_matches(['[', ',']).trim_end_matches([',', ']']);
    object
        .starts_with('{')
        .then(|| json_line::parse(object).unwrap_or_else(|| broken_json(object)))
}

/// A JSON object cut off: the text after its message key, or all of it.
fn broken_json(object: &str) -> Record {
    let journal = object.contains("\"__CURSOR\"") || object.contains("\"_HOSTNAME\"");
    let message = object.split_once("\"MESSAGE\":\"").map_or(object, |(_, rest)| rest);
    let mut record = Record::plain(message);
    record.ident = (journal && object.contains("\"kubelet")).then(|| "kubelet".to_owned());
    record
}

/// `KEY=value` of `-o verbose` and `-o export`, `"KEY" : "value",` of `-o json-pretty`.
fn field(text: &str) -> Option<Record> {
    if let Some(message) = text.strip_prefix("MESSAGE=") {
        return Some(Record::plain(message));
    }
    if let Some(message) = text.strip_prefix("\"MESSAGE\" : \"") {
        let message = message
            .trim_end_matches(',')
            .trim_end_matches('"')
            .replace("\\\"", "\"");
        return Some(Record::plain(&message));
    }
    let key_like = |b: &u8| b.is_ascii_uppercase() || *b == b'_';
    if !text.starts_with('"') && !text.as_bytes().iter().take(2).all(key_like) {
        return None;
    }
    let (key, value) = text
        .split_once('=')
        .or_else(|| text.strip_prefix('"').and_then(|rest| rest.split_once("\" : ")))?;
    let upper = key
        .bytes()
        .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    (key.len() >= 3 && upper).then(|| {
        let value = value.trim_end_matches(',').trim_matches('"');
        let mut record = Record::of(Kind::Notice, text);
        record.cursor = (key == "__CURSOR").then(|| value.to_owned());
        record.ident = (key == "SYSLOG_IDENTIFIER").then(|| value.to_owned());
        record
    })
}

fn plain(line: &str, trimmed: &str) -> Record {
    if klog::begins(trimmed) {
        return Record::plain(trimmed);
    }
    let prefix = prefix::parse(trimmed);
    if is_verbose_header(&prefix) || matches!(trimmed, "{" | "}" | "[" | "]") {
        return Record {
            cursor: verbose_cursor(prefix.rest),
            ..Record::of(Kind::Notice, trimmed)
        };
    }
    let indent = line.len() - trimmed.len();
    let headless = !prefix.dated && prefix.ident.is_none();
    if headless && indent >= 12 && klog::parse(trimmed).is_none() && !component::starts_record(trimmed) {
        return Record::of(Kind::Continuation, trimmed);
    }
    let inner = prefix.rest.trim_start();
    let nested = inner.starts_with('{').then(|| json_line::parse(inner)).flatten();
    Record {
        realtime_us: prefix.realtime_us,
        host: prefix.host.map(str::to_owned),
        ident: prefix.ident.map(str::to_owned),
        pid: prefix.pid,
        message: nested.map_or_else(|| prefix.rest.to_owned(), |record| record.message),
        ..Record::plain("")
    }
}

/// `Thu 2018-06-21 14:36:14.470781 EDT [s=…;i=…]`.
fn is_verbose_header(prefix: &prefix::Prefix<'_>) -> bool {
    prefix.dated && prefix.ident.is_none() && prefix.rest.starts_with("[s=")
}

fn verbose_cursor(rest: &str) -> Option<String> {
    rest.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .filter(|cursor| cursor.starts_with("s="))
        .map(str::to_owned)
}
