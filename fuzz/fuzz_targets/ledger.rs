//! Any bytes as lines of a ledger, with and without a right checksum: events in any order are folded and reported.
#![no_main]

use certfleet::engine::ledger_line::decode;
use certfleet::event::{Event, RunState};
use certfleet::report::{RunFiles, run_json, run_junit, run_report};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut events = Vec::new();
    for line in bytes.split(|b| *b == b'\n') {
        let _ = decode(line);
        // Past the checksum, which no mutation would get right.
        if let Ok(event) = serde_json::from_slice::<Event>(line) {
            events.push(event);
        }
    }
    let state = RunState::fold(&events);
    let _ = (state.failed_hosts(), state.unsettled().count());
    let told = run_report(&RunFiles {
        events: &events,
        before: None,
        after: None,
        missing: Vec::new(),
    });
    let _ = (run_json(&told), run_junit(&told));
});
