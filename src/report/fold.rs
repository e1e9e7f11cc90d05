//! Many host names on one line: the one form, which sentences of a diagnosis share.

pub use crate::model::ranges::{fold_hosts, hosts_and_count, natural_order};
