//! A check as one self-contained HTML file: no script, no font, no picture from elsewhere; everything from hosts is escaped.

use minijinja::value::Value;
use minijinja::{Environment, UndefinedBehavior, context};

use crate::check::{Cure, Diagnosis, Findings, Row, Subject};
use crate::model::HostName;

use super::check_words::{expiry, level, place, residual, totals};
use super::fold::hosts_and_count;

/// The name ends in `.html`: that switches the escaping on.
const NAME: &str = "check.html";
const TEMPLATE: &str = include_str!("templates/check.html");

/// The page.
///
/// # Errors
/// A mistake in the template, which the tests would have found.
pub fn check_html(findings: &Findings) -> Result<String, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_template(NAME, TEMPLATE)?;
    environment.get_template(NAME)?.render(context! {
        cluster => &findings.cluster,
        level => level(findings.level),
        level_class => findings.level.as_str(),
        totals => totals(&findings.certificates, findings.hosts.len()),
        checked_at => findings.checked_at.strftime("%Y-%m-%d %H:%M").to_string(),
        version => env!("CARGO_PKG_VERSION"),
        diagnoses => findings.diagnoses.iter().map(diagnosis).collect::<Vec<_>>(),
        blocks => blocks(findings),
    })
}

fn diagnosis(diagnosis: &Diagnosis) -> Value {
    context! {
        level => diagnosis.level.as_str(),
        sentence => &diagnosis.sentence,
        command => matches!(diagnosis.cure, Cure::Command(_)),
        cure => diagnosis.cure.text(),
    }
}

/// What hosts of one table share in a line; what the verdict rests on may differ (which master answered, when a process started).
#[derive(Debug, PartialEq)]
struct Line<'a> {
    name: &'a str,
    place: String,
    expires: String,
    left: String,
    verdict: &'static str,
    level: &'static str,
    detail: Option<&'a str>,
    problem: bool,
}

/// Hosts that read the same, their lines, and the evidence of each line by host.
#[derive(Debug)]
struct Block<'a> {
    hosts: Vec<HostName>,
    lines: Vec<Line<'a>>,
    evidence: Vec<Vec<(Vec<HostName>, &'a str)>>,
}

/// Hosts that read the same are one table.
fn blocks(findings: &Findings) -> Vec<Value> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for host in &findings.hosts {
        let own: Vec<&Row> = findings.certificates.iter().filter(|r| r.host == host.host).collect();
        let lines: Vec<Line<'_>> = own.iter().map(|r| line(r, findings)).collect();
        let at = blocks.iter().position(|b| b.lines == lines).unwrap_or_else(|| {
            let evidence = lines.iter().map(|_| Vec::new()).collect();
            blocks.push(Block {
                hosts: Vec::new(),
                lines,
                evidence,
            });
            blocks.len() - 1
        });
        if let Some(block) = blocks.get_mut(at) {
            block.hosts.push(host.host.clone());
            for (known, row) in block.evidence.iter_mut().zip(own) {
                add(known, evidence(row), &host.host);
            }
        }
    }
    blocks.iter().map(shown).collect()
}

fn add<'a>(known: &mut Vec<(Vec<HostName>, &'a str)>, text: &'a str, host: &HostName) {
    match known.iter_mut().find(|(_, other)| *other == text) {
        Some((hosts, _)) => hosts.push(host.clone()),
        None => known.push((vec![host.clone()], text)),
    }
}

fn line<'a>(row: &'a Row, findings: &Findings) -> Line<'a> {
    Line {
        name: if row.name.is_empty() { "host" } else { &row.name },
        place: place(row),
        expires: expiry(row, findings.checked_at),
        left: residual(row, findings.checked_at),
        verdict: row.verdict.words(),
        level: row.level.as_str(),
        detail: row.detail.as_deref(),
        problem: row.is_problem(),
    }
}

fn evidence(row: &Row) -> &str {
    if row.subject == Subject::File {
        &row.place
    } else {
        &row.evidence
    }
}

fn shown(block: &Block<'_>) -> Value {
    let rows = block.lines.iter().zip(&block.evidence);
    let rows: Vec<Value> = rows
        .map(|(line, evidence)| {
            context! {
                name => line.name, place => &line.place, expires => &line.expires, left => &line.left, verdict => line.verdict,
                level => line.level, detail => line.detail, problem => line.problem, evidence => by_hosts(evidence),
            }
        })
        .collect();
    context! { hosts => hosts_and_count(&block.hosts), rows => rows }
}

/// One text where all hosts agree, else each with its hosts.
fn by_hosts(evidence: &[(Vec<HostName>, &str)]) -> String {
    if let [(_, text)] = evidence {
        return (*text).to_owned();
    }
    let each = evidence
        .iter()
        .map(|(hosts, text)| format!("{}: {text}", hosts_and_count(hosts)));
    each.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::findings;

    #[test]
    fn hosts_that_differ_in_evidence_only_are_one_table() {
        let mut findings = findings();
        let masters = findings.hosts.len();
        for row in &mut findings.certificates {
            row.evidence = format!("seen from {}", row.host);
            row.place = row.place.replace(row.host.as_str(), "x");
        }
        let page = check_html(&findings).unwrap();
        assert!(page.contains("<h3>m2, m3</h3>"), "{masters} hosts: {page}");
        assert!(page.contains("m2: seen from m2; m3: seen from m3"), "{page}");
    }

    #[test]
    fn what_a_host_says_stays_text_and_nothing_is_fetched() {
        let mut findings = findings();
        findings.certificates[0].detail = Some("<script>alert(1)</script>".to_owned());
        let page = check_html(&findings).unwrap();
        assert!(page.contains("&lt;script&gt;") && !page.contains("<script"), "{page}");
        for outside in ["http://", "https://", "url(", "@import", " src=", "<link"] {
            assert!(!page.contains(outside), "{outside}");
        }
        assert!(page.contains("kube-apiserver on m1, m2, m3 serves a certificate that expired 2 h ago"));
        if let Ok(path) = std::env::var("CERTFLEET_TEST_HTML") {
            std::fs::write(path, page).unwrap();
        }
    }
}
