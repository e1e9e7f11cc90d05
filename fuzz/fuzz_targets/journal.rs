//! Any bytes as journal lines, in every form that the reader takes.
#![no_main]

use std::time::Duration;

use certfleet::probes::kubelet_journal::{GateJournal, classify_stream, parse_line};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut journal = GateJournal::default();
    for (number, line) in (0..).zip(bytes.split(|b| *b == b'\n')) {
        journal.observe(&parse_line(line), Duration::from_secs(number));
    }
    let _ = journal.judge(Duration::from_secs(60), Duration::from_secs(20));
    let _ = classify_stream(bytes, |_| {});
});
