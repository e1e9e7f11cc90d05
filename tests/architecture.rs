//! Imports go down only. The house rules of ARCHITECTURE.md, checked on the sources.

#![expect(clippy::expect_used, reason = "a helper of a test fails as the test does")]

use std::fs;
use std::path::{Path, PathBuf};

/// Which modules each module may name as `crate::MODULE`.
const MAY_IMPORT: [(&str, &[&str]); 12] = [
    ("model", &[]),
    ("config", &["model"]),
    ("operations", &["model"]),
    ("probes", &["model"]),
    ("remote", &["model"]),
    ("plan", &["model", "operations", "probes"]),
    ("check", &["model", "probes"]),
    ("event", &["model", "plan"]),
    ("engine", &["model", "probes", "plan", "check", "event", "remote"]),
    ("report", &["model", "probes", "plan", "check", "event"]),
    ("lab", &["model", "remote"]),
    (
        "cli",
        &[
            "model",
            "config",
            "operations",
            "probes",
            "plan",
            "check",
            "event",
            "remote",
            "engine",
            "report",
            "lab",
        ],
    ),
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("folder is readable").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// Every `crate::X` in code, not in comments.
fn imports(text: &str) -> Vec<String> {
    let code = text.lines().filter(|l| !l.trim_start().starts_with("//"));
    let names = code.flat_map(|line| line.split("crate::").skip(1).map(str::to_owned).collect::<Vec<_>>());
    names
        .map(|rest| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect())
        .collect()
}

#[test]
fn imports_go_down_only() {
    let mut wrong = Vec::new();
    for (module, allowed) in MAY_IMPORT {
        for file in sources(&Path::new("src").join(module)) {
            let text = fs::read_to_string(&file).expect("source is readable");
            for name in imports(&text) {
                let known = MAY_IMPORT.iter().any(|(m, _)| *m == name);
                if known && name != module && !allowed.contains(&name.as_str()) {
                    wrong.push(format!("{} imports crate::{name}", file.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "imports against the layers:\n{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    let silent: Vec<String> = sources(Path::new("src"))
        .into_iter()
        .filter(|f| !fs::read_to_string(f).expect("source is readable").starts_with("//!"))
        .map(|f| f.display().to_string())
        .collect();
    assert!(silent.is_empty(), "files without a `//!` header: {silent:?}");
}

#[test]
fn only_report_and_cli_write_to_the_terminal() {
    let loud: Vec<String> = sources(Path::new("src"))
        .into_iter()
        .filter(|f| !f.starts_with("src/report") && !f.starts_with("src/cli") && !f.ends_with("main.rs"))
        .filter(|f| {
            let text = fs::read_to_string(f).expect("source is readable");
            ["println!", "eprintln!", "print!("].iter().any(|p| text.contains(p))
        })
        .map(|f| f.display().to_string())
        .collect();
    assert!(loud.is_empty(), "these files write to the terminal: {loud:?}");
}

#[test]
fn the_plan_cannot_read_the_clock() {
    let clocked: Vec<String> = sources(Path::new("src/plan"))
        .into_iter()
        .filter(|f| {
            let text = fs::read_to_string(f).expect("source is readable");
            ["Timestamp::now", "SystemTime::now", "Instant::now", "Zoned::now"]
                .iter()
                .any(|p| text.contains(p))
        })
        .map(|f| f.display().to_string())
        .collect();
    assert!(
        clocked.is_empty(),
        "plan/ must be a pure function of its arguments: {clocked:?}"
    );
}
