//! Hosts into batches: in order, never more at once than the playbook allows, after a few that are smaller still.

use crate::model::HostName;
use crate::model::playbook::Share;

/// Cuts `hosts` into batches. Without a limit all go at once; a percentage is rounded down, but a batch is never empty.
/// `waves` come first; one that is no bigger than the one before it proves nothing new and is passed over.
pub fn batches(hosts: &[HostName], waves: &[Share], max_parallel: Option<Share>) -> Vec<Vec<HostName>> {
    let size = |share: Share| share.at_least_one_of(hosts.len());
    let most = max_parallel.map_or(hosts.len(), size).max(1);
    let (mut cut, mut rest, mut before) = (Vec::new(), hosts, 0);
    for wave in waves.iter().map(|w| size(*w).min(most)) {
        if wave > before && !rest.is_empty() {
            let (batch, more) = rest.split_at(wave.min(rest.len()));
            cut.push(batch.to_vec());
            (rest, before) = (more, wave);
        }
    }
    cut.extend(rest.chunks(most).map(<[HostName]>::to_vec));
    cut
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hosts(total: usize) -> Vec<HostName> {
        (0..total).map(|i| HostName::new(format!("w{i}"))).collect()
    }

    #[test]
    fn waves_grow_from_a_canary_to_all() {
        let waves = [Share::Count(1), Share::Percent(5), Share::Percent(25)];
        let sizes = |total, most| -> Vec<usize> { batches(&hosts(total), &waves, most).iter().map(Vec::len).collect() };
        let all = Some(Share::Percent(100));
        assert_eq!(sizes(100, all), [1, 5, 25, 69]);
        assert_eq!(
            sizes(100, Some(Share::Count(10))),
            [1, 5, 10, 10, 10, 10, 10, 10, 10, 10, 10, 4]
        );
        assert_eq!(sizes(5, all), [1, 4], "a second batch of one proves nothing new");
        assert_eq!(sizes(8, all), [1, 2, 5]);
        assert_eq!((sizes(1, all), sizes(0, all)), (vec![1], vec![]));
    }

    proptest! {
        #[test]
        fn every_host_once_in_order_and_never_too_many(total in 0usize..300, percent in 0u8..=100, canary in 1u32..20) {
            let hosts = hosts(total);
            let cut = batches(&hosts, &[Share::Count(canary)], Some(Share::Percent(percent)));
            prop_assert_eq!(cut.concat(), hosts);
            let limit = (total * usize::from(percent) / 100).max(1);
            prop_assert!(cut.iter().all(|b| !b.is_empty() && b.len() <= limit));
        }
    }
}
