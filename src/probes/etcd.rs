//! Does the etcd member of this host answer, and has its cluster quorum?

use serde::Deserialize;

use crate::model::{Command, Host, HostFacts, Output, Role, scripts};

use super::error::{ProbeError, text_of};
use super::verdict::Verdict;

const WHAT: &str = "etcd";

/// What the member says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EtcdAnswer {
    /// A linearizable read succeeded: only with quorum. `None`: nobody answered.
    pub healthy: Option<bool>,
    pub members: Vec<EtcdMember>,
    /// What could not be had, in curl's words.
    pub errors: Vec<String>,
}

/// A member as the cluster lists it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EtcdMember {
    /// Empty until the member has joined.
    #[serde(default)]
    pub name: String,
    #[serde(default, rename = "clientURLs")]
    pub client_urls: Vec<String>,
    #[serde(default, rename = "isLearner")]
    pub learner: bool,
}

/// `health` is `"true"` up to etcd 3.x gateways of all ages; some write a boolean.
#[derive(Deserialize)]
struct Health {
    health: serde_json::Value,
}

#[derive(Deserialize)]
struct Members {
    members: Vec<EtcdMember>,
}

/// Whether the host has a member at all: a master with external etcd has none, and would be asked for ever.
pub fn applies(host: &Host, facts: &HostFacts) -> bool {
    let unknown = facts.static_pods.is_empty();
    host.role == Role::Etcd
        || facts.static_pods.iter().any(|p| p == "etcd")
        || (unknown && host.role == Role::ControlPlane)
}

/// `certfleet:etcd-health`.
pub fn command(host: &Host) -> Command {
    Command::script(&scripts::ETCD_HEALTH, [host.kubernetes.cert_dir.as_str()])
}

/// # Errors
/// The script did not run, or a body is not JSON.
pub fn parse(output: &Output) -> Result<EtcdAnswer, ProbeError> {
    let text = text_of(WHAT, output)?;
    let mut answer = EtcdAnswer::default();
    for (key, body) in text.lines().filter_map(|l| l.split_once('\t')) {
        match key {
            "health" => {
                let health: Health = serde_json::from_str(body).map_err(|e| ProbeError::format(WHAT, e))?;
                answer.healthy = Some(health.health == "true" || health.health == true);
            }
            "members" => {
                let members: Members = serde_json::from_str(body).map_err(|e| ProbeError::format(WHAT, e))?;
                answer.members = members.members;
            }
            "error" => answer.errors.push(body.to_owned()),
            _ => {}
        }
    }
    Ok(answer)
}

impl EtcdAnswer {
    /// How many voting members must answer; `None` when the members are not known.
    pub fn quorum(&self) -> Option<usize> {
        let voters = self.members.iter().filter(|m| !m.learner).count();
        (voters > 0).then_some(voters / 2 + 1)
    }
}

/// Whether the member answers and has quorum.
pub fn judge(answer: &EtcdAnswer) -> Verdict {
    match answer.healthy {
        Some(true) => Verdict::pass(healthy(answer)),
        Some(false) => Verdict::wait("etcd answers but has no quorum: more members must come back"),
        None => Verdict::wait(format!("etcd does not answer: {}", answer.errors.join("; "))),
    }
}

fn healthy(answer: &EtcdAnswer) -> String {
    answer.quorum().map_or_else(
        || "etcd is healthy".to_owned(),
        |quorum| format!("etcd is healthy, {} members, quorum {quorum}", answer.members.len()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> EtcdAnswer {
        parse(&Output::new(0, text, "")).unwrap()
    }

    #[test]
    fn a_master_with_external_etcd_is_not_asked() {
        let master = crate::probes::fixtures::host("m1", Role::ControlPlane);
        let mut facts = HostFacts::unknown("m1".into());
        assert!(
            applies(&master, &facts),
            "unknown static pods are no reason to skip a question"
        );
        facts.static_pods = vec!["kube-apiserver".to_owned()];
        assert!(!applies(&master, &facts));
    }

    #[test]
    fn health_decides_and_members_explain() {
        let members = r#"{"header":{"raft_term":"4"},"members":[{"ID":"1","name":"m1","clientURLs":["https://10.0.0.1:2379"]},{"ID":"2","name":"m2"},{"ID":"3","name":"m3"}]}"#;
        let good = read(&format!("health\t{{\"health\":\"true\"}}\nmembers\t{members}\n"));
        assert_eq!(good.quorum(), Some(2));
        assert_eq!(judge(&good), Verdict::pass("etcd is healthy, 3 members, quorum 2"));
        assert!(judge(&read("health\t{\"health\":true,\"reason\":\"\"}\n")).passed());
        assert!(!judge(&read("health\t{\"health\":\"false\"}\nerror\tmembers: timeout\n")).passed());
        let dead = judge(&read("error\thealth: curl: (7) Failed to connect\n"));
        assert!(dead.seen().contains("(7)"), "{dead:?}");
        assert!(parse(&Output::new(0, "health\t<html>\n", "")).is_err());
    }
}
