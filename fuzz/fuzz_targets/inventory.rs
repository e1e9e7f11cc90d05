//! Any bytes as an inventory: an inventory or errors that can be drawn, never a panic.
#![no_main]

use std::path::Path;

use certfleet::config::{ErrorStyle, parse_inventory};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    if let Err(errors) = parse_inventory(&text, "fuzz.yaml", Path::new("/"), Some(Path::new("/root"))) {
        let _ = errors.render(ErrorStyle::Plain);
    }
});
