//! Whatever bytes a file, a host or a damaged disk gives: an answer or an error, never a panic. The same readers are fuzzed
//! for longer by `fuzz/run`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use certfleet::config::{ErrorStyle, parse_inventory, parse_playbook};
use certfleet::engine::ledger_line::{decode, encode};
use certfleet::event::{Event, RunState};
use certfleet::probes::kubelet_journal::{GateJournal, classify_stream, parse_line};
use certfleet::remote::known_hosts::HostsFile;
use certfleet::remote::ssh_config::{ConfigSource, SshConfig};
use proptest::prelude::*;

/// One change of a good file.
#[derive(Debug, Clone)]
enum Change {
    Put(prop::sample::Index, Vec<u8>),
    Cut(prop::sample::Index, usize),
    Twice(prop::sample::Index, usize),
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    let odd = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..6),
        prop::sample::select(vec![
            ": ",
            "[",
            "{",
            "- ",
            "\n\n",
            "\t",
            "[1-99999]",
            "!x",
            "%h",
            "\"",
            "|1|",
            "&a *a",
            "\u{feff}",
            "\0",
            "e9"
        ])
        .prop_map(|t| t.as_bytes().to_vec()),
    ];
    let at = any::<prop::sample::Index>;
    let one = prop_oneof![
        (at(), odd).prop_map(|(i, b)| Change::Put(i, b)),
        (at(), 0usize..40).prop_map(|(i, n)| Change::Cut(i, n)),
        (at(), 0usize..200).prop_map(|(i, n)| Change::Twice(i, n)),
    ];
    prop::collection::vec(one, 0..5)
}

fn changed(good: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for change in changes {
        let room = bytes.len() + 1;
        match change {
            Change::Put(at, what) => {
                let at = at.index(room);
                bytes.splice(at..at, what.iter().copied());
            }
            Change::Cut(at, n) => {
                let at = at.index(room);
                bytes.drain(at..(at + n).min(room - 1));
            }
            Change::Twice(at, n) => {
                let at = at.index(room);
                let again = bytes[at..(at + n).min(room - 1)].to_vec();
                bytes.splice(at..at, again);
            }
        }
    }
    bytes
}

/// A changed good file, or any bytes at all.
fn bytes(good: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let mutated = (prop::sample::select(good), changes()).prop_map(|(text, c)| changed(text.as_bytes(), &c));
    prop_oneof![4 => mutated, 1 => prop::collection::vec(any::<u8>(), 0..400)]
}

const INVENTORIES: &[&str] = &[
    include_str!("../inventories/bastion.yaml"),
    include_str!("../inventories/external-etcd.yaml"),
    include_str!("../inventories/ha-stacked.yaml"),
];
const PLAYBOOKS: &[&str] = &[
    include_str!("../playbooks/renew.yaml"),
    include_str!("../playbooks/rolling.yaml"),
];
const JOURNALS: &[&str] = &[
    include_str!("fixtures/journal/formats/forms.txt"),
    include_str!("fixtures/journal/formats/notices.txt"),
];
const KNOWN_HOSTS: &[&str] = &[include_str!("../fuzz/corpus/known_hosts/mixed")];
const SSH_CONFIGS: &[&str] = &[include_str!("../fuzz/corpus/ssh_config/mixed")];
const LEDGERS: &[&str] = &[include_str!("../fuzz/corpus/ledger/events.jsonl")];

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn inventories(bytes in bytes(INVENTORIES)) {
        let text = String::from_utf8_lossy(&bytes);
        if let Err(errors) = parse_inventory(&text, "x.yaml", Path::new("/"), Some(Path::new("/root"))) {
            prop_assert!(!errors.render(ErrorStyle::Plain).is_empty());
        }
    }

    #[test]
    fn playbooks(bytes in bytes(PLAYBOOKS)) {
        if let Err(errors) = parse_playbook(&String::from_utf8_lossy(&bytes), "x.yaml") {
            prop_assert!(!errors.render(ErrorStyle::Plain).is_empty());
        }
    }

    #[test]
    fn journals(bytes in bytes(JOURNALS)) {
        let mut journal = GateJournal::default();
        for (number, line) in (0..).zip(bytes.split(|b| *b == b'\n')) {
            journal.observe(&parse_line(line), Duration::from_secs(number));
        }
        let _ = journal.judge(Duration::from_secs(60), Duration::from_secs(20));
        classify_stream(bytes.as_slice(), |_| {}).expect("memory can be read");
    }

    #[test]
    fn known_hosts(bytes in bytes(KNOWN_HOSTS)) {
        let file = HostsFile::parse(Path::new("known_hosts"), &String::from_utf8_lossy(&bytes));
        for entry in &file.entries {
            let _ = entry.is_about("m1.example.org");
        }
    }

    #[test]
    fn ssh_configs(bytes in bytes(SSH_CONFIGS)) {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("it can be written");
        let nowhere = || PathBuf::from("/nonexistent");
        let config = SshConfig::new(nowhere(), nowhere(), None);
        let _ = futures::executor::block_on(config.options(&ConfigSource::File(file.path().to_owned()), "m1"));
    }

    /// Events in any order and number, also such as no run would write.
    #[test]
    fn ledgers(bytes in bytes(LEDGERS)) {
        let lines = bytes.split(|b| *b == b'\n');
        let events: Vec<Event> = lines.filter_map(|l| serde_json::from_slice(l).ok()).collect();
        for event in &events {
            prop_assert_eq!(decode(encode(event).expect("a line").as_bytes()), Ok(event.clone()));
        }
        let state = RunState::fold(&events);
        let _ = (state.failed_hosts(), state.unsettled().count());
    }
}
