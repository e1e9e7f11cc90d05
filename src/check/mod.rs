//! Which process, on which host, uses which certificate, and what breaks next? Pure: inspection in, rows and a diagnosis out.
//!
//! [`rows`] judges every certificate on its own (file, served, held in memory, copied, token); [`diagnose`] says what to do about
//! them, most urgent first, equal troubles of several hosts in one sentence.

mod copies;
mod cure;
mod diagnosis;
mod disk;
mod etcd;
mod findings;
mod grouping;
mod held;
mod inspection;
mod level;
mod names;
mod row;
mod served;
mod surroundings;
mod symptoms;
mod wording;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

pub use cure::Cure;
pub use diagnosis::{Diagnosis, diagnose};
pub use findings::{Findings, HostSummary, examine};
pub use inspection::{FleetInspection, Handshake, Inspection, Via};
pub use level::{Level, Thresholds};
pub use names::dial_targets;
pub use row::{Row, Subject, Verdict};
pub use wording::age;

/// Every certificate of the fleet, judged: host by host in the order of the inventory.
pub fn rows(fleet: &FleetInspection, thresholds: Thresholds) -> Vec<Row> {
    let view = View::new(fleet, thresholds);
    fleet.hosts.iter().flat_map(|host| of_host(&view, host)).collect()
}

/// The worst of everything that was found; nothing found is [`Level::Unknown`], since nothing was proven.
pub fn worst(rows: &[Row], diagnoses: &[Diagnosis]) -> Level {
    let levels = rows.iter().map(|r| r.level).chain(diagnoses.iter().map(|d| d.level));
    levels.max().unwrap_or(Level::Unknown)
}

/// What every judgement needs of the whole fleet.
#[derive(Debug)]
struct View<'a> {
    fleet: &'a FleetInspection,
    thresholds: Thresholds,
    /// Fingerprint of each `apiserver` file: the master that has it.
    api_files: BTreeMap<&'a str, &'a Inspection>,
}

impl<'a> View<'a> {
    fn new(fleet: &'a FleetInspection, thresholds: Thresholds) -> Self {
        let file = |i: &'a Inspection| i.x509("apiserver").map(|x| (x.sha256.as_str(), i));
        Self {
            fleet,
            thresholds,
            api_files: fleet.hosts.iter().filter_map(file).collect(),
        }
    }

    /// The host's own idea of the time: what decides there whether a certificate is valid.
    fn now(&self, host: &Inspection) -> Timestamp {
        let offset = host.facts.clock.map_or(0, |c| c.offset_ms);
        let now = self.fleet.at;
        now.checked_add(SignedDuration::from_millis(offset)).unwrap_or(now)
    }
}

fn of_host(view: &View<'_>, host: &Inspection) -> Vec<Row> {
    if let Some(why) = &host.facts.unreachable {
        return vec![Row::unknown_host(&host.facts.host, why)];
    }
    let mut rows = disk::rows(view, host);
    rows.extend(served::rows(view, host));
    rows.extend(held::rows(host));
    rows.extend(copies::rows(view, host));
    if rows.is_empty() {
        let why = if host.facts.problems.is_empty() {
            "no certificate was found".to_owned()
        } else {
            host.facts.problems.join("; ")
        };
        rows.push(Row::unknown_host(&host.facts.host, &why));
    }
    rows
}
