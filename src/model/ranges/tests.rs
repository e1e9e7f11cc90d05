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

#[test]
fn folds_as_a_person_would() {
    let fold = |list: &[&str]| super::fold(list);
    assert_eq!(fold(&["w10", "w9", "w8", "m1"]), "m1,w[8-10]");
    assert_eq!(fold(&["worker01.x", "worker02.x", "worker05.x"]), "worker[01-02,05].x");
    assert_eq!(fold(&["10.0.0.9", "10.0.0.10", "10.0.1.10"]), "10.0.0.[9-10],10.0.1.10");
    assert_eq!(fold(&["n1-of-3", "n2-of-3"]), "n[1-2]-of-3");
    assert_eq!(fold(&["bastion", "bastion"]), "bastion");
    assert_eq!(fold(&[]), "");
}

/// Splits at commas outside brackets, as the parts of a fold are joined.
fn parts(folded: &str) -> Vec<String> {
    let (mut depth, mut out) = (0, vec![String::new()]);
    for c in folded.chars() {
        match c {
            '[' => depth += 1,
            ']' => depth -= 1,
            _ => {}
        }
        match out.last_mut() {
            _ if c == ',' && depth == 0 => out.push(String::new()),
            Some(last) => last.push(c),
            None => {}
        }
    }
    out
}

proptest! {
    #[test]
    fn fold_undoes_expand(prefix in "[a-z]{1,5}", suffix in "(\\.[a-z]{1,4})?", from in 0u64..2000, more in 1u64..50, width in 0usize..6) {
        let digits = |n: u64| format!("{n:0width$}");
        prop_assume!(digits(from).len() == digits(from + more).len() || !digits(from).starts_with('0') || digits(from).len() == 1);
        let pattern = format!("{prefix}[{}-{}]{suffix}", digits(from), digits(from + more));
        let list = expand(&pattern).expect("valid by construction");
        prop_assert_eq!(list.len() as u64, more + 1);
        if width > 0 && padded(&digits(from)) {
            prop_assert!(list.iter().all(|n| n.len() == list[0].len()));
        }
        prop_assert_eq!(fold(&list), pattern);
    }

    #[test]
    fn every_name_comes_back_from_a_fold(list in proptest::collection::btree_set("[a-b]{0,2}[0-9]{1,3}([.-][0-9]{1,2})?", 1..30)) {
        let list: Vec<String> = list.into_iter().collect();
        let mut back: Vec<String> = parts(&fold(&list)).iter().flat_map(|p| expand(p).expect("folds are ranges")).collect();
        back.sort();
        prop_assert_eq!(back, list);
    }

    #[test]
    fn arbitrary_text_never_panics_and_keeps_the_cap(text in "[\\[\\]0-9,a\\-é]{0,24}|\\PC{0,12}") {
        if let Ok(list) = expand(&text) {
            prop_assert!(list.len() <= MAX_NAMES);
        }
        let _ = fold(&[text.as_str(), "x1", ""]);
    }

    #[test]
    fn natural_order_is_an_order(a in "[a-b0-9]{0,6}", b in "[a-b0-9]{0,6}", c in "[a-b0-9]{0,6}") {
        prop_assert_eq!(natural_cmp(&a, &b), natural_cmp(&b, &a).reverse());
        if natural_cmp(&a, &b).is_le() && natural_cmp(&b, &c).is_le() {
            prop_assert!(natural_cmp(&a, &c).is_le());
        }
    }
}
