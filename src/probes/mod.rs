//! One question, one file: a command, the parser of its answer, and what the answer means for a gate. Pure.

pub mod error;
pub mod verdict;
pub mod clock;
pub mod units;
pub mod uptime;
pub mod host_facts;
pub mod x509;
pub mod certificates_on_disk;
pub mod served;
pub mod endpoint;
pub mod containers;
pub mod etcd;
pub mod api_server;
pub mod leases;
pub mod nodes;
pub mod cordon;
pub mod component_health;
pub mod pods;
pub mod journal_cursor;
pub mod kubeadm_renew;
pub mod cni_token;
pub mod kubelet_journal;
pub mod surroundings;
pub mod serving_requests;
pub mod signing_request;
pub mod serving_approval;
pub mod kubelet_client;
pub mod relayed;
pub mod typha;
pub mod recent_journal;

#[cfg(test)]
pub(crate) mod fixtures;

pub use error::ProbeError;
pub use verdict::Verdict;
