//! An embedded fleet that behaves like kubeadm hosts.

pub mod machine;

pub use machine::{ExecIo, Machine};
