//! Which control-plane containers run, and are they new?

use crate::model::facts::ContainerFacts;
use crate::model::{Command, Output, RuntimeKind, scripts};

use super::error::{ProbeError, text_of};
use super::verdict::Verdict;

const WHAT: &str = "containers";
/// The names kubeadm gives to the containers of its static pods.
pub const CONTROL_PLANE: [&str; 4] = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "etcd"];

/// `certfleet:containers`.
pub fn command(runtime: RuntimeKind) -> Command {
    Command::script(&scripts::CONTAINERS, [runtime.to_string()])
}

/// # Errors
/// The runtime could not be asked (exit status 3: it does not run, or its client is not installed).
pub fn parse(output: &Output) -> Result<Vec<ContainerFacts>, ProbeError> {
    let text = text_of(WHAT, output)?;
    text.lines().map(container).collect()
}

fn container(line: &str) -> Result<ContainerFacts, ProbeError> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [name, id, started] = fields[..] else {
        return Err(ProbeError::format(WHAT, format!("odd line `{line}`")));
    };
    Ok(ContainerFacts {
        name: name.to_owned(),
        id: id.to_owned(),
        started: started.parse().ok(),
    })
}

/// Those of the host's static pods that certfleet watches.
pub fn expected(static_pods: &[String]) -> Vec<&str> {
    CONTROL_PLANE
        .into_iter()
        .filter(|n| static_pods.iter().any(|p| p == n))
        .collect()
}

/// Whether a container of each expected name runs, and none that ran `before`.
pub fn judge(static_pods: &[String], before: &[ContainerFacts], now: &[ContainerFacts]) -> Verdict {
    let old: Vec<&str> = now
        .iter()
        .filter(|c| is_old(c, before))
        .map(|c| c.name.as_str())
        .collect();
    if !old.is_empty() {
        return Verdict::wait(format!("still the container from before: {}", old.join(", ")));
    }
    let expected = expected(static_pods);
    let runs = |name: &&str| now.iter().any(|c| c.name == **name);
    let absent: Vec<&str> = expected.iter().copied().filter(|n| !runs(n)).collect();
    if !absent.is_empty() {
        return Verdict::wait(format!("not running: {}", absent.join(", ")));
    }
    Verdict::pass(format!("{} new containers run", expected.len()))
}

fn is_old(container: &ContainerFacts, before: &[ContainerFacts]) -> bool {
    before.iter().any(|b| b.id == container.id)
}

/// Whether the containers with these ids are gone; without ids, whether none runs at all.
pub fn judge_gone(ids: &[String], now: &[ContainerFacts]) -> Verdict {
    let left = now.iter().filter(|c| ids.is_empty() || ids.contains(&c.id));
    let left: Vec<&str> = left.map(|c| c.name.as_str()).collect();
    if left.is_empty() {
        return Verdict::pass("the old containers are gone");
    }
    Verdict::wait(format!("still running: {}", left.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn containers(ids: &[(&str, &str)]) -> Vec<ContainerFacts> {
        let line = |(name, id): &(&str, &str)| format!("{name}\t{id}\t2020-11-22T19:00:00.5Z\n");
        parse(&Output::new(0, ids.iter().map(line).collect::<String>(), "")).unwrap()
    }

    #[test]
    fn reads_lines_and_says_why_it_cannot() {
        let read = parse(&Output::new(0, "etcd\tabc\t-\n", "")).unwrap();
        assert_eq!((read[0].id.as_str(), read[0].started), ("abc", None));
        let error = parse(&Output::new(3, "", "docker is not running\n")).unwrap_err();
        assert!(error.to_string().contains("docker is not running"));
    }

    #[test]
    fn new_means_none_of_the_old_ids() {
        let pods = ["etcd".to_owned(), "kube-apiserver".to_owned(), "kube-vip".to_owned()];
        let before = containers(&[("etcd", "1"), ("kube-apiserver", "2")]);
        let table = [
            (containers(&[("etcd", "3"), ("kube-apiserver", "4")]), true),
            (containers(&[("etcd", "3"), ("kube-apiserver", "2")]), false),
            (containers(&[("etcd", "3")]), false),
        ];
        for (now, passes) in table {
            assert_eq!(judge(&pods, &before, &now).passed(), passes, "{now:?}");
        }
        assert!(!judge_gone(&["2".to_owned()], &before).passed());
        assert!(judge_gone(&["9".to_owned()], &before).passed());
        assert!(!judge_gone(&[], &before).passed(), "without known ids nothing may run");
    }
}
