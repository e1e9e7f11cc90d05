//! How times, places and verdicts of a check read, in every form.

use jiff::Timestamp;

use crate::check::{Level, Row, Subject, Verdict};
use crate::probes::served::Server;

const DAY: i64 = 86_400;

/// The day; near the end also the minute. UTC.
pub(super) fn expiry(row: &Row, now: Timestamp) -> String {
    let Some(end) = row.not_after else { return String::new() };
    let near = end.duration_since(now).as_secs().abs() < 2 * DAY;
    end.strftime(if near { "%Y-%m-%d %H:%M" } else { "%Y-%m-%d" })
        .to_string()
}

/// `364d`, `23h`, `12m`, `2h ago`: one unit, rounded down, since more is not read at 3 am.
pub(super) fn residual(row: &Row, now: Timestamp) -> String {
    let Some(end) = row.not_after else { return String::new() };
    let seconds = end.duration_since(now).as_secs();
    let size = seconds.abs();
    let text = match size {
        0..60 => format!("{size}s"),
        60..7_200 => format!("{}m", size / 60),
        7_200..172_800 => format!("{}h", size / 3_600),
        _ => format!("{}d", size / DAY),
    };
    if seconds < 0 { format!("{text} ago") } else { text }
}

/// Where it was seen: `disk`, `kube-apiserver 127.0.0.1:6443`, `kube-scheduler's memory`, a path.
pub(super) fn place(row: &Row) -> String {
    let process = row.process.as_deref().unwrap_or_default();
    match row.subject {
        Subject::File => "disk".to_owned(),
        Subject::Served => format!("{process} {}", port_or_address(row)),
        Subject::Held => format!("{process}, memory"),
        Subject::Copy | Subject::Token => row.place.clone(),
        Subject::Host => String::new(),
    }
}

/// Of the host's own ports the number says enough, and hosts stay alike; whom a kubelet talks to is said in full.
fn port_or_address(row: &Row) -> &str {
    let own = row.process.as_deref() != Some(Server::Endpoint.process());
    let colon = row.place.rfind(':').filter(|_| own);
    colon.map_or(row.place.as_str(), |at| &row.place[at..])
}

/// The verdict, louder when it is worse.
pub(super) fn verdict(row: &Row) -> String {
    let words = row.verdict.words();
    match row.level {
        Level::Critical => words.to_uppercase(),
        // The words say "ok", the level does not: a file that is fine until its CA ends.
        Level::Warning | Level::Unknown if row.verdict == Verdict::Ok => row.level.as_str().to_owned(),
        _ => words.to_owned(),
    }
}

/// `CRITICAL`, as monitoring plugins say it.
pub(super) fn level(level: Level) -> String {
    level.as_str().to_uppercase()
}

/// `3 critical, 2 warnings, 40 ok on 8 hosts`.
pub(super) fn totals(rows: &[Row], hosts: usize) -> String {
    let of = |level| rows.iter().filter(|r| r.level == level).count();
    let parts = [
        (of(Level::Critical), "critical"),
        (of(Level::Warning), "warning"),
        (of(Level::Unknown), "unknown"),
    ];
    let mut said: Vec<String> = parts
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, word)| format!("{n} {word}"))
        .collect();
    said.push(format!("{} ok", of(Level::Ok)));
    format!("{} on {}", said.join(", "), super::text::count(hosts, "host"))
}
