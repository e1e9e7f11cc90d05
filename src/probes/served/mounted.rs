//! kube-vip and its like authenticate with a kubeconfig of kubeadm's, read once at their start.

use jiff::SignedDuration;

use super::{Evidence, InUse, InUseRow};
use crate::model::HostFacts;
use crate::probes::surroundings::{MountFacts, Surroundings};

/// The program whose processes `certfleet:inspect` lists beside the control plane's.
const PROGRAM: &str = "kube-vip";
/// /proc tells the start to the second, after rounding twice.
const ROUNDING: SignedDuration = SignedDuration::from_secs(2);

/// Whether a host has such a pod at all: only then is it worth another question.
pub fn applies(facts: &HostFacts) -> bool {
    facts.static_pods.iter().any(|pod| pod.contains(PROGRAM))
}

/// Each kubeconfig of kubeadm's that such a pod mounts, against the age of its process.
pub fn rows(facts: &HostFacts, around: &Surroundings) -> Vec<InUseRow> {
    let mounts = around.mounts.iter().filter(|m| m.pod.contains(PROGRAM));
    mounts.filter_map(|m| row(facts, around, m)).collect()
}

fn row(facts: &HostFacts, around: &Surroundings, mount: &MountFacts) -> Option<InUseRow> {
    let file = facts.certificates.iter().find(|c| c.path == mount.path)?;
    let mine = around.processes.iter().filter(|p| p.name == PROGRAM);
    let started = mine.map(|p| p.started).min();
    let verdict = match (started, file.modified) {
        (None, _) => InUse::Down,
        (Some(_), None) => InUse::Unknown("the age of the file is not known".to_owned()),
        (Some(started), Some(modified)) if modified.duration_since(started) > ROUNDING => InUse::Stale(format!(
            "the process runs since {started}, the file was written at {modified}"
        )),
        _ => InUse::Current,
    };
    Some(InUseRow {
        process: mount.pod.clone(),
        certificate: Some(file.name.clone()),
        verdict,
        evidence: Evidence::ProcessAge,
        served: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probes::fixtures::{at, on_disk};
    use crate::probes::surroundings::ProcessFacts;

    #[test]
    fn an_older_kube_vip_holds_the_old_kubeconfig() {
        let mut facts = HostFacts::unknown("m1".into());
        assert!(!applies(&facts));
        facts.static_pods = vec!["kube-vip".to_owned()];
        assert!(applies(&facts));
        let mut admin = on_disk("admin.conf", "2", "2021-11-22T00:00:00Z", "2020-11-22T18:00:00Z");
        admin.path = "/etc/kubernetes/admin.conf".to_owned();
        facts.certificates = vec![admin];
        let mut around = Surroundings::default();
        for (pod, path) in [
            ("kube-vip", "/etc/kubernetes/admin.conf"),
            ("haproxy", "/etc/kubernetes/admin.conf"),
        ] {
            around.mounts.push(MountFacts {
                pod: pod.to_owned(),
                path: path.to_owned(),
            });
        }
        let mut verdict = |started: Option<&str>| {
            around.processes = started.map_or_else(Vec::new, |s| {
                vec![ProcessFacts {
                    name: "kube-vip".to_owned(),
                    pid: 7,
                    started: at(s),
                }]
            });
            let mut rows = rows(&facts, &around);
            assert_eq!(rows.len(), 1);
            rows.remove(0).verdict
        };
        assert_eq!(verdict(Some("2020-11-22T18:00:30Z")), InUse::Current);
        assert!(matches!(verdict(Some("2020-01-01T00:00:00Z")), InUse::Stale(_)));
        assert_eq!(verdict(None), InUse::Down);
    }
}
