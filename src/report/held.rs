//! What is held back for a moment, to be said once for many hosts: equal outcomes, and what a gate waits for.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::model::{HostName, Outcome};

use super::fold::hosts_and_count;
use super::narrator::{Fact, outcome_words};
use super::style::{Style, Tone};
use super::text::{clean_line, cut, took};

/// How long a fact waits for others like it.
const HOLD: SignedDuration = SignedDuration::from_secs(1);
/// A probe that waits is spoken of at most this often, however many hosts it asks.
const WAIT_PAUSE: SignedDuration = SignedDuration::from_secs(10);

/// Good outcomes, in the order in which the first of each kind came.
#[derive(Debug, Default)]
pub(super) struct Outcomes {
    groups: Vec<Group>,
    since: Option<Timestamp>,
}

#[derive(Debug)]
struct Group {
    word: &'static str,
    tone: Tone,
    title: String,
    what: String,
    hosts: Vec<HostName>,
    longest: Option<Duration>,
}

impl Outcomes {
    /// Keeps one; `title` is the step's.
    pub(super) fn add(&mut self, at: Timestamp, title: String, host: &HostName, outcome: &Outcome, elapsed: Duration) {
        let (word, tone, what) = outcome_words(outcome);
        let elapsed = (!matches!(outcome, Outcome::Skipped { .. })).then_some(elapsed);
        self.since.get_or_insert(at);
        let same = |g: &&mut Group| g.word == word && g.title == title && g.what == what;
        if let Some(group) = self.groups.iter_mut().find(same) {
            group.hosts.push(host.clone());
            group.longest = group.longest.max(elapsed);
        } else {
            self.groups.push(Group {
                word,
                tone,
                title,
                what,
                hosts: vec![host.clone()],
                longest: elapsed,
            });
        }
    }

    /// Whether the oldest has waited long enough.
    pub(super) fn due(&self, now: Timestamp) -> bool {
        self.since.is_some_and(|since| now.duration_since(since) >= HOLD)
    }

    /// All that were kept, equal ones as one fact.
    pub(super) fn take(&mut self) -> Vec<Fact> {
        self.since = None;
        std::mem::take(&mut self.groups).into_iter().map(Group::fact).collect()
    }
}

impl Group {
    fn fact(self) -> Fact {
        let time = match self.longest {
            None => String::new(),
            Some(time) if self.hosts.len() == 1 => format!(" ({})", took(time)),
            Some(time) => format!(" (up to {})", took(time)),
        };
        let text = format!("{} {}: {}{time}", hosts_and_count(&self.hosts), self.title, self.what);
        Fact {
            word: self.word,
            tone: self.tone,
            text: clean_line(&text),
            more: Vec::new(),
        }
    }
}

/// What the open gate waits for, by probe.
#[derive(Debug, Default)]
pub(super) struct Waits {
    open: BTreeMap<String, Wait>,
    said: BTreeMap<String, Timestamp>,
}

#[derive(Debug)]
struct Wait {
    since: Timestamp,
    /// The latest word of each host.
    hosts: BTreeMap<HostName, String>,
}

impl Waits {
    /// Takes in a probe's word about a host.
    pub(super) fn note(&mut self, at: Timestamp, host: &HostName, probe: &str, passed: bool, detail: &str) {
        if !passed {
            let wait = self.open.entry(probe.to_owned()).or_insert_with(|| Wait {
                since: at,
                hosts: BTreeMap::new(),
            });
            wait.hosts.insert(host.clone(), detail.to_owned());
        } else if let Some(wait) = self.open.get_mut(probe) {
            wait.hosts.remove(host);
            if wait.hosts.is_empty() {
                self.open.remove(probe);
            }
        }
    }

    /// What is worth a line now, cut to `room` columns.
    pub(super) fn take_due(&mut self, now: Timestamp, room: usize, style: &Style) -> Vec<Fact> {
        let said = &self.said;
        let due = |probe: &String, wait: &Wait| {
            now.duration_since(wait.since) >= HOLD
                && said
                    .get(probe)
                    .is_none_or(|last| now.duration_since(*last) >= WAIT_PAUSE)
        };
        let ready: Vec<String> = self
            .open
            .iter()
            .filter(|(p, w)| due(p, w))
            .map(|(p, _)| p.clone())
            .collect();
        let mut facts = Vec::new();
        for probe in ready {
            if let Some(wait) = self.open.remove(&probe) {
                facts.push(wait.fact(&probe, room, style));
                self.said.insert(probe, now);
            }
        }
        facts
    }

    /// The gate is over: what it waited for is old.
    pub(super) fn forget(&mut self) {
        self.open.clear();
    }
}

impl Wait {
    /// Hosts that say different things are spoken for by the first of them.
    fn fact(&self, probe: &str, room: usize, style: &Style) -> Fact {
        let hosts: Vec<HostName> = self.hosts.keys().cloned().collect();
        let first = self.hosts.values().next().map_or("", String::as_str);
        let equal = self.hosts.values().all(|d| d == first);
        let speaker = match hosts.first() {
            Some(host) if !equal => format!("; {host} says"),
            _ => String::new(),
        };
        let text = format!("{probe} on {}{speaker}: {first}", hosts_and_count(&hosts));
        Fact {
            word: "waiting",
            tone: Tone::Warn,
            text: cut(&clean_line(&text), room, style),
            more: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_600_000_000 + seconds).unwrap()
    }

    fn host(name: &str) -> HostName {
        HostName::from(name)
    }

    #[test]
    fn a_probe_is_spoken_of_once_in_ten_seconds_for_all_hosts() {
        let (mut waits, style) = (Waits::default(), Style::plain(80));
        for (second, detail) in [(0, "refused"), (2, "still refused"), (11, "not found")] {
            for name in ["m1", "m2"] {
                waits.note(at(second), &host(name), "kubelet-journal", false, detail);
            }
            let told = waits.take_due(at(second + 1), 60, &style);
            let texts: Vec<&str> = told.iter().map(|f| f.text.as_str()).collect();
            match second {
                2 => assert!(texts.is_empty(), "{texts:?}"),
                _ => assert_eq!(texts, [format!("kubelet-journal on m1, m2: {detail}")]),
            }
        }
    }

    #[test]
    fn what_passed_meanwhile_is_not_waited_for() {
        let mut waits = Waits::default();
        waits.note(at(0), &host("w1"), "unit", false, "inactive");
        waits.note(at(0), &host("w2"), "unit", false, "failed");
        waits.note(at(1), &host("w1"), "unit", true, "active");
        let told = waits.take_due(at(2), 60, &Style::plain(80));
        assert_eq!(told[0].text, "unit on w2: failed");
        assert!(waits.take_due(at(20), 60, &Style::plain(80)).is_empty());
    }
}
