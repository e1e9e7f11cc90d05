//! How many files this process may have open: as many as the system lets it, since every host of the fleet takes one.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More than any fleet needs; programs that inherit the limit (`ProxyCommand`) may close every number below it.
const ENOUGH: u64 = 65_536;
/// The most that macOS takes, whatever it names as the hard limit.
const MACOS: u64 = 10_240;

/// Raises the soft limit to the hard one. Where that is refused it stays as it is: a fleet that is too large for it is told so.
pub(crate) fn raise_the_limit() {
    let limit = getrlimit(Resource::Nofile);
    for wanted in [ENOUGH, MACOS] {
        let wanted = limit.maximum.map_or(wanted, |hard| hard.min(wanted));
        if limit.current.is_none_or(|now| now >= wanted) {
            return;
        }
        let raised = Rlimit {
            current: Some(wanted),
            maximum: limit.maximum,
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            return;
        }
    }
}
