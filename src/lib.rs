//! certfleet renews the certificates of a kubeadm fleet and restarts it in the order that recovers an expired cluster.
//!
//! The modules, in layer order; imports go down only (`tests/architecture.rs` checks it):
//!
//! | layer | module | what it holds |
//! |---|---|---|
//! | 0 | [`model`] | nouns without I/O: hosts, inventory, playbook, commands, facts, certificates |
//! | 1 | [`config`] | YAML files to model, with errors that name file, line and remedy |
//! | 1 | [`operations`] | one deed, one file: host facts to commands plus a postcondition |
//! | 1 | [`probes`] | one question, one file: a command and the parser of its answer |
//! | 2 | [`plan`] | decisions: a pure function of inventory, playbook, facts and time |
//! | 2 | [`check`] | judgements: which process uses which certificate, and what breaks next |
//! | 3 | [`event`] | what happened, and the one fold over it |
//! | 4 | [`remote`] | the wire: SSH, known hosts, sudo, tunnels |
//! | 5 | [`engine`] | effects in order: gather, run, gate, ledger, lock |
//! | 6 | [`report`] | text out: plan, progress, summary, tables, JSON |
//! | 6 | [`lab`] | an embedded fleet that behaves like kubeadm hosts |
//! | 7 | [`cli`] | the person: arguments, errors, exit codes |

pub mod model;
pub mod config;
pub mod operations;
pub mod probes;
pub mod plan;
pub mod check;
pub mod event;
pub mod remote;
pub mod engine;
pub mod report;
pub mod lab;
pub mod cli;
