//! Journal entries as `journalctl -o` shows them.

use serde_json::{Map, Value, json};

use crate::lab::journald::Entry;
use crate::lab::node::Node;

/// An output mode of journalctl.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Short { french: bool },
    ShortPrecise,
    ShortIso,
    ShortFull,
    ShortUnix,
    Cat,
    Json,
}

impl Format {
    /// By its name; `None` for those the lab does not know.
    pub(super) fn named(name: &str, french: bool) -> Option<Self> {
        Some(match name {
            "short" => Format::Short { french },
            "short-precise" => Format::ShortPrecise,
            "short-iso" | "short-iso-precise" => Format::ShortIso,
            "short-full" => Format::ShortFull,
            "short-unix" => Format::ShortUnix,
            "cat" => Format::Cat,
            "json" => Format::Json,
            _ => return None,
        })
    }

    /// One entry with its newline.
    pub(super) fn show(self, node: &Node, entry: &Entry) -> Vec<u8> {
        let mut line = match self {
            Format::Json => return format!("{}\n", object(node, entry)).into_bytes(),
            Format::Cat => Vec::new(),
            _ => {
                let (host, program, pid) = (&node.name, &entry.identifier, entry.pid);
                format!("{} {host} {program}[{pid}]: ", self.time(entry)).into_bytes()
            }
        };
        line.extend(&entry.message);
        line.push(b'\n');
        line
    }

    fn time(self, entry: &Entry) -> String {
        let at = entry.at;
        match self {
            Format::Short { french: true } => french_time(entry),
            Format::ShortPrecise => format!("{}.{:06}", at.strftime("%b %d %H:%M:%S"), at.subsec_microsecond()),
            Format::ShortIso => at.strftime("%Y-%m-%dT%H:%M:%S+0000").to_string(),
            Format::ShortFull => at.strftime("%a %Y-%m-%d %H:%M:%S UTC").to_string(),
            Format::ShortUnix => format!("{}.{:06}", at.as_second(), at.subsec_microsecond()),
            _ => at.strftime("%b %d %H:%M:%S").to_string(),
        }
    }
}

const FRENCH_MONTHS: [&str; 12] = [
    "janv.", "févr.", "mars", "avril", "mai", "juin", "juil.", "août", "sept.", "oct.", "nov.", "déc.",
];

fn french_time(entry: &Entry) -> String {
    let month = entry.at.strftime("%m").to_string().parse::<usize>().unwrap_or(1);
    format!(
        "{} {}",
        FRENCH_MONTHS[month.clamp(1, 12) - 1],
        entry.at.strftime("%d %H:%M:%S")
    )
}

/// journald's JSON: all values are text, a message that is not UTF-8 is an array of bytes.
fn object(node: &Node, entry: &Entry) -> Value {
    let message = match std::str::from_utf8(&entry.message) {
        Ok(text) => json!(text),
        Err(_) => json!(entry.message),
    };
    let manager = entry.identifier == "systemd";
    let own_unit = if manager { "init.scope" } else { entry.unit.as_str() };
    let fields = [
        ("__CURSOR", json!(node.journal.cursor(entry, &node.boot_id))),
        ("__REALTIME_TIMESTAMP", json!(entry.at.as_microsecond().to_string())),
        ("__MONOTONIC_TIMESTAMP", json!(entry.monotonic_us.to_string())),
        ("_BOOT_ID", json!(node.boot_id)),
        ("_MACHINE_ID", json!(node.machine_id)),
        ("_HOSTNAME", json!(node.name.as_str())),
        ("PRIORITY", json!("6")),
        ("_TRANSPORT", json!(if manager { "journal" } else { "stdout" })),
        ("SYSLOG_IDENTIFIER", json!(entry.identifier)),
        ("_PID", json!(entry.pid.to_string())),
        ("_UID", json!("0")),
        ("_SYSTEMD_UNIT", json!(own_unit)),
        ("UNIT", json!(entry.unit)),
        ("MESSAGE", message),
    ];
    let keep = |key: &str| manager || key != "UNIT";
    Value::Object(
        fields
            .into_iter()
            .filter(|(k, _)| keep(k))
            .map(|(k, v)| (k.to_owned(), v))
            .collect::<Map<_, _>>(),
    )
}
