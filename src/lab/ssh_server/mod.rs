//! An SSH server in front of a [`Machine`](super::Machine): one TCP port per host, all hosts in this process.
//!
//! | file | what it holds |
//! |---|---|
//! | `server` | ports, keys, start and end |
//! | `connection` | one client: login and channel requests |
//! | `channel` | bytes between a channel and a command |
//! | `command` | one exec request, from its line to its exit status |
//! | `shell`, `line_editor` | what `ssh HOST` without a command gets |
//! | `tunnel` | direct-tcpip, as `ssh -L`, `-W` and `-J` ask for |
//! | `severable` | a socket that a test can cut |
//!
//! Absent: sftp, X11, agent forwarding and remote forwarding; each is refused as sshd does when it is off.

mod channel;
mod command;
mod connection;
mod line_editor;
mod server;
mod severable;
mod shell;
mod tunnel;

pub use server::{ServedHost, ServerHandle, ServerOptions, SshServer, StartError};
