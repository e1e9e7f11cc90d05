//! Any bytes as an `ssh_config`, resolved for a host. `Include` may name files: it is run in an empty place.
#![no_main]

use std::path::PathBuf;

use certfleet::remote::ssh_config::{ConfigSource, SshConfig};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let file = PathBuf::from(format!("/dev/shm/certfleet-fuzz-{}", std::process::id()));
    if std::fs::write(&file, bytes).is_ok() {
        let config = SshConfig::new(PathBuf::from("/nonexistent"), PathBuf::from("/nonexistent"), None);
        let _ = futures::executor::block_on(config.options(&ConfigSource::File(file), "m1.example.org"));
    }
});
