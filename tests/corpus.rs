//! Labelled journal lines: no blocking line missed, no foreign line taken as blocking, at least 97 % of effects right.
//!
//! Runs the project's own lines, and additionally the shared corpus where that folder is present.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test says what is wrong and stops"
)]

use std::fs;
use std::path::{Path, PathBuf};

use certfleet::probes::kubelet_journal::{LineVerdict, Verdict, classify_stream};
use serde_json::Value;

/// One labelled line (or wrapped record).
struct Case {
    id: String,
    raw: String,
    class: String,
    effect: String,
}

fn cases(path: &Path) -> Vec<Case> {
    let text = fs::read_to_string(path).unwrap();
    let field = |row: &Value, key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap_or_else(|error| panic!("{}: {error}: {line}", path.display()))
        })
        .map(|row| {
            let effect = if row.get("gate_effect").is_some() {
                field(&row, "gate_effect")
            } else {
                field(&row, "effect")
            };
            Case {
                id: field(&row, "id"),
                raw: field(&row, "raw"),
                class: field(&row, "class"),
                effect,
            }
        })
        .collect()
}

fn verdicts(text: &str) -> Vec<Verdict> {
    let mut out: Vec<LineVerdict> = Vec::new();
    classify_stream(text.as_bytes(), |verdict| out.push(verdict)).unwrap();
    assert_eq!(out.len(), text.lines().count(), "one verdict per line: {text:?}");
    out.into_iter().map(|line| line.verdict).collect()
}

/// Checks a set and gives (lines, wrong effects, wrong classes).
fn check(name: &str, cases: &[Case]) -> (usize, usize, usize) {
    let (mut wrong, mut other_class, mut missed, mut false_block) = (0, 0, Vec::new(), Vec::new());
    for case in cases {
        for verdict in verdicts(&case.raw) {
            let effect = verdict.effect.as_str();
            if effect != case.effect {
                wrong += 1;
                println!(
                    "{name} {}: {effect}/{} by {}, want {}/{}: {}",
                    case.id,
                    verdict.class.as_str(),
                    verdict.rule,
                    case.effect,
                    case.class,
                    case.raw
                );
            } else if verdict.class.as_str() != case.class {
                other_class += 1;
                println!(
                    "{name} {} class {} by {}, want {}: {}",
                    case.id,
                    verdict.class.as_str(),
                    verdict.rule,
                    case.class,
                    case.raw
                );
            }
            if case.effect == "block" && effect != "block" {
                missed.push(case.id.clone());
            }
            if case.effect != "block" && effect == "block" {
                false_block.push(case.id.clone());
            }
            let needs = matches!(effect, "block" | "fail");
            assert!(
                !needs || verdict.remedy.is_some_and(|remedy| remedy.len() > 30),
                "{} has no remedy",
                case.id
            );
        }
    }
    println!(
        "{name}: {} records, {wrong} wrong effects, {other_class} other classes",
        cases.len()
    );
    assert!(missed.is_empty(), "{name}: blocking lines missed: {missed:?}");
    assert!(false_block.is_empty(), "{name}: taken as blocking: {false_block:?}");
    assert!(
        wrong * 100 <= cases.len() * 3,
        "{name}: {wrong} of {} effects wrong",
        cases.len()
    );
    (cases.len(), wrong, other_class)
}

fn own_files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/journal");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "jsonl"))
        .collect();
    files.sort();
    files
}

#[test]
fn own_lines_have_the_labelled_effect() {
    let all: Vec<Case> = own_files().iter().flat_map(|file| cases(file)).collect();
    assert!(all.len() >= 200, "only {} labelled lines", all.len());
    check("own", &all);
}

/// As a file of all lines in a row: neighbours must not leak into each other.
#[test]
fn own_lines_keep_their_effect_in_one_file() {
    let all: Vec<Case> = own_files().iter().flat_map(|file| cases(file)).collect();
    in_one_file("own", &all);
}

fn in_one_file(name: &str, all: &[Case]) {
    let text = all.iter().map(|case| case.raw.as_str()).collect::<Vec<_>>().join("\n") + "\n";
    let verdicts = verdicts(&text);
    let mut next = verdicts.iter();
    let mut wrong = 0;
    for case in all {
        for _ in case.raw.lines() {
            let verdict = next.next().unwrap();
            let blocks = verdict.effect.as_str() == "block";
            assert_eq!(
                blocks,
                case.effect == "block",
                "{name} {} beside its neighbours: {}",
                case.id,
                case.raw
            );
            wrong += usize::from(verdict.effect.as_str() != case.effect);
        }
    }
    assert!(
        wrong * 100 <= verdicts.len() * 3,
        "{name}: {wrong} of {} effects wrong in one file",
        verdicts.len()
    );
}

#[test]
fn shared_corpus_where_present() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join(std::env::var("CERTFLEET_CORPUS").unwrap_or_else(|_| "../shared/corpus".into()))
        .join("journal.jsonl");
    let Ok(path) = path.canonicalize() else { return };
    let all = cases(&path);
    check("corpus", &all);
    in_one_file("corpus", &all);
}
