//! Help is the first documentation a person reads: `docs/reference/cli.md` holds every word of it.

use std::fmt::Write as _;
use std::path::Path;

use crate::harness::run;

/// Every verb, as typed.
const VERBS: &[&str] = &[
    "",
    "renew",
    "restart",
    "run",
    "check",
    "apply",
    "resume",
    "rollback",
    "runs",
    "report",
    "unlock",
    "inventory",
    "playbooks",
    "journal",
    "exec",
    "lab",
    "lab up",
    "lab scenarios",
    "demo",
    "schema",
    "completions",
    "man",
];

const OPENING: &str = "# Command line

Made from `certfleet VERB --help`. Write it anew with `CERTFLEET_UPDATE=1 cargo test --test cli the_reference`.
Exit codes: [exit-codes.md](exit-codes.md).
";

fn page(home: &Path) -> String {
    let mut page = OPENING.to_owned();
    for verb in VERBS {
        let words = verb.split_whitespace().chain(["--help"]);
        let help = run(home, words).expect(0);
        assert!(help.err.is_empty(), "{verb}: {}", help.err);
        let title = format!("certfleet {verb}");
        let _ = write!(page, "\n## {}\n\n```text\n", title.trim_end());
        for line in help.out.trim_end().lines() {
            let _ = writeln!(page, "{}", line.trim_end());
        }
        page.push_str("```\n");
    }
    page
}

#[test]
fn the_reference_holds_every_verbs_help() {
    let home = tempfile::tempdir().expect("a directory");
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/cli.md");
    let page = page(home.path());
    if std::env::var_os("CERTFLEET_UPDATE").is_some() {
        std::fs::write(&file, &page).expect("it can be written");
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        kept == page,
        "docs/reference/cli.md is old; its opening says how to write it anew"
    );
}

#[test]
fn the_reference_knows_every_verb() {
    let home = tempfile::tempdir().expect("a directory");
    let help = run(home.path(), ["--help"]).expect(0).out;
    let commands = help
        .split("Commands:")
        .nth(1)
        .and_then(|t| t.split("\n\n").next())
        .expect("a list");
    let verbs = commands
        .lines()
        .filter(|l| l.starts_with("  ") && !l.starts_with("   "));
    for verb in verbs
        .filter_map(|l| l.split_whitespace().next())
        .filter(|v| *v != "help")
    {
        assert!(VERBS.contains(&verb), "{verb}");
    }
}
