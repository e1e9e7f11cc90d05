//! A check on the screen: the certificates by host or by certificate, then the diagnosis, then one line of totals.

use crate::check::{Cure, Diagnosis, Findings, Level, Row, Subject};
use crate::model::HostName;

use super::check_words::{expiry, level, place, residual, totals, verdict};
use super::fold::{hosts_and_count, natural_order};
use super::style::{Style, Tone};
use super::table::{Cell, cell, row, widths};
use super::text::{Page, cut, width};

/// What a block of the table is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupBy {
    Host,
    Certificate,
}

/// What is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CheckView {
    pub by: GroupBy,
    /// Leave out what is in order.
    pub only_problems: bool,
}

const TITLES: [&str; 5] = ["", "SEEN", "EXPIRES (UTC)", "LEFT", "VERDICT"];
/// Columns in the order in which a narrow terminal loses them, least needed first.
const LOSES: [usize; 2] = [2, 1];

/// The whole text.
pub fn check_text(findings: &Findings, view: CheckView, style: &Style) -> String {
    let mut page = Page::new(style);
    let shown: Vec<&Row> = findings
        .certificates
        .iter()
        .filter(|r| !view.only_problems || r.is_problem())
        .collect();
    let blocks = match view.by {
        GroupBy::Host => by_host(findings, &shown),
        GroupBy::Certificate => by_certificate(findings, &shown),
    };
    tables(&mut page, view, &blocks);
    diagnosis(&mut page, &findings.diagnoses);
    page.blank();
    let sum = totals(&findings.certificates, findings.hosts.len());
    page.labelled(
        0,
        &format!("{}: ", level(findings.level)),
        tone(findings.level),
        Tone::Plain,
        &sum,
    );
    page.finish()
}

/// A heading, rows below it, and what else is to be said of them.
#[derive(Debug)]
struct Block {
    title: String,
    rows: Vec<Vec<Cell>>,
    notes: Vec<String>,
}

fn cells(first: String, row: &Row, findings: &Findings) -> Vec<Cell> {
    let tone = tone(row.level);
    vec![
        cell(first),
        (place(row), Tone::Quiet),
        cell(expiry(row, findings.checked_at)),
        (
            residual(row, findings.checked_at),
            if row.is_problem() { tone } else { Tone::Plain },
        ),
        (verdict(row), tone),
    ]
}

/// Hosts that read the same are one block.
fn by_host(findings: &Findings, shown: &[&Row]) -> Vec<Block> {
    let mut blocks: Vec<(Vec<HostName>, Block)> = Vec::new();
    for host in &findings.hosts {
        let own: Vec<&&Row> = shown.iter().filter(|r| r.host == host.host).collect();
        if own.is_empty() {
            continue;
        }
        let block = Block {
            title: String::new(),
            rows: own.iter().map(|r| cells(r.name.clone(), r, findings)).collect(),
            notes: own.iter().filter_map(|r| note(&r.name, r)).collect(),
        };
        match blocks
            .iter_mut()
            .find(|(_, b)| b.rows == block.rows && b.notes == block.notes)
        {
            Some((hosts, _)) => hosts.push(host.host.clone()),
            None => blocks.push((vec![host.host.clone()], block)),
        }
    }
    let titled = |(hosts, block): (Vec<HostName>, Block)| Block {
        title: hosts_and_count(&hosts),
        ..block
    };
    blocks.into_iter().map(titled).collect()
}

/// The same certificate of all hosts together; hosts with equal cells share a line.
fn by_certificate(findings: &Findings, shown: &[&Row]) -> Vec<Block> {
    let mut names: Vec<&str> = Vec::new();
    for row in shown {
        if !names.contains(&row.name.as_str()) {
            names.push(&row.name);
        }
    }
    names
        .into_iter()
        .map(|name| one_certificate(findings, shown, name))
        .collect()
}

fn one_certificate(findings: &Findings, shown: &[&Row], name: &str) -> Block {
    let mut lines: Vec<(Vec<HostName>, Vec<Cell>)> = Vec::new();
    let mut notes: Vec<(Vec<HostName>, String)> = Vec::new();
    for row in shown.iter().filter(|r| r.name == name) {
        join(&mut lines, &row.host, cells(String::new(), row, findings));
        if let Some(text) = said(row) {
            join(&mut notes, &row.host, text);
        }
    }
    lines.sort_by(|a, b| {
        a.1[1]
            .0
            .cmp(&b.1[1].0)
            .then_with(|| natural_order(a.0[0].as_str(), b.0[0].as_str()))
    });
    let named = |(hosts, mut cells): (Vec<HostName>, Vec<Cell>)| {
        cells[0] = (hosts_and_count(&hosts), Tone::Host);
        cells
    };
    Block {
        title: if name.is_empty() {
            "not checked".to_owned()
        } else {
            name.to_owned()
        },
        rows: lines.into_iter().map(named).collect(),
        notes: notes
            .into_iter()
            .map(|(hosts, text)| format!("{}: {text}", hosts_and_count(&hosts)))
            .collect(),
    }
}

fn join<T: PartialEq>(all: &mut Vec<(Vec<HostName>, T)>, host: &HostName, value: T) {
    match all.iter_mut().find(|(_, v)| *v == value) {
        Some((hosts, _)) if hosts.contains(host) => {}
        Some((hosts, _)) => hosts.push(host.clone()),
        None => all.push((vec![host.clone()], value)),
    }
}

/// What a problem rests on. A row in order needs no more words than its own.
fn said(row: &Row) -> Option<String> {
    if !row.is_problem() {
        return None;
    }
    match (row.detail.as_deref(), row.subject) {
        (Some(detail), Subject::Held) => Some(format!("{detail} ({})", row.evidence)),
        (Some(detail), _) => Some(detail.to_owned()),
        (None, _) => None,
    }
}

fn note(name: &str, row: &Row) -> Option<String> {
    let text = said(row)?;
    let head = match row.subject {
        Subject::Host => "not checked",
        Subject::Served => row.process.as_deref().unwrap_or(name),
        _ => name,
    };
    Some(format!("{head}: {text}"))
}

fn tables(page: &mut Page<'_>, view: CheckView, blocks: &[Block]) {
    let mut title: Vec<Cell> = TITLES.iter().map(|t| ((*t).to_owned(), Tone::Quiet)).collect();
    let first = if view.by == GroupBy::Host {
        "CERTIFICATE"
    } else {
        "HOSTS"
    };
    first.clone_into(&mut title[0].0);
    let all = std::iter::once(title.as_slice()).chain(blocks.iter().flat_map(|b| b.rows.iter()).map(Vec::as_slice));
    let columns = widths(all);
    let kept = kept(&columns, page.style.width);
    if !blocks.is_empty() {
        print_row(page, &columns, &kept, &title);
    }
    for block in blocks {
        page.blank();
        page.prose(
            0,
            if view.by == GroupBy::Host {
                Tone::Host
            } else {
                Tone::Heading
            },
            &block.title,
        );
        for cells in block.rows.iter().filter(|c| !(c[0].0.is_empty() && c[1].0.is_empty())) {
            print_row(page, &columns, &kept, cells);
        }
        for text in &block.notes {
            page.labelled(2, page.style.pick("└ ", "- "), Tone::Quiet, Tone::Quiet, text);
        }
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
    let mut shown: Vec<Cell> = kept.iter().map(|c| cells[*c].clone()).collect();
    let mut room: Vec<usize> = kept.iter().map(|c| columns[*c]).collect();
    let others: usize = room.iter().skip(1).map(|w| w + 2).sum::<usize>() + 2;
    // On a very narrow terminal even the name must give way.
    let first = page.style.width.saturating_sub(others).max(8).min(room[0].max(8));
    shown[0].0 = cut(&shown[0].0, first, page.style);
    room[0] = first.max(width(&shown[0].0));
    let text = row(page.style, &room, &shown);
    page.line(&text);
}

fn diagnosis(page: &mut Page<'_>, diagnoses: &[Diagnosis]) {
    if diagnoses.is_empty() {
        return;
    }
    page.heading("Diagnosis, most urgent first");
    for (number, diagnosis) in diagnoses.iter().enumerate() {
        let label = format!("{}. ", number + 1);
        page.labelled(0, &label, tone(diagnosis.level), Tone::Plain, &diagnosis.sentence);
        match &diagnosis.cure {
            Cure::Command(line) => page.command(width(&label), line),
            Cure::Manual(text) => page.labelled(width(&label), "by hand: ", Tone::Quiet, Tone::Quiet, text),
        }
    }
}

fn tone(level: Level) -> Tone {
    match level {
        Level::Ok => Tone::Good,
        Level::Unknown | Level::Warning => Tone::Warn,
        Level::Critical => Tone::Bad,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::findings;

    fn at(width: usize, by: GroupBy, only_problems: bool) -> String {
        check_text(&findings(), CheckView { by, only_problems }, &Style::plain(width))
    }

    #[test]
    fn the_seed_by_host() {
        insta::assert_snapshot!(at(110, GroupBy::Host, false));
    }

    #[test]
    fn the_seed_by_certificate_with_problems_only() {
        insta::assert_snapshot!(at(110, GroupBy::Certificate, true));
    }

    #[test]
    fn a_narrow_terminal_loses_columns_not_lines() {
        let text = at(60, GroupBy::Host, false);
        let table = text.split("Diagnosis").next().unwrap_or_default();
        assert!(table.lines().all(|l| width(l) <= 60), "{text}");
        assert!(table.contains("RENEWED, NOT IN USE"), "{text}");
    }
}
