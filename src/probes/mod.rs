//! One question, one file.

pub mod kubelet_journal;
