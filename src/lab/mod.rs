//! An embedded fleet that behaves like kubeadm hosts.
//!
//! [`Lab`] is the handle. Its world is a plain value (`world`) that is moved forward whenever somebody looks
//! (`clock`), so time may be paused. Ways in: [`MemoryFleet`] in tests, an SSH server in `demo` and `lab up`.
//! Commands are answered in `commands/`, one file a program; anything unknown is `not found` (127).

pub mod alarm;
mod asked_key;
mod calico;
mod clock;
mod cni_token;
mod commands;
pub mod config;
mod context;
mod doctor;
mod etcd_files;
mod etcd_peers;
pub mod faults;
mod file_tree;
pub mod files;
mod flaky;
mod fleet;
mod journald;
pub mod keys;
mod klog;
mod kubelet;
mod kubelet_files;
mod listens;
pub mod machine;
mod memory;
mod node;
mod pki;
mod ports;
mod rancher;
mod rng;
mod scenario;
mod scenario_files;
mod scenario_pods;
mod self_signed;
mod shell;
mod speech;
mod speech_of_health;
pub mod ssh_server;
mod serving_requests;
mod static_pods;
pub mod status;
mod story;
mod sudo;
pub mod timings;
pub mod tls;
mod transitions;
mod units;
pub mod variety;
mod workload;
mod world;

#[cfg(test)]
mod tests;

pub use alarm::Alarm;
pub use config::{CalicoTrouble, EtcdKey, LabConfig, Scenario};
pub use faults::{Fault, FaultRule};
pub use files::{LabFiles, LabHost, LabLogin};
pub use fleet::Lab;
pub use machine::{ExecIo, Machine};
pub use memory::MemoryFleet;
pub use pki::LabError;
pub use ssh_server::{ServerHandle, ServerOptions, SshServer};
pub use status::{LabStatus, NodeStatus};
pub use timings::Timings;
pub use variety::{Cni, Distribution};
pub use workload::Workload;
pub use world::HistoryItem;
