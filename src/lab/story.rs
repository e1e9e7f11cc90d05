//! When the certificates of a scenario were made, and when they end.

use jiff::Timestamp;

use super::clock::{DAY, shift};
use super::config::Scenario;

/// Validity of the kubeadm leaves: those in use, and those on disk if they differ.
pub(super) struct Story {
    pub(super) created: Timestamp,
    pub(super) in_use: (Timestamp, Timestamp),
    pub(super) on_disk: Option<(Timestamp, Timestamp)>,
}

impl Story {
    pub(super) fn of(scenario: Scenario, now: Timestamp) -> Self {
        let year = |from: Timestamp| (from, shift(from, 365 * DAY));
        match scenario {
            Scenario::Healthy | Scenario::CalicoToken => {
                let from = shift(now, -165 * DAY);
                Self {
                    created: from,
                    in_use: year(from),
                    on_disk: None,
                }
            }
            Scenario::Expired | Scenario::KubeletExpired | Scenario::KubeletEmbedded => {
                let from = shift(now, -365 * DAY - 3600);
                Self {
                    created: from,
                    in_use: year(from),
                    on_disk: None,
                }
            }
            Scenario::Seed | Scenario::Flaky | Scenario::French => {
                let from = shift(now, -365 * DAY - 7200);
                Self {
                    created: from,
                    in_use: year(from),
                    on_disk: Some(year(shift(now, -146 * DAY))),
                }
            }
        }
    }
}
