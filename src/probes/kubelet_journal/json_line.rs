//! Lines that are JSON objects: `journalctl -o json`, docker's json-file, kubelet's JSON logging, zap.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::record::{Kind, Record};

/// The journal's fields certfleet reads; all others are skipped without being stored.
///
/// `T` is [`Text`] for nearly every line; [`Field`] for those with a field that is no string.
#[derive(Deserialize)]
struct Journal<T> {
    #[serde(rename = "MESSAGE")]
    message: T,
    #[serde(rename = "__REALTIME_TIMESTAMP")]
    realtime: Option<T>,
    #[serde(rename = "_HOSTNAME")]
    host: Option<T>,
    #[serde(rename = "SYSLOG_IDENTIFIER")]
    ident: Option<T>,
    #[serde(rename = "_COMM")]
    comm: Option<T>,
    #[serde(rename = "_PID")]
    pid: Option<T>,
    #[serde(rename = "__CURSOR")]
    cursor: Option<T>,
    #[serde(rename = "PRIORITY")]
    priority: Option<T>,
}

/// A field as it stands in the line; copied only where it holds escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<Text<'_>> for String {
    fn from(text: Text<'_>) -> Self {
        text.0.into_owned()
    }
}

/// Any field: text; bytes when not UTF-8; several when it repeats; null when longer than journalctl prints.
#[derive(Deserialize)]
#[serde(untagged)]
enum Field {
    Text(String),
    Bytes(Vec<u8>),
    Many(Vec<Value>),
    Other(Value),
}

impl From<Field> for String {
    fn from(field: Field) -> Self {
        match field {
            Field::Text(text) => text,
            Field::Bytes(bytes) => Self::from_utf8_lossy(&bytes).into_owned(),
            Field::Many(values) => values.iter().map(value_text).collect::<Vec<_>>().join("\n"),
            Field::Other(Value::Null) => "[0B blob data]".to_owned(),
            Field::Other(other) => other.to_string(),
        }
    }
}

fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(bytes) => {
            let bytes: Vec<u8> = bytes
                .iter()
                .filter_map(Value::as_u64)
                .filter_map(|b| u8::try_from(b).ok())
                .collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        other => other.to_string(),
    }
}

/// Parses a line that begins with `{`; `None` when it is no JSON object certfleet knows.
pub(super) fn parse(line: &str) -> Option<Record> {
    if line.contains("\"MESSAGE\"") {
        let text = serde_json::from_str::<Journal<Text<'_>>>(line).map(journal);
        return text
            .or_else(|_| serde_json::from_str::<Journal<Field>>(line).map(|row| journal(row.map(String::from))))
            .ok();
    }
    let object: BTreeMap<String, Value> = serde_json::from_str(line).ok()?;
    docker(&object).or_else(|| logging(&object))
}

impl<T> Journal<T> {
    fn map<U>(self, into: impl Fn(T) -> U) -> Journal<U> {
        Journal {
            message: into(self.message),
            realtime: self.realtime.map(&into),
            host: self.host.map(&into),
            ident: self.ident.map(&into),
            comm: self.comm.map(&into),
            pid: self.pid.map(&into),
            cursor: self.cursor.map(&into),
            priority: self.priority.map(&into),
        }
    }
}

fn journal<T: Into<String> + AsRef<str>>(row: Journal<T>) -> Record {
    let number = |field: Option<T>| field.and_then(|text| text.as_ref().parse::<u64>().ok());
    let message: String = row.message.into();
    let nested = message.starts_with('{').then(|| parse(&message)).flatten();
    Record {
        realtime_us: number(row.realtime),
        host: row.host.map(Into::into),
        ident: row.ident.or(row.comm).map(Into::into),
        pid: number(row.pid).and_then(|pid| u32::try_from(pid).ok()),
        cursor: row.cursor.map(Into::into),
        priority: number(row.priority).and_then(|priority| u8::try_from(priority).ok()),
        message: nested.map_or(message, |inner| inner.message),
        kind: Kind::Record,
    }
}

/// `{"log":"…\n","stream":"stderr","time":"…"}`.
fn docker(object: &BTreeMap<String, Value>) -> Option<Record> {
    let log = object.get("log").and_then(Value::as_str)?;
    let time = object.get("time").and_then(Value::as_str);
    let at = time
        .and_then(|time| time.parse::<jiff::Timestamp>().ok())
        .and_then(|at| u64::try_from(at.as_microsecond()).ok());
    Some(Record {
        realtime_us: at,
        ..Record::plain(log.trim_end())
    })
}

/// Keys that are placed by name, or left out: an event that could not be written quotes other people's failures.
const KNOWN: &[&str] = &[
    "ts", "caller", "msg", "message", "err", "error", "v", "level", "logger", "event",
];

/// klog's JSON layout becomes a klog line; zap's (it has a level) becomes logfmt, as only other programs write it.
fn logging(object: &BTreeMap<String, Value>) -> Option<Record> {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let said = text("msg").or_else(|| text("message"))?;
    let cause = text("err").or_else(|| text("error"));
    let others = object.iter().filter(|(key, _)| !KNOWN.contains(&key.as_str()));
    let others = others
        .map(|(key, value)| format!("{key}={value}"))
        .collect::<Vec<_>>()
        .join(" ");
    let cause = cause.map(|cause| format!(" err=\"{cause}\"")).unwrap_or_default();
    let caller = text("caller").unwrap_or_default();
    let message = match (text("level").or_else(|| text("severity")), caller) {
        (Some(level), _) => format!(
            "level={} caller={caller} msg=\"{said}\"{cause} {others}",
            level.to_ascii_lowercase()
        ),
        (None, "") => format!("\"{said}\"{cause} {others}"),
        (None, _) => format!(
            "{} {caller}] \"{said}\"{cause} {others}",
            if cause.is_empty() { 'I' } else { 'E' }
        ),
    };
    Some(Record::plain(&message))
}
