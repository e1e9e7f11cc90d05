//! Any bytes as a playbook: a playbook or errors that can be drawn, never a panic.
#![no_main]

use certfleet::config::{ErrorStyle, parse_playbook};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    if let Err(errors) = parse_playbook(&text, "fuzz.yaml") {
        let _ = errors.render(ErrorStyle::Plain);
    }
});
