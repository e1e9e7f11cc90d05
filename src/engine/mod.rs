//! Effects in order: gather facts, run a plan, pass gates. The engine obeys the plan; it makes no choice of what to do.
//!
//! The order of a run is readable in `run`; a phase in `phase`; one step in `step`; a gate in `gate`.

pub mod backups;
pub mod cancel;
pub mod context;
pub mod gather;
pub mod inspect;
pub mod ledger;
pub mod ledger_line;
pub mod runs;
pub mod lease;
pub mod lock;
pub mod recorder;
mod relay;
pub mod made;
pub mod resume;
pub mod run;
mod cni_tokens;
mod typha;
mod approve_serving;
mod attempt;
mod copies;
mod cordon;
mod delete_pods;
mod gate;
pub mod handshake;
pub mod live;
mod in_use;
mod journal_start;
mod journal_watch;
mod looks;
mod phase;
mod quorum;
mod pods_view;
mod redact;
mod said;
mod settle;
mod settle_begun;
mod start_again;
mod supervise;
mod step;

pub use cancel::Cancel;
pub use context::Run;
pub use gather::gather;
pub use handshake::shake;
pub use inspect::inspect;
pub use lease::{Claim, Holder, Lease, LeaseError, Seen};
pub use ledger::{Ledger, LedgerError};
pub use live::look_alive;
pub use lock::{ClusterLock, LockError};
pub use recorder::{Recorder, WallClock};
pub use resume::{carried_over, resume};
pub use run::execute;
pub use runs::RunRecord;
