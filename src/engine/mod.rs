//! Effects in order: gather facts, run a plan, pass gates. The engine obeys the plan; it makes no choice of what to do.

pub mod cancel;
pub mod ledger;
pub mod lock;
pub mod recorder;
