//! The certificates of a fleet on the screen and as JSON.

use jiff::Timestamp;

use crate::model::HostName;

use super::certificate_rows::{CertificateRow, CheckLevel, RowState, worst};
use super::fold::{hosts_and_count, natural_order};
use super::style::{Style, Tone};
use super::table::{Cell, cell, row, widths};
use super::text::{Page, count, cut, width};

/// Counts up when a reader of the JSON must change.
const SCHEMA_VERSION: u32 = 1;
const DAY: i64 = 86_400;
/// Columns in the order in which a narrow terminal loses them, least needed first.
const LOSES: [usize; 3] = [4, 5, 1];

/// One block per host; hosts whose blocks read the same are one block. Ends with a line of totals.
pub fn certificates_table(rows: &[CertificateRow], style: &Style) -> String {
    let mut page = Page::new(style);
    let blocks = blocks(rows);
    let cells: Vec<Vec<Vec<Cell>>> = blocks
        .iter()
        .map(|(_, rows)| rows.iter().map(|r| cells(r)).collect())
        .collect();
    let title: Vec<Cell> = TITLES.iter().map(|t| ((*t).to_owned(), Tone::Quiet)).collect();
    let all = std::iter::once(title.as_slice()).chain(cells.iter().flatten().map(Vec::as_slice));
    let columns = widths(all);
    let kept = kept(&columns, style.width);
    if cells.iter().flatten().next().is_some() {
        print_row(&mut page, &columns, &kept, &title);
    }
    for ((hosts, rows), cells) in blocks.iter().zip(&cells) {
        block(&mut page, hosts, rows, |page| {
            for row in cells {
                print_row(page, &columns, &kept, row);
            }
        });
    }
    totals(&mut page, rows);
    page.finish()
}

/// Every row, with all that the table leaves out.
pub fn certificates_json(rows: &[CertificateRow], now: Timestamp) -> String {
    let value = serde_json::json!({
        "schema_version": SCHEMA_VERSION,
        "checked-at": now,
        "level": worst(rows),
        "certificates": rows,
    });
    serde_json::to_string_pretty(&value).unwrap_or_default()
}

const TITLES: [&str; 6] = [
    "CERTIFICATE",
    "EXPIRES (UTC)",
    "RESIDUAL",
    "STATE",
    "ISSUER",
    "SIGNER UNTIL",
];

fn cells(row: &CertificateRow) -> Vec<Cell> {
    let tone = tone(row.level);
    vec![
        cell(row.name.clone()),
        cell(
            row.not_after
                .map_or_else(String::new, |t| expiry(t, row.residual_seconds)),
        ),
        (residual(row.residual_seconds), tone),
        (state_words(row), tone),
        (issuer(row), Tone::Quiet),
        (row.signer_not_after.map_or_else(String::new, day), Tone::Quiet),
    ]
}

/// The day; near the end also the minute.
fn expiry(at: Timestamp, residual: Option<i64>) -> String {
    if residual.is_some_and(|r| r.abs() < 2 * DAY) {
        at.strftime("%Y-%m-%d %H:%M").to_string()
    } else {
        day(at)
    }
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// `364d`, `23h`, `12m`, `expired 2h ago`: one unit, rounded down, since more is not read at 3 am.
fn residual(seconds: Option<i64>) -> String {
    let Some(seconds) = seconds else {
        return String::new();
    };
    let size = seconds.abs();
    let text = match size {
        0..60 => format!("{size}s"),
        60..3_600 => format!("{}m", size / 60),
        3_600..172_800 => format!("{}h", size / 3_600),
        _ => format!("{}d", size / DAY),
    };
    if seconds < 0 {
        format!("expired {text} ago")
    } else {
        text
    }
}

fn state_words(row: &CertificateRow) -> String {
    let words = match row.state {
        RowState::Ok => "ok",
        RowState::Expiring if row.level == CheckLevel::Critical => "EXPIRING SOON",
        RowState::Expiring => "expiring",
        RowState::Expired => "EXPIRED",
        RowState::NotYetValid => "NOT YET VALID",
        RowState::Missing => "MISSING",
        RowState::Dangling => "DANGLING LINK",
        RowState::Unreadable => "UNREADABLE",
        RowState::KeyMismatch => "WRONG KEY",
        RowState::KeyMissing => "NO KEY",
        RowState::SignerExpired => "SIGNER EXPIRED",
        RowState::Unreachable => "UNKNOWN",
    };
    words.to_owned()
}

fn tone(level: CheckLevel) -> Tone {
    match level {
        CheckLevel::Ok => Tone::Good,
        CheckLevel::Unknown | CheckLevel::Warning => Tone::Warn,
        CheckLevel::Critical => Tone::Bad,
    }
}

/// The common name alone; all of it is in the JSON.
fn issuer(row: &CertificateRow) -> String {
    let all = row.issuer.as_deref().unwrap_or_default();
    let name = all.split(',').find_map(|part| part.trim().strip_prefix("CN="));
    name.unwrap_or(all).to_owned()
}

type Block<'a> = (Vec<HostName>, Vec<&'a CertificateRow>);

/// Rows by host, in the rows' own order; hosts that read the same together.
fn blocks(rows: &[CertificateRow]) -> Vec<Block<'_>> {
    let mut hosts: Vec<Block<'_>> = Vec::new();
    for row in rows {
        match hosts.last_mut() {
            Some((names, own)) if names[0] == row.host => own.push(row),
            _ => hosts.push((vec![row.host.clone()], vec![row])),
        }
    }
    hosts.sort_by(|a, b| natural_order(a.0[0].as_str(), b.0[0].as_str()));
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for (names, own) in hosts {
        match blocks.iter_mut().find(|(_, other)| read_alike(other, &own)) {
            Some((all, _)) => all.extend(names),
            None => blocks.push((names, own)),
        }
    }
    blocks
}

fn read_alike(a: &[&CertificateRow], b: &[&CertificateRow]) -> bool {
    let words = |r: &CertificateRow| (cells(r), r.detail.clone());
    a.len() == b.len() && a.iter().zip(b).all(|(x, y)| words(x) == words(y))
}

fn block(page: &mut Page<'_>, hosts: &[HostName], rows: &[&CertificateRow], table: impl FnOnce(&mut Page<'_>)) {
    page.blank();
    let who = hosts_and_count(hosts);
    if let [only] = rows
        && only.name.is_empty()
    {
        let why = format!("not checked: {}", only.detail.as_deref().unwrap_or("no answer"));
        page.labelled(0, &format!("{who}  "), Tone::Host, Tone::Warn, &why);
        return;
    }
    page.prose(0, Tone::Host, &who);
    table(page);
    for row in rows.iter().filter(|r| r.detail.is_some()) {
        let text = format!("{}: {}", row.name, row.detail.as_deref().unwrap_or_default());
        page.labelled(2, page.style.pick("└ ", "- "), Tone::Quiet, Tone::Quiet, &text);
    }
}

/// The columns that fit.
fn kept(columns: &[usize], room: usize) -> Vec<usize> {
    let mut kept: Vec<usize> = (0..columns.len()).collect();
    for lost in LOSES {
        let used: usize = kept.iter().map(|c| columns[*c] + 2).sum();
        if used <= room {
            break;
        }
        kept.retain(|c| *c != lost);
    }
    kept
}

fn print_row(page: &mut Page<'_>, columns: &[usize], kept: &[usize], cells: &[Cell]) {
    let shown: Vec<Cell> = kept.iter().map(|c| cells[*c].clone()).collect();
    let widths: Vec<usize> = kept.iter().map(|c| columns[*c]).collect();
    let used: usize = widths.iter().skip(1).map(|w| w + 2).sum::<usize>() + 2;
    // On a very narrow terminal even the name must give way.
    let room = page.style.width.saturating_sub(used).max(8).min(widths[0].max(8));
    let mut shown = shown;
    shown[0].0 = cut(&shown[0].0, room, page.style);
    let mut widths = widths;
    widths[0] = room.max(width(&shown[0].0));
    let text = row(page.style, &widths, &shown);
    page.line(&text);
}

fn totals(page: &mut Page<'_>, rows: &[CertificateRow]) {
    let of = |level| rows.iter().filter(|r| r.level == level).count();
    let hosts = rows
        .iter()
        .map(|r| &r.host)
        .collect::<std::collections::BTreeSet<_>>()
        .len();
    let (critical, warning, unknown) = (
        of(CheckLevel::Critical),
        of(CheckLevel::Warning),
        of(CheckLevel::Unknown),
    );
    let mut parts = vec![format!("{} ok", of(CheckLevel::Ok))];
    for (number, word) in [(warning, "warning"), (critical, "critical")] {
        if number > 0 {
            parts.push(format!("{number} {word}"));
        }
    }
    let word = match worst(rows) {
        CheckLevel::Ok => "OK",
        CheckLevel::Unknown => "UNKNOWN",
        CheckLevel::Warning => "WARNING",
        CheckLevel::Critical => "CRITICAL",
    };
    page.blank();
    let unchecked = if unknown > 0 {
        format!("; {} not checked", count(unknown, "host"))
    } else {
        String::new()
    };
    let text = format!("{}: {}{unchecked}", count(hosts, "host"), parts.join(", "));
    page.labelled(0, &format!("{word}: "), tone(worst(rows)), Tone::Plain, &text);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::certificate_rows::{Thresholds, rows};
    use crate::report::fixtures::{NOW, check_facts};

    fn at(width: usize) -> String {
        let rows = rows(&check_facts(), NOW, Thresholds::default());
        certificates_table(&rows, &Style::plain(width))
    }

    #[test]
    fn a_wide_terminal_shows_all_columns() {
        insta::assert_snapshot!(at(120));
    }

    #[test]
    fn a_narrow_terminal_loses_columns_not_lines() {
        let text = at(60);
        assert!(text.lines().all(|l| width(l) <= 60), "{text}");
        insta::assert_snapshot!(text);
    }

    #[test]
    fn residual_time_has_one_unit() {
        let shown = [364 * DAY + 5, 90_000, 3_599, -7_300, -400 * DAY].map(|s| residual(Some(s)));
        assert_eq!(shown, ["364d", "25h", "59m", "expired 2h ago", "expired 400d ago"]);
    }

    #[test]
    fn json_names_its_version_and_level() {
        let rows = rows(&check_facts(), NOW, Thresholds::default());
        let value: serde_json::Value = serde_json::from_str(&certificates_json(&rows, NOW)).unwrap();
        assert_eq!(
            (&value["schema_version"], &value["level"]),
            (&1.into(), &"critical".into())
        );
        assert_eq!(value["certificates"][0]["state"], "ok");
    }
}
