//! Nouns without I/O: what every other layer speaks about.
//!
//! Nothing here reads a clock, a file or a socket. Serialised forms are part of the ledger and of `--output json`,
//! so a renamed field is a format change.

pub mod ids;
pub mod duration;
pub mod shell_words;
pub mod ranges;
pub mod host;
pub mod host_words;
pub mod inventory;
pub mod selector;
pub mod playbook;
pub mod gate;
pub mod command;
pub mod scripts;
pub mod certificate;
pub mod facts;
pub mod live;
pub mod node_identity;
pub mod shape;
pub mod outcome;
pub mod exit;
pub mod mask;

pub use certificate::{CertificateBefore, CertificateFact, CertificateState, KeyMatch, X509Facts};
pub use command::{Command, ExitStatus, Output, RunAs};
pub use facts::{Clock, HostFacts, RuntimeKind, UnitFacts};
pub use gate::{Gate, ProbeSpec};
pub use host::{BecomeSettings, Host, KubernetesSettings, Role, SshSettings};
pub use ids::{HostName, RunId};
pub use inventory::Inventory;
pub use live::{CertificateInUse, Health, LiveFacts, NodeObject, ServedElsewhere, Use};
pub use mask::mask;
pub use outcome::{Outcome, SkipReason};
pub use playbook::{Operation, Phase, Playbook};
pub use selector::Selector;
