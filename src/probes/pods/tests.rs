//! Pods as the API prints them, and what is to be done about each.

use std::time::Duration;

use super::*;
use crate::model::Output;
use crate::probes::Verdict;
use crate::probes::fixtures::at;
use crate::probes::nodes::NodeFacts;

const GRACE: Duration = Duration::from_secs(180);

fn node(name: &str, ready: bool, changed: &str) -> NodeFacts {
    NodeFacts {
        name: name.to_owned(),
        ready,
        changed: Some(at(changed)),
        message: String::new(),
        addresses: Vec::new(),
        unschedulable: false,
        cordoned_by: None,
    }
}

/// Ready since 18:00; w9 is not Ready; now is 19:00.
fn cure_of(node_name: &str, metadata: &str, status: &str) -> Option<PodFinding> {
    let text = format!(
        r#"{{"items":[{{"metadata":{{"name":"calico-node-x","namespace":"kube-system","creationTimestamp":"2020-01-01T00:00:00Z"{metadata}}},
            "spec":{{{node_name}}},"status":{{{status}}}}}]}}"#
    );
    let pods = parse_pods(&Output::new(0, text, "")).unwrap();
    let nodes = [
        node("w1", true, "2020-11-22T18:00:00Z"),
        node("w2", true, "2020-11-22T18:59:00Z"),
        node("w9", false, "2020-11-22T18:00:00Z"),
    ];
    findings(&pods, "k8s-app=calico-node", &nodes, at("2020-11-22T19:00:00Z"), GRACE).pop()
}

const W1: &str = r#""nodeName":"w1""#;
const CRASH: &str = r#""phase":"Running","containerStatuses":[{"ready":false,"restartCount":18,"state":{"waiting":{"reason":"CrashLoopBackOff"}}}]"#;

fn waiting(reason: &str) -> String {
    format!(
        r#""phase":"Pending","initContainerStatuses":[{{"ready":false,"state":{{"waiting":{{"reason":"{reason}"}}}}}}]"#
    )
}

#[test]
fn what_deletion_cures() {
    let conditions = r#","conditions":[{"type":"Ready","status":"False","lastTransitionTime":"2020-11-22T18:59:30Z"}]"#;
    let table: [(&str, &str, String, &str, &str); 10] = [
        (W1, "", CRASH.to_owned(), "CrashLoopBackOff", "delete"),
        (W1, "", waiting("CrashLoopBackOff"), "Init:CrashLoopBackOff", "delete"),
        (
            W1,
            "",
            r#""phase":"Failed","reason":"Evicted""#.to_owned(),
            "Evicted",
            "delete",
        ),
        (W1, "", waiting("ImagePullBackOff"), "Init:ImagePullBackOff", "leave"),
        ("", "", r#""phase":"Pending""#.to_owned(), "Pending", "leave"),
        (r#""nodeName":"w9""#, "", CRASH.to_owned(), "CrashLoopBackOff", "wait"),
        (r#""nodeName":"w2""#, "", CRASH.to_owned(), "CrashLoopBackOff", "wait"),
        (W1, "", format!("{CRASH}{conditions}"), "CrashLoopBackOff", "wait"),
        (
            W1,
            r#","deletionTimestamp":"2020-11-22T18:30:00Z""#,
            CRASH.to_owned(),
            "Terminating",
            "force",
        ),
        (
            W1,
            r#","deletionTimestamp":"2020-11-22T18:59:00Z""#,
            CRASH.to_owned(),
            "Terminating",
            "wait",
        ),
    ];
    for (node, metadata, status, state, wanted) in table {
        let finding = cure_of(node, metadata, &status).unwrap();
        let cure = match finding.cure {
            Cure::Delete => "delete",
            Cure::ForceDelete => "force",
            Cure::Wait { .. } => "wait",
            Cure::LeaveAlone { .. } => "leave",
        };
        assert_eq!(
            (finding.state.as_str(), cure),
            (state, wanted),
            "{node} {metadata} {status}"
        );
    }
}

#[test]
fn well_pods_are_no_findings() {
    let ready = r#""phase":"Running","conditions":[{"type":"Ready","status":"True"}]"#;
    assert_eq!(cure_of(W1, "", ready), None);
    assert_eq!(cure_of(W1, "", r#""phase":"Succeeded""#), None, "a finished job");
}

#[test]
fn not_ready_without_a_crash_may_be_looking_for_its_peers() {
    let status = |restarts| {
        format!(
            r#""phase":"Running","containerStatuses":[{{"ready":false,"restartCount":{restarts},"state":{{"running":{{}}}}}}]"#
        )
    };
    assert!(matches!(cure_of(W1, "", &status(0)).unwrap().cure, Cure::Wait { .. }));
    assert_eq!(cure_of(W1, "", &status(3)).unwrap().cure, Cure::Delete);
}

#[test]
fn the_gate_wants_daemonsets_ready_and_nothing_stuck() {
    let sets = |ready| {
        let text = format!(
            r#"{{"items":[{{"metadata":{{"name":"calico-node","namespace":"kube-system","generation":2}},
               "status":{{"desiredNumberScheduled":8,"numberReady":{ready},"observedGeneration":2}}}}]}}"#
        );
        parse_daemonsets(&Output::new(0, text, "")).unwrap()
    };
    let stuck = cure_of(W1, "", CRASH).unwrap();
    let hopeless = cure_of(W1, "", &waiting("ImagePullBackOff")).unwrap();
    assert!(judge(&[], &sets(8)).passed());
    assert!(!judge(&[], &sets(7)).passed());
    assert!(!judge(&[stuck], &sets(8)).passed());
    let Verdict::Pass(seen) = judge(&[hopeless], &sets(8)) else {
        panic!("a pod that deletion cannot cure held the gate");
    };
    assert!(seen.contains("left alone: kube-system/calico-node-x"), "{seen}");
}
