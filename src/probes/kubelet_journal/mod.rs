//! What a kubelet journal line means for the gate: format parsers, the table of known texts, and the gate's fold.
//!
//! `record` turns any line of any `journalctl -o` form into a [`Record`]; `classify` judges its message with the rows
//! of `table` (whole statements), `scopes` (whose trouble) and `causes` (why); `stream` does so for files of any size
//! and `gate` folds a live journal into one answer. Nothing here does I/O beyond reading the given reader.

mod causes;
mod class;
mod classify;
mod component;
mod elsewhere;
mod facts;
mod gate;
mod json_line;
mod klog;
mod mask;
mod names;
mod phrases;
mod prefix;
mod quotes;
mod record;
mod reflector;
mod remedy;
mod row;
mod scopes;
mod stream;
mod text;

pub use class::{Class, Clears, Effect, Verdict};
pub use classify::{classify, classify_record};
pub use gate::{GateJournal, GateView, NeverClears, Seen};
pub use record::{Kind, Record, parse_line};
pub use row::jsonl_row;
pub use stream::{Classifier, LineVerdict, classify_stream};

#[cfg(test)]
mod tests;
