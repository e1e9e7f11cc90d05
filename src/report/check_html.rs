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

/// Hosts that read the same are one table.
fn blocks(findings: &Findings) -> Vec<Value> {
    let mut blocks: Vec<(Vec<HostName>, Vec<Value>)> = Vec::new();
    for host in &findings.hosts {
        let own = findings.certificates.iter().filter(|r| r.host == host.host);
        let rows: Vec<Value> = own.map(|r| line(r, findings)).collect();
        match blocks.iter_mut().find(|(_, other)| *other == rows) {
            Some((hosts, _)) => hosts.push(host.host.clone()),
            None => blocks.push((vec![host.host.clone()], rows)),
        }
    }
    let block =
        |(hosts, rows): (Vec<HostName>, Vec<Value>)| context! { hosts => hosts_and_count(&hosts), rows => rows };
    blocks.into_iter().map(block).collect()
}

fn line(row: &Row, findings: &Findings) -> Value {
    context! {
        name => if row.name.is_empty() { "host" } else { &row.name },
        place => place(row),
        evidence => if row.subject == Subject::File { &row.place } else { &row.evidence },
        expires => expiry(row, findings.checked_at),
        left => residual(row, findings.checked_at),
        verdict => row.verdict.words(),
        level => row.level.as_str(),
        detail => &row.detail,
        problem => row.is_problem(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::findings;

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
