//! Tests of host ranges, by example and by property.

use proptest::prelude::*;

use super::*;

fn names(pattern: &str) -> Vec<String> {
    expand(pattern).expect("a valid range")
}

#[test]
fn expands_with_padding_lists_and_products() {
    assert_eq!(names("worker[08-10].x"), ["worker08.x", "worker09.x", "worker10.x"]);
    assert_eq!(names("node[9-11,13]"), ["node9", "node10", "node11", "node13"]);
    assert_eq!(names("r[1-2]n[01-02]"), ["r1n01", "r1n02", "r2n01", "r2n02"]);
    assert_eq!(names("m1"), ["m1"]);
    assert_eq!(names("n[007]"), ["n007"]);
}

#[test]
fn refuses_what_is_no_range() {
    for (pattern, error) in [
        ("w[1-3", RangeError::Unclosed),
        ("w1-3]", RangeError::Unopened),
        ("w[[1-3]]", RangeError::Nested),
        ("w[]", RangeError::Empty),
        ("w[1,,2]", RangeError::Empty),
        ("w[-3]", RangeError::Empty),
        ("w[a-c]", RangeError::NotANumber("a-c".to_owned())),
        ("w[9-1]", RangeError::Reversed("9-1".to_owned())),
        ("w[01-100]", RangeError::Padding("01-100".to_owned())),
        ("w[1-05]", RangeError::Padding("1-05".to_owned())),
        ("w[1-20000]", RangeError::TooMany(20_000)),
        ("w[0-999999999]x[0-999999999]x[0-9999]", RangeError::TooMany(usize::MAX)),
    ] {
        assert_eq!(expand(pattern), Err(error), "{pattern}");
    }
}

fn fold(names: &[String]) -> String {
    fold_hosts(&names.iter().map(|n| n.as_str().into()).collect::<Vec<_>>())
}

proptest! {
    #[test]
    fn every_name_comes_back_from_a_fold(list in proptest::collection::btree_set("[a-b]{0,2}[0-9]{1,3}([.-][0-9]{1,2})?", 1..30)) {
        let list: Vec<String> = list.into_iter().collect();
        let folded = fold(&list);
        let mut back: Vec<String> = folded.split(", ").flat_map(|p| expand(p).expect("folds are ranges")).collect();
        back.sort();
        prop_assert_eq!(back, list);
    }

    #[test]
    fn arbitrary_text_never_panics_and_keeps_the_cap(text in "[\\[\\]0-9,a\\-é]{0,24}|\\PC{0,12}") {
        if let Ok(list) = expand(&text) {
            prop_assert!(list.len() <= MAX_NAMES);
        }
    }
}
