//! Hosts into batches: in order, never more at once than the playbook allows.

use crate::model::HostName;
use crate::model::playbook::Share;

/// Cuts `hosts` into batches. Without a limit all go at once; a percentage is rounded down, but a batch is never empty.
pub fn batches(hosts: &[HostName], max_parallel: Option<Share>) -> Vec<Vec<HostName>> {
    let size = max_parallel
        .map_or(hosts.len(), |share| share.at_least_one_of(hosts.len()))
        .max(1);
    hosts.chunks(size).map(<[HostName]>::to_vec).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_host_once_in_order_and_never_too_many(total in 0usize..300, percent in 0u8..=100) {
            let hosts: Vec<HostName> = (0..total).map(|i| HostName::new(format!("w{i}"))).collect();
            let cut = batches(&hosts, Some(Share::Percent(percent)));
            prop_assert_eq!(cut.concat(), hosts);
            let limit = (total * usize::from(percent) / 100).max(1);
            prop_assert!(cut.iter().all(|b| !b.is_empty() && b.len() <= limit));
        }
    }
}
