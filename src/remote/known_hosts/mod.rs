//! Who the host is: OpenSSH's known_hosts files (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).
//!
//! An own module because `russh::keys::check_known_hosts` accepts a key listed under `@revoked`, ignores
//! `@cert-authority`, does not see names after a tab, and takes the second of two keys of one type for a changed one.

mod certificate;
mod entry;
mod record;
mod trust;
#[cfg(test)]
mod tests;

pub use entry::{Entry, HostsFile, Marker, NamePattern};
pub use trust::{HostId, KnownHosts};
