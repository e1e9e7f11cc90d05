//! Where is the end of the kubelet's journal, and how is it followed from there?

use std::time::Duration;

use crate::model::{Command, Host, Output};

use super::error::{ProbeError, text_of};

const WHAT: &str = "journal cursor";
/// A stream ends by being dropped; this only bounds one that is forgotten.
const FOLLOW: Duration = Duration::from_secs(24 * 3600);

/// Asks for the cursor of the last entry.
pub fn command(host: &Host) -> Command {
    let unit = unit(host);
    Command::root(["journalctl", &unit, "--no-pager", "--lines=0", "--show-cursor"])
}

/// The cursor; `None` for an empty journal.
///
/// # Errors
/// journalctl failed.
pub fn parse(output: &Output) -> Result<Option<String>, ProbeError> {
    let text = text_of(WHAT, output)?;
    let cursor = text.lines().rev().find_map(|l| l.trim().strip_prefix("-- cursor:"));
    Ok(cursor
        .map(|c| c.trim().to_owned())
        .filter(|c| !c.is_empty() && !c.contains(char::is_whitespace)))
}

/// Follows from the cursor; without one, from the first entry: whatever comes is newer than the empty journal.
pub fn follow(host: &Host, cursor: Option<&str>) -> Command {
    let start = cursor.map_or_else(|| "--lines=all".to_owned(), |c| format!("--after-cursor={c}"));
    let unit = unit(host);
    let words = [
        "journalctl",
        &unit,
        "--no-pager",
        "--all",
        "--output=json",
        "--follow",
        &start,
    ];
    Command::root(words).with_timeout(FOLLOW)
}

fn unit(host: &Host) -> String {
    format!("--unit={}", host.kubernetes.kubelet_unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Role;
    use crate::probes::fixtures::host;

    #[test]
    fn reads_the_cursor_and_follows_from_it() {
        let read = |text: &str| parse(&Output::new(0, text, "")).unwrap();
        let cursor = read("-- Logs begin at Fri 2020-11-20 10:00:00 UTC. --\n-- cursor: s=ab;i=1f;b=c;m=d;t=e;x=f\n");
        assert_eq!(cursor.as_deref(), Some("s=ab;i=1f;b=c;m=d;t=e;x=f"));
        assert_eq!(read("-- No entries --\n"), None);
        let line = follow(&host("m1", Role::Worker), cursor.as_deref()).words.join(" ");
        assert!(
            line.ends_with("--follow --after-cursor=s=ab;i=1f;b=c;m=d;t=e;x=f"),
            "{line}"
        );
        assert!(
            follow(&host("m1", Role::Worker), None)
                .words
                .contains(&"--lines=all".to_owned())
        );
    }
}
