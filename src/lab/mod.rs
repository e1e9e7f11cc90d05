//! An embedded fleet that behaves like kubeadm hosts.

pub mod files;
pub mod keys;
pub mod machine;
pub mod ssh_server;

pub use files::{LabFiles, LabHost};
pub use machine::{ExecIo, Machine};
pub use ssh_server::{ServerHandle, ServerOptions, SshServer};
