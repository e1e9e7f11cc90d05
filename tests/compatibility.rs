//! docs/reference/compatibility.md names the tests that prove its claims: each of them must exist. And the guides explain every word that a
//! plan can say.

#![expect(clippy::expect_used, reason = "a helper of a test fails as the test does")]

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("nodes") {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// Everything between backticks in the last column of a table.
fn named(text: &str) -> Vec<String> {
    let rows = text.lines().filter(|l| l.starts_with('|') && !l.starts_with("|--"));
    let proofs = rows.filter_map(|l| l.trim_end_matches('|').rsplit(" | ").next());
    let quoted = proofs.flat_map(|cell| cell.split('`').skip(1).step_by(2));
    quoted.map(str::to_owned).collect()
}

/// Whether a test of that name is written somewhere.
fn exists(name: &str, tests: &str) -> bool {
    if let Some(scenario) = name.strip_prefix("scenarios/") {
        return Path::new(&format!("tests/scenarios/{scenario}.txt")).is_file();
    }
    if let Some(shape) = name.strip_prefix("simulator/") {
        let shapes = fs::read_to_string("tests/simulator/shapes.rs").unwrap_or_default();
        return shapes.contains(&format!("(\"{shape}\", \""));
    }
    if let Some(row) = name.strip_prefix("nodes/") {
        let rows = fs::read_to_string("tests/nodes/rows.sh").unwrap_or_default();
        return rows
            .lines()
            .any(|l| l.split('|').next().is_some_and(|first| first.trim_end() == row));
    }
    let (file, function) = name.split_once("::").unwrap_or(("", name));
    let file = (!file.is_empty()).then(|| fs::read_to_string(format!("tests/{file}")).unwrap_or_default());
    file.as_deref().unwrap_or(tests).contains(&format!("fn {function}("))
}

#[test]
fn every_named_test_exists() {
    let text = fs::read_to_string("docs/reference/compatibility.md").expect("the table");
    let mut files = Vec::new();
    sources(Path::new("tests"), &mut files);
    sources(Path::new("src"), &mut files);
    let tests: String = files.iter().map(|f| fs::read_to_string(f).expect("a source")).collect();
    let names = named(&text);
    assert!(names.len() > 40, "{names:?}");
    let absent: Vec<&String> = names.iter().filter(|n| !exists(n, &tests)).collect();
    assert!(absent.is_empty(), "no such test: {absent:#?}");
    assert!(!exists("simulator/none", &tests) && !exists("nodes/none", &tests));
    assert!(!exists("scenarios/none", &tests) && !exists("host_scripts/facts.rs::none", &tests));
}

#[test]
fn every_row_has_a_proof_or_says_that_it_has_none() {
    let text = fs::read_to_string("docs/reference/compatibility.md").expect("the table");
    let rows = text
        .lines()
        .filter(|l| l.starts_with('|') && !l.starts_with("|--") && !l.contains("| proven by |"));
    for row in rows {
        let proof = row.trim_end_matches('|').rsplit(" | ").next().unwrap_or_default();
        assert!(proof.contains('`') || proof.contains("**not "), "{row}");
    }
}

/// `no-gate` in `Note::error(\n"no-gate"` of every source but its tests.
fn codes(sources: &[PathBuf]) -> std::collections::BTreeSet<String> {
    let mut found = std::collections::BTreeSet::new();
    for source in sources {
        let text = fs::read_to_string(source).expect("a source");
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for made in ["Note::error(", "Note::warning(", "Note::info(", " note("] {
            let first = text
                .split(made)
                .skip(1)
                .filter_map(|rest| rest.trim_start().strip_prefix('"'));
            found.extend(
                first
                    .filter_map(|rest| rest.split_once('"'))
                    .map(|(code, _)| code.to_owned()),
            );
        }
    }
    found
}

#[test]
fn every_word_of_a_plan_is_explained_in_a_guide() {
    let mut files = Vec::new();
    sources(Path::new("src/plan"), &mut files);
    let codes = codes(&files);
    assert!(codes.len() > 30 && codes.contains("kubelet-foreign-ca"), "{codes:?}");
    let folder = fs::read_dir("docs/guide").expect("the guides").flatten();
    let guides: String = folder.map(|e| fs::read_to_string(e.path()).expect("a guide")).collect();
    let silent: Vec<&String> = codes.iter().filter(|c| !guides.contains(&format!("`{c}`"))).collect();
    assert!(silent.is_empty(), "in no guide: {silent:#?}");
}
