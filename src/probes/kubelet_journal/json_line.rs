//! Lines that are JSON objects: `journalctl -o json`, docker's json-file, kubelet's JSON logging, zap.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::record::{Kind, Record};

/// The journal's fields certfleet reads; all others are skipped without being stored.
#[derive(Deserialize)]
struct Journal<'a> {
    #[serde(rename = "MESSAGE", borrow)]
    message: Field<'a>,
    #[serde(rename = "__REALTIME_TIMESTAMP", default, borrow)]
    realtime: Option<Text<'a>>,
    #[serde(rename = "_HOSTNAME", default, borrow)]
    host: Option<Text<'a>>,
    #[serde(rename = "SYSLOG_IDENTIFIER", default, borrow)]
    ident: Option<Text<'a>>,
    #[serde(rename = "_COMM", default, borrow)]
    comm: Option<Text<'a>>,
    #[serde(rename = "_PID", default, borrow)]
    pid: Option<Text<'a>>,
    #[serde(rename = "__CURSOR", default, borrow)]
    cursor: Option<Text<'a>>,
    #[serde(rename = "PRIORITY", default, borrow)]
    priority: Option<Text<'a>>,
}

/// A string field; anything else (null, number, array) reads as absent.
#[derive(Deserialize)]
#[serde(untagged)]
enum Text<'a> {
    Str(#[serde(borrow)] Cow<'a, str>),
    Other(serde::de::IgnoredAny),
}

impl Text<'_> {
    fn get(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            Self::Other(_) => None,
        }
    }
}

/// MESSAGE: text; bytes when not UTF-8; several when the field repeats; null when longer than journalctl prints.
#[derive(Deserialize)]
#[serde(untagged)]
enum Field<'a> {
    Str(#[serde(borrow)] Cow<'a, str>),
    Bytes(Vec<u8>),
    Many(Vec<Value>),
    Other(serde::de::IgnoredAny),
}

impl Field<'_> {
    fn text(&self) -> String {
        match self {
            Self::Str(text) => text.as_ref().to_owned(),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned(),
            Self::Many(values) => values.iter().map(value_text).collect::<Vec<_>>().join("\n"),
            Self::Other(_) => "[0B blob data]".to_owned(),
        }
    }
}

fn value_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(bytes) => {
            let bytes: Vec<u8> = bytes.iter().filter_map(Value::as_u64).filter_map(|b| u8::try_from(b).ok()).collect();
            String::from_utf8_lossy(&bytes).into_owned()
        }
        other => other.to_string(),
    }
}

/// Parses a line that begins with `{`; `None` when it is no JSON object certfleet knows.
pub(super) fn parse(line: &str) -> Option<Record> {
    if line.contains("\"MESSAGE\"") {
        return serde_json::from_str(line).ok().map(journal);
    }
    let object: BTreeMap<String, Value> = serde_json::from_str(line).ok()?;
    docker(&object).or_else(|| logging(&object))
}

fn journal(row: Journal<'_>) -> Record {
    let get = |field: &Option<Text<'_>>| field.as_ref().and_then(Text::get).map(str::to_owned);
    let number = |field: &Option<Text<'_>>| field.as_ref().and_then(Text::get).and_then(|text| text.parse().ok());
    let message = row.message.text();
    let nested = message.starts_with('{').then(|| parse(&message)).flatten().map(|inner| inner.message);
    Record {
        realtime_us: number(&row.realtime),
        host: get(&row.host),
        ident: get(&row.ident).or_else(|| get(&row.comm)),
        pid: number(&row.pid).and_then(|pid: u64| u32::try_from(pid).ok()),
        cursor: get(&row.cursor),
        priority: number(&row.priority).and_then(|p: u64| u8::try_from(p).ok()),
        message: nested.unwrap_or(message),
        kind: Kind::Record,
    }
}

/// `{"log":"…\n","stream":"stderr","time":"…"}`.
fn docker(object: &BTreeMap<String, Value>) -> Option<Record> {
    let log = object.get("log").and_then(Value::as_str)?;
    let time = object.get("time").and_then(Value::as_str);
    let at = time.and_then(|time| time.parse::<jiff::Timestamp>().ok()).and_then(|at| u64::try_from(at.as_microsecond()).ok());
    Some(Record { realtime_us: at, ..Record::plain(log.trim_end()) })
}

/// klog's JSON layout becomes a klog line; zap's (it has a level) becomes logfmt, as only other programs write it.
fn logging(object: &BTreeMap<String, Value>) -> Option<Record> {
    let text = |key: &str| object.get(key).and_then(Value::as_str);
    let said = text("msg").or_else(|| text("message"))?;
    let cause = text("err").or_else(|| text("error"));
    let others: String = object
        .iter()
        .filter(|(key, _)| !matches!(key.as_str(), "ts" | "caller" | "msg" | "message" | "err" | "error" | "v" | "level" | "logger"))
        .map(|(key, value)| format!(" {key}={value}"))
        .collect();
    let cause = cause.map(|cause| format!(" err=\"{cause}\"")).unwrap_or_default();
    let caller = text("caller").unwrap_or_default();
    let message = match (text("level").or_else(|| text("severity")), caller) {
        (Some(level), _) => format!("level={} caller={caller} msg=\"{said}\"{cause}{others}", level.to_ascii_lowercase()),
        (None, "") => format!("\"{said}\"{cause}{others}"),
        (None, _) => format!("{} {caller}] \"{said}\"{cause}{others}", if cause.is_empty() { 'I' } else { 'E' }),
    };
    Some(Record::plain(&message))
}
