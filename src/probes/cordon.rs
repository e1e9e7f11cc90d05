//! Is a node cordoned, and by whom; what came of draining it and of letting it back (`certfleet:drain`).

use std::collections::BTreeSet;

use crate::model::{Output, RunId};

use super::error::{ProbeError, text_of};
use super::verdict::Verdict;

const WHAT: &str = "cordon";

/// Where a run leaves its mark on a node that it cordons.
pub(super) const CORDONED_BY: &str = "certfleet.io/cordoned-by";
/// And on one that it has emptied.
const DRAINED_BY: &str = "certfleet.io/drained-by";

/// How a person opens nodes, names with spaces between them: a mark that stays would make a later cordon of theirs ours.
pub fn by_hand(nodes: &str) -> String {
    format!("`kubectl uncordon {nodes}`, then {}", unmark_by_hand(nodes))
}

/// How a person takes the marks away.
pub fn unmark_by_hand(nodes: &str) -> String {
    format!("`kubectl annotate node {nodes} {CORDONED_BY}- {DRAINED_BY}-`")
}

/// What `certfleet:drain look` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CordonFacts {
    pub cordoned: bool,
    /// The run whose mark is on the cordon; `None` = nobody's, or a person's.
    pub by: Option<String>,
    /// The run that drained it.
    pub drained_by: Option<String>,
}

/// # Errors
/// The API did not answer, or not with a node.
pub fn parse_look(output: &Output) -> Result<CordonFacts, ProbeError> {
    let text = text_of(WHAT, output)?;
    let fields: Vec<&str> = text.trim_end().split('\t').collect();
    let mark = |word: &str| (word != "-").then(|| word.to_owned());
    match fields.as_slice() {
        [state @ ("cordoned" | "schedulable"), by, drained] => Ok(CordonFacts {
            cordoned: *state == "cordoned",
            by: mark(by),
            drained_by: mark(drained),
        }),
        _ => Err(ProbeError::format(WHAT, text.trim())),
    }
}

/// Emptied by this run, and still closed.
pub fn judge_drained(facts: &CordonFacts, run: &RunId) -> Verdict {
    let ours = facts.drained_by.as_deref() == Some(run.as_str());
    match (facts.cordoned, ours) {
        (true, true) => Verdict::pass("the node is cordoned and drained"),
        (true, false) => Verdict::wait("the node is cordoned, but not drained"),
        (false, _) => Verdict::wait("the node takes pods"),
    }
}

/// Nothing of ours is left on it.
pub fn judge_released(facts: &CordonFacts) -> Verdict {
    match (&facts.by, &facts.drained_by) {
        (None, None) if facts.cordoned => Verdict::pass("the node stays cordoned: it was before, not by certfleet"),
        (None, None) => Verdict::pass("the node takes pods"),
        _ => Verdict::wait("the node is still cordoned by certfleet"),
    }
}

/// What `certfleet:drain drain`, `uncordon` and `unmark` left behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Drained, under our cordon.
    Ours,
    /// Drained, under the cordon that was there before.
    Theirs,
    /// It takes pods again: our cordon was undone.
    Lifted,
    /// It takes pods; nothing had to be undone.
    Open,
    /// Cordoned, not by us.
    Kept,
    /// Nothing was asked of it.
    Untouched,
    /// Nothing was asked of it, since it is not Ready.
    Unready,
    /// Marks were taken away, and nothing else.
    Unmarked,
    /// Our cordon is still on it, or may be.
    StillOurs,
}

/// The script's last word; what it did not say may be the worst.
pub fn left(output: &Output) -> Left {
    let text = output.stdout_text();
    let words = text.lines().rev().filter_map(|line| line.split_once('\t'));
    let state = words.into_iter().find_map(|word| match word {
        ("drained", "ours") => Some(Left::Ours),
        ("drained", "theirs") => Some(Left::Theirs),
        ("uncordoned", _) => Some(Left::Lifted),
        ("schedulable", _) => Some(Left::Open),
        ("kept", _) => Some(Left::Kept),
        ("untouched", _) => Some(Left::Untouched),
        ("unready", _) => Some(Left::Unready),
        ("unmarked", _) => Some(Left::Unmarked),
        ("cordoned", _) => Some(Left::StillOurs),
        _ => None,
    });
    state.unwrap_or(Left::StillOurs)
}

/// Pods that kubectl says are evicted.
pub fn evicted(output: &Output) -> usize {
    let text = output.stdout_text();
    text.lines()
        .filter(|l| l.starts_with("pod/") && l.trim_end().ends_with(" evicted"))
        .count()
}

/// Why a drain did not come to its end: pods that a disruption budget keeps, those that may not be evicted, else kubectl's
/// last word.
pub fn refusal(output: &Output) -> String {
    let text = output.stderr_text();
    let kept = kept_by_budget(&text, &output.stdout_text());
    if !kept.is_empty() {
        let verb = if kept.len() == 1 { "its" } else { "their" };
        return format!("a disruption budget keeps {} on {verb} node", kept.join(", "));
    }
    let refused: BTreeSet<&str> = text.lines().filter_map(|l| at(l, "cannot delete ")).collect();
    if !refused.is_empty() {
        return refused.into_iter().collect::<Vec<_>>().join("; ");
    }
    let unended: BTreeSet<&str> = text
        .lines()
        .filter_map(|l| at(l, "error when waiting for pod"))
        .collect();
    if !unended.is_empty() {
        return unended.into_iter().collect::<Vec<_>>().join("; ");
    }
    output.last_line()
}

fn at<'a>(line: &'a str, mark: &str) -> Option<&'a str> {
    line.find(mark).map(|i| {
        line[i..]
            .trim_end_matches(']')
            .trim_end_matches(", continuing command...")
            .trim()
    })
}

/// `error when evicting pods/"web-1" -n "shop" (will retry after 5s): Cannot evict pod as it would violate the pod's
/// disruption budget.`; kubectl up to 1.17 says `pod "web-1"`, without a namespace. One that went later is not named.
fn kept_by_budget(errors: &str, told: &str) -> Vec<String> {
    let budget = errors
        .lines()
        .filter(|l| l.contains("error when evicting") && l.contains("disruption budget"));
    let mut kept: BTreeSet<String> = BTreeSet::new();
    for line in budget {
        let mut quoted = line.split('"').skip(1).step_by(2);
        let (Some(name), namespace) = (quoted.next(), quoted.next()) else {
            continue;
        };
        if !told.lines().any(|l| l.trim_end() == format!("pod/{name} evicted")) {
            kept.insert(namespace.map_or_else(|| name.to_owned(), |n| format!("{n}/{name}")));
        }
    }
    kept.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(text: &str) -> CordonFacts {
        parse_look(&Output::new(0, text, "")).unwrap()
    }

    #[test]
    fn only_a_mark_makes_a_cordon_ours() {
        let run = RunId::new("r2");
        let open = look("schedulable\t-\t-\n");
        assert!(judge_released(&open).passed() && !judge_drained(&open, &run).passed());
        let theirs = look("cordoned\t-\t-\n");
        assert!(judge_released(&theirs).seen().contains("stays cordoned"));
        assert!(!judge_drained(&theirs, &run).passed(), "its pods may still be there");
        let ours = look("cordoned\tr2\tr2\n");
        assert!(judge_drained(&ours, &run).passed() && !judge_released(&ours).passed());
        assert!(!judge_drained(&look("cordoned\tr1\tr1\n"), &run).passed());
        assert!(judge_drained(&look("cordoned\t-\tr2\n"), &run).passed());
        assert!(parse_look(&Output::new(0, "error\n", "")).is_err());
        assert!(parse_look(&Output::new(1, "", "refused")).is_err());
    }

    #[test]
    fn what_is_left_is_the_last_word_and_silence_is_the_worst() {
        let of = |code, text: &str| left(&Output::new(code, text, ""));
        assert_eq!(of(0, "pod/a evicted\nnode/w1 drained\ndrained\tours\n"), Left::Ours);
        assert_eq!(of(0, "drained\ttheirs\n"), Left::Theirs);
        assert_eq!(of(4, "evicting pod shop/a\nuncordoned\tw1\n"), Left::Lifted);
        assert_eq!(of(4, "kept\tw1\n"), Left::Kept);
        assert_eq!(of(4, "cordoned\tw1\n"), Left::StillOurs);
        assert_eq!(
            (of(3, "untouched\tw1\n"), of(1, "")),
            (Left::Untouched, Left::StillOurs)
        );
        assert_eq!(
            (of(5, "unready\tw1\n"), of(0, "unmarked\tw1\n")),
            (Left::Unready, Left::Unmarked)
        );
    }

    #[test]
    fn a_refusal_names_the_pods_in_every_dialect() {
        let why = |out: &str, err: &str| refusal(&Output::new(4, out, err));
        let new = "error when evicting pods/\"web-1\" -n \"shop\" (will retry after 5s): Cannot evict pod as it would violate the pod's disruption budget.\n\
                   error when evicting pods/\"web-2\" -n \"shop\" (will retry after 5s): Cannot evict pod as it would violate the pod's disruption budget.\n\
                   error: unable to drain node \"w1\", aborting command...\n\nThere are pending nodes to be drained:\n w1\nerror: global timeout reached: 30s\n";
        assert_eq!(
            why("pod/web-2 evicted\n", new),
            "a disruption budget keeps shop/web-1 on its node"
        );
        let old = "error when evicting pod \"web-1\" (will retry after 5s): Cannot evict pod as it would violate the pod's disruption budget.\n";
        assert_eq!(why("", old), "a disruption budget keeps web-1 on its node");
        let local = "error: unable to drain node \"w1\", aborting command...\n\nThere are pending nodes to be drained:\n w1\n\
                     cannot delete Pods with local storage (use --delete-emptydir-data to override): shop/cache-0\n";
        assert!(why("", local).contains("shop/cache-0"));
        let newer = "error: unable to drain node \"w1\" due to error: cannot delete Pods with local storage (use --delete-emptydir-data to override): shop/cache, continuing command...\n\
                     There are pending nodes to be drained:\n w1\ncannot delete Pods with local storage (use --delete-emptydir-data to override): shop/cache\n";
        assert_eq!(
            why("", newer),
            "cannot delete Pods with local storage (use --delete-emptydir-data to override): shop/cache"
        );
        let slow = "error: [error when waiting for pod \"db-0\" terminating: global timeout reached: 30s]\n";
        assert!(why("", slow).contains("db-0"));
        assert_eq!(
            why("", "The connection to the server was refused\n"),
            "The connection to the server was refused"
        );
        assert_eq!(
            evicted(&Output::new(
                0,
                "evicting pod shop/a\npod/a evicted\nnode/w1 drained\n",
                ""
            )),
            1
        );
    }
}
