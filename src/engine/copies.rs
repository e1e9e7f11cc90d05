//! What `certfleet:refresh-copies` says, as a sentence.

use crate::model::Output;

/// How the sentence begins when nothing was changed.
pub(super) const NOTHING: &str = "no copy held the old certificate";

/// Refreshed copies first, then those that were left, with the reason.
pub(super) fn said(output: &Output) -> String {
    let text = output.stdout_text();
    let rows: Vec<Vec<&str>> = text.lines().map(|l| l.split('\t').collect()).collect();
    let paths = |word: &str| {
        let mine = rows.iter().filter(move |r| r.first() == Some(&word));
        mine.filter_map(|r| r.get(1).copied()).collect::<Vec<_>>()
    };
    let refreshed = paths("refreshed");
    let mut sentence = if refreshed.is_empty() {
        NOTHING.to_owned()
    } else {
        format!("refreshed {}", refreshed.join(", "))
    };
    for row in rows.iter().filter(|r| r.first() == Some(&"left")) {
        if let [_, path, why] = row[..] {
            sentence += &format!("; {path} is left: {why}");
        }
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_left_is_told_with_its_reason() {
        let output = Output::new(
            0,
            "refreshed\t/root/.kube/config\tadmin.conf\nsame\t/b\nleft\t/c\ta symlink\n",
            "",
        );
        assert_eq!(said(&output), "refreshed /root/.kube/config; /c is left: a symlink");
        assert_eq!(said(&Output::new(0, "same\t/b\n", "")), NOTHING);
    }
}
