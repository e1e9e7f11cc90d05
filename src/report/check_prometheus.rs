//! A check for `node_exporter`'s textfile collector: the exposition format of Prometheus, version 0.0.4.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::check::{Findings, Level, Row, Subject, Verdict};

/// The whole file.
pub fn check_prometheus(findings: &Findings) -> String {
    let mut out = Metrics {
        cluster: &findings.cluster,
        text: String::new(),
    };
    out.family("certfleet_check_timestamp_seconds", "When the fleet was checked.");
    out.sample(
        "certfleet_check_timestamp_seconds",
        &[],
        &findings.checked_at.as_second().to_string(),
    );
    out.family(
        "certfleet_check_level",
        "The worst finding: 0 ok, 1 warning, 2 critical, 3 unknown.",
    );
    out.sample("certfleet_check_level", &[], level(findings.level));
    hosts(&mut out, findings);
    ends(&mut out, &findings.certificates);
    levels(&mut out, &findings.certificates);
    in_use(&mut out, &findings.certificates);
    out.text
}

struct Metrics<'a> {
    cluster: &'a str,
    text: String,
}

impl Metrics<'_> {
    fn family(&mut self, name: &str, help: &str) {
        let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} gauge");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: &str) {
        let _ = write!(self.text, "{name}{{cluster=\"{}\"", escape(self.cluster));
        for (key, text) in labels {
            let _ = write!(self.text, ",{key}=\"{}\"", escape(text));
        }
        let _ = writeln!(self.text, "}} {value}");
    }
}

/// As exit codes of monitoring plugins.
fn level(level: Level) -> &'static str {
    match level {
        Level::Ok => "0",
        Level::Warning => "1",
        Level::Critical => "2",
        Level::Unknown => "3",
    }
}

fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn hosts(out: &mut Metrics<'_>, findings: &Findings) {
    out.family("certfleet_host_up", "1 when the host could be asked.");
    for host in &findings.hosts {
        out.sample(
            "certfleet_host_up",
            &[("host", host.host.as_str())],
            if host.reachable { "1" } else { "0" },
        );
    }
    out.family("certfleet_clock_offset_seconds", "The host's clock minus ours.");
    for host in &findings.hosts {
        if let Some(offset) = host.clock_offset_ms {
            let sign = if offset < 0 { "-" } else { "" };
            let size = offset.unsigned_abs();
            out.sample(
                "certfleet_clock_offset_seconds",
                &[("host", host.host.as_str())],
                &format!("{sign}{}.{:03}", size / 1000, size % 1000),
            );
        }
    }
}

/// Labels of a row. Two rows of one host may differ in the place only.
fn labels(row: &Row) -> [(&'static str, &str); 5] {
    [
        ("host", row.host.as_str()),
        ("name", &row.name),
        ("source", row.subject.as_str()),
        ("process", row.process.as_deref().unwrap_or_default()),
        ("place", &row.place),
    ]
}

fn ends(out: &mut Metrics<'_>, rows: &[Row]) {
    out.family(
        "certfleet_certificate_not_after_seconds",
        "notAfter, seconds since the epoch.",
    );
    for row in rows {
        if let Some(end) = row.not_after {
            out.sample(
                "certfleet_certificate_not_after_seconds",
                &labels(row),
                &end.as_second().to_string(),
            );
        }
    }
}

fn levels(out: &mut Metrics<'_>, rows: &[Row]) {
    out.family(
        "certfleet_certificate_level",
        "The verdict on one certificate: 0 ok, 1 warning, 2 critical, 3 unknown.",
    );
    for row in rows.iter().filter(|r| r.subject != Subject::Host) {
        let mut all = labels(row).to_vec();
        all.push(("verdict", row.verdict.as_str()));
        out.sample("certfleet_certificate_level", &all, level(row.level));
    }
}

/// One number per process and certificate; a port and the memory of one process count together.
fn in_use(out: &mut Metrics<'_>, rows: &[Row]) {
    let mut used: BTreeMap<(&str, &str, &str), bool> = BTreeMap::new();
    for row in rows
        .iter()
        .filter(|r| matches!(r.subject, Subject::Served | Subject::Held) && r.verdict != Verdict::Unknown)
    {
        let key = (
            row.host.as_str(),
            row.process.as_deref().unwrap_or_default(),
            row.name.as_str(),
        );
        *used.entry(key).or_insert(true) &= row.verdict != Verdict::RenewedNotInUse;
    }
    out.family(
        "certfleet_certificate_in_use",
        "0 when the file is newer than what the process uses.",
    );
    for ((host, process, name), current) in used {
        let labels = [("host", host), ("process", process), ("name", name)];
        out.sample("certfleet_certificate_in_use", &labels, if current { "1" } else { "0" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixtures::findings;
    use std::collections::BTreeSet;

    #[test]
    fn a_scraper_can_read_it() {
        let text = check_prometheus(&findings());
        let mut series = BTreeSet::new();
        let mut family = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                family = rest.trim_end_matches(" gauge");
            }
            if line.starts_with('#') {
                continue;
            }
            let (head, value) = line.rsplit_once("} ").expect("labels and a value");
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(head.starts_with(family), "families must not be mixed: {line}");
            assert!(series.insert(head.to_owned()), "twice: {line}");
        }
        assert!(text.contains("certfleet_certificate_in_use{cluster=\"prod\",host=\"m1\",process=\"kube-apiserver\",name=\"apiserver\"} 0"), "{text}");
        assert!(text.contains("certfleet_check_level{cluster=\"prod\"} 2"));
    }

    #[test]
    fn quotes_and_backslashes_stay_inside_their_label() {
        assert_eq!(escape("a\"b\\c\nd"), "a\\\"b\\\\c\\nd");
    }
}
