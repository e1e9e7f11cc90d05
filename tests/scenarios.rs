//! Every file in `tests/scenarios` is a story: a fleet, what goes wrong, a playbook, and what must be seen. Adding one
//! needs no Rust; `tests/scenarios/README.md` has the words. `CERTFLEET_SCENARIO=k3s` plays those alone whose names begin so.

#![expect(clippy::expect_used, reason = "a helper of a test fails as the test does")]

#[path = "stories/harness.rs"]
mod harness;

#[path = "scenarios/expect.rs"]
mod expect;
#[path = "scenarios/script.rs"]
mod script;

use std::fs;
use std::path::{Path, PathBuf};

use certfleet::plan::Plan;
use harness::{Facts, Story, Wish};
use script::{Order, Script};

fn files() -> Vec<PathBuf> {
    let entries = fs::read_dir("tests/scenarios").expect("the folder is there").flatten();
    let texts = entries
        .map(|e| e.path())
        .filter(|p| p.extension().is_some_and(|e| e == "txt"));
    let mut files: Vec<PathBuf> = texts.collect();
    files.sort();
    files
}

/// Everything that is not as the file says.
async fn play(file: &Path) -> Vec<String> {
    let text = fs::read_to_string(file).expect("a readable file");
    let script = match Script::parse(&text) {
        Ok(script) => script,
        Err(error) => return vec![error],
    };
    let story = Story::new(script.fleet.clone());
    script.arrange(&story.lab);
    let (facts, plan) = planned(&script, &story).await;
    if plan.errors().next().is_some() {
        return expect::check(&script, &story, (&plan, None), None);
    }
    let told = story.execute(facts, plan.clone(), Wish::default()).await;
    let again = if script.expectations.iter().any(|(_, word, _)| word == "again") {
        let (facts, plan) = planned(&script, &story).await;
        Some(story.execute(facts, plan, Wish::default()).await)
    } else {
        None
    };
    expect::check(&script, &story, (&plan, Some(&told)), again.as_ref())
}

async fn planned(script: &Script, story: &Story) -> (Facts, Plan) {
    match script.order {
        Some(Order::Chosen) => story.plan_strategy_draining(None, &script.limit, script.drain).await,
        Some(Order::Wanted(asked)) => {
            story
                .plan_strategy_draining(Some(asked), &script.limit, script.drain)
                .await
        }
        None => story.plan_alive(&script.playbook, &script.limit).await,
    }
}

fn run(part: usize, parts: usize) {
    let mut wrong = Vec::new();
    let wanted = std::env::var("CERTFLEET_SCENARIO").unwrap_or_default();
    let meant = |f: &PathBuf| f.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&wanted));
    for file in files().into_iter().skip(part).step_by(parts).filter(meant) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        for problem in runtime.block_on(play(&file)) {
            wrong.push(format!("{}: {problem}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn scenarios_of_the_first_half() {
    run(0, 2);
}

#[test]
fn scenarios_of_the_second_half() {
    run(1, 2);
}

#[test]
fn there_are_scenarios_and_a_wrong_word_is_named_with_its_line() {
    assert!(files().len() >= 10, "{:?}", files());
    let error = Script::parse("scenario: seed\nmaster: 1\n").expect_err("no such word");
    assert!(error.contains("line 2") && error.contains("master"), "{error}");
    let error = Script::parse("scenario: seed\nplaybook: renew\n").expect_err("nothing expected");
    assert!(error.contains("end:"), "{error}");
}
