//! `~/.ssh/config` as OpenSSH reads it (ssh_config(5)), for the options that matter to us.
//!
//! Our own reader answers when it can, since a process per host is dear (80 ms each on a small machine). A file with
//! `Match`, `CanonicalizeHostname` or tokens of which we know nothing is given to `ssh -G`, once per host; without an
//! OpenSSH client such a file is an error, never a guess.

mod file;
mod openssh;
mod resolve;
#[cfg(test)]
mod tests;

pub(in crate::remote) use resolve::expand_home;
pub use resolve::{ConfigSource, HostOptions, SshConfig};
