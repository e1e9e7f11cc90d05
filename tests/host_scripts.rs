//! The scripts of `docs/reference/host-commands.md`, run for real by every POSIX shell that is here, on a tree of files
//! that looks like a kubeadm host. Programs that a host may have (docker, crictl, systemctl …) are small stubs.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests, outside of #[test] functions"
)]

#[path = "host_scripts/tree.rs"]
mod tree;
#[path = "host_scripts/openssl.rs"]
mod openssl;
#[path = "host_scripts/certificates.rs"]
mod certificates;
#[path = "host_scripts/containers.rs"]
mod containers;
#[path = "host_scripts/parking.rs"]
mod parking;
#[path = "host_scripts/backup.rs"]
mod backup;
#[path = "host_scripts/prune_backups.rs"]
mod prune_backups;
#[path = "host_scripts/facts.rs"]
mod facts;
#[path = "host_scripts/etcd.rs"]
mod etcd;
#[path = "host_scripts/kubelet_client.rs"]
mod kubelet_client;
#[path = "host_scripts/etcd_certificates.rs"]
mod etcd_certificates;
#[path = "host_scripts/etcd_troubles.rs"]
mod etcd_troubles;
#[path = "host_scripts/by_hand.rs"]
mod by_hand;
#[path = "host_scripts/copies.rs"]
mod copies;
#[path = "host_scripts/inspect.rs"]
mod inspect;
#[path = "host_scripts/served.rs"]
mod served;
#[path = "host_scripts/drain.rs"]
mod drain;
#[path = "host_scripts/drain_kubectl.rs"]
mod drain_kubectl;
#[path = "host_scripts/component_health.rs"]
mod component_health;
#[path = "host_scripts/supervise.rs"]
mod supervise;

use certfleet::model::scripts;

#[test]
fn every_script_is_plain_and_says_what_it_is() {
    for script in scripts::ALL {
        assert!(script.text.starts_with("# "), "{} has no header", script.name);
        assert!(script.text.contains("set -u"), "{}", script.name);
        for bashism in ["[[ ", "local ", "function ", "<<<", "echo "] {
            assert!(!script.text.contains(bashism), "{} uses `{bashism}`", script.name);
        }
    }
}
