//! Equal symptoms of several hosts, and several certificates of the same hosts, become one.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::model::HostName;
use crate::model::ranges::{hosts_and_count, natural_order};

use super::cure::Cure;
use super::level::Level;
use super::symptoms::{Kind, Symptom};

/// Symptoms that are said in one sentence.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) kind: Kind,
    pub(super) level: Level,
    pub(super) hosts: Vec<HostName>,
    pub(super) subjects: Vec<String>,
    pub(super) detail: String,
    pub(super) when: Vec<Timestamp>,
    pub(super) renewed: Vec<Timestamp>,
    pub(super) cure: Cure,
}

impl Group {
    /// As in tables: `m1`, `m1, m2, m3`, `worker[001-300] (300)`.
    pub(super) fn folded(&self) -> String {
        hosts_and_count(&self.hosts)
    }
}

/// First by subject, so that hosts are folded; then by hosts, so that subjects are.
pub(super) fn group(symptoms: Vec<Symptom>) -> Vec<Group> {
    let mut by_subject: BTreeMap<(Kind, Level, String, String, Cure), Vec<Symptom>> = BTreeMap::new();
    for s in symptoms {
        let key = (s.kind, s.level, s.subject.clone(), s.detail.clone(), s.cure.clone());
        by_subject.entry(key).or_default().push(s);
    }
    let mut by_hosts: BTreeMap<(Kind, Level, Vec<HostName>, String, Cure), Group> = BTreeMap::new();
    for ((kind, level, subject, detail, cure), symptoms) in by_subject {
        let hosts = hosts(&symptoms);
        let key = (kind, level, hosts.clone(), detail.clone(), cure.clone());
        let group = by_hosts.entry(key).or_insert_with(|| Group {
            kind,
            level,
            hosts,
            subjects: Vec::new(),
            detail,
            when: Vec::new(),
            renewed: Vec::new(),
            cure,
        });
        group.subjects.push(subject);
        group.when.extend(symptoms.iter().filter_map(|s| s.when));
        group.renewed.extend(symptoms.iter().filter_map(|s| s.renewed));
    }
    by_hosts.into_values().collect()
}

fn hosts(symptoms: &[Symptom]) -> Vec<HostName> {
    let unique: BTreeSet<HostName> = symptoms.iter().map(|s| s.host.clone()).collect();
    let mut hosts: Vec<HostName> = unique.into_iter().collect();
    hosts.sort_by(|a, b| natural_order(a.as_str(), b.as_str()));
    hosts
}
