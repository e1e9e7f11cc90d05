//! Delete the CNI pods that deletion can cure. Which pods these are is asked when the step runs.

use std::time::Duration;

use crate::model::{Command, Host, Role};

use super::types::{
    Expect, NAMESPACE_PLACEHOLDER, POD_PLACEHOLDER, Planned, PodDeletion, PodQuery, Postcondition, RunContext,
};

/// Asked and done on one master, in the order of `cni.labels`.
pub fn plan(grace: Duration, host: &Host, context: RunContext<'_>) -> Planned {
    let title = "delete stuck CNI pods";
    if host.role != Role::ControlPlane {
        return Planned::skipped(title, "pods are deleted from a master");
    }
    if !context.speaks_for_cluster {
        return Planned::skipped(title, "another master does it for the cluster");
    }
    let deletion = PodDeletion {
        queries: queries(host),
        nodes: host.kubectl(["get", "nodes", "--output=json"]),
        delete: delete(host, &[]),
        force: delete(host, &["--grace-period=0", "--force"]),
        grace,
    };
    let looks = deletion.queries.iter().map(|q| q.pods.clone()).collect();
    Planned::work(
        title,
        looks,
        Postcondition::PodsNotStuck,
        Expect::DeletePods(Box::new(deletion)),
    )
}

/// Label by label, so that typha comes before the nodes' agents.
fn queries(host: &Host) -> Vec<PodQuery> {
    let query = |label: &String| {
        let selector = format!("--selector={label}");
        PodQuery {
            label: label.clone(),
            pods: host.kubectl(["get", "pods", "--all-namespaces", &selector, "--output=json"]),
        }
    };
    host.kubernetes.cni.labels.iter().map(query).collect()
}

fn delete(host: &Host, more: &[&str]) -> Command {
    let namespace = format!("--namespace={NAMESPACE_PLACEHOLDER}");
    let words = ["delete", "pod", POD_PLACEHOLDER, &namespace, "--wait=false"];
    host.kubectl(words.into_iter().chain(more.iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operations::fixtures;

    #[test]
    fn one_master_deletes_label_by_label() {
        let host = fixtures::host("m1", Role::ControlPlane);
        let planned = plan(Duration::from_secs(180), &host, fixtures::context());
        let Expect::DeletePods(deletion) = planned.expect else {
            panic!("another expectation");
        };
        assert_eq!(deletion.queries[0].label, "k8s-app=calico-typha");
        assert_eq!(deletion.queries[1].label, "k8s-app=calico-node");
        assert_eq!(
            deletion.force_command("kube-system", "calico-node-x").words.join(" "),
            "kubectl --kubeconfig=/etc/kubernetes/admin.conf --request-timeout=10s delete pod calico-node-x \
             --namespace=kube-system --wait=false --grace-period=0 --force"
        );
    }

    #[test]
    fn other_hosts_leave_it_to_that_master() {
        let quiet = RunContext {
            speaks_for_cluster: false,
            ..fixtures::context()
        };
        let grace = Duration::from_secs(180);
        assert!(
            plan(grace, &fixtures::host("m2", Role::ControlPlane), quiet)
                .skip
                .is_some()
        );
        assert!(
            plan(grace, &fixtures::host("w1", Role::Worker), fixtures::context())
                .skip
                .is_some()
        );
    }
}
