//! One question, one file: a command, the parser of its answer, and what the answer means for a gate. Pure.

pub mod error;
pub mod verdict;
pub mod kubelet_journal;

pub use error::ProbeError;
pub use verdict::Verdict;
