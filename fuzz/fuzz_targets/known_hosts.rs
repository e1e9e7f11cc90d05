//! Any bytes as a `known_hosts` file, asked about a host.
#![no_main]

use std::path::Path;

use certfleet::remote::known_hosts::HostsFile;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let file = HostsFile::parse(Path::new("known_hosts"), &String::from_utf8_lossy(bytes));
    for entry in &file.entries {
        let _ = (entry.is_about("m1.example.org"), entry.is_about("[10.0.0.1]:2222"));
    }
});
