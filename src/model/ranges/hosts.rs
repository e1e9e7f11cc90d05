//! Many host names on one line: `worker[01-05]`.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::model::HostName;

/// A list shorter than this is easier to read than a range: `m1, m2, m3`.
const SHORT_LIST: usize = 16;
/// Fewer neighbours than this make no range.
const SHORT_RUN: usize = 3;

/// A name around its number.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Frame<'a> {
    prefix: &'a str,
    suffix: &'a str,
}

/// Hosts with ranges folded, in natural order, each host once.
pub fn fold_hosts(hosts: &[HostName]) -> String {
    let names: BTreeSet<&str> = hosts.iter().map(HostName::as_str).collect();
    let mut frames: BTreeMap<Frame<'_>, Vec<&str>> = BTreeMap::new();
    let mut pieces: Vec<(&str, String)> = Vec::new();
    for name in names {
        match split(name) {
            Some((frame, digits)) => frames.entry(frame).or_default().push(digits),
            None => pieces.push((name, name.to_owned())),
        }
    }
    let folded: Vec<(String, String)> = frames.iter().flat_map(|(f, d)| fold_frame(f, d)).collect();
    let mut all: Vec<(&str, &str)> = pieces.iter().map(|(k, v)| (*k, v.as_str())).collect();
    all.extend(folded.iter().map(|(k, v)| (k.as_str(), v.as_str())));
    all.sort_by(|a, b| natural_order(a.0, b.0));
    all.iter().map(|(_, text)| *text).collect::<Vec<_>>().join(", ")
}

/// The same, with the number of hosts where it cannot be seen at a glance.
pub fn hosts_and_count(hosts: &[HostName]) -> String {
    let folded = fold_hosts(hosts);
    let number = hosts.iter().collect::<BTreeSet<_>>().len();
    if number > 3 || folded.contains('[') {
        format!("{folded} ({number})")
    } else {
        folded
    }
}

/// The number that counts: the last one before the first dot, or the last one of an IPv4 address.
fn split(name: &str) -> Option<(Frame<'_>, &str)> {
    let is_address = name.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let label = if is_address {
        name.len()
    } else {
        name.find('.').unwrap_or(name.len())
    };
    let end = name[..label].rfind(|c: char| c.is_ascii_digit())? + 1;
    let start = name[..end]
        .rfind(|c: char| !c.is_ascii_digit())
        .map_or(0, |i| i + name[i..].chars().next().map_or(1, char::len_utf8));
    let digits = &name[start..end];
    let frame = Frame {
        prefix: &name[..start],
        suffix: &name[end..],
    };
    (digits.len() <= 18).then_some((frame, digits))
}

/// Numbers of one frame, by their zero padding: `08, 09, 10` belong together, `8` does not belong to them.
fn fold_frame(frame: &Frame<'_>, digits: &[&str]) -> Vec<(String, String)> {
    let padded = |d: &&str| d.len() > 1 && d.starts_with('0');
    let widths: BTreeSet<usize> = digits.iter().copied().filter(|d| padded(d)).map(str::len).collect();
    let mut classes: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    for text in digits {
        let class = if widths.contains(&text.len()) { text.len() } else { 0 };
        classes.entry(class).or_default().extend(text.parse::<u64>());
    }
    classes
        .into_iter()
        .map(|(width, numbers)| fold_numbers(frame, width, numbers))
        .collect()
}

fn fold_numbers(frame: &Frame<'_>, width: usize, mut numbers: Vec<u64>) -> (String, String) {
    numbers.sort_unstable();
    let name = |n: &u64| format!("{}{n:0width$}{}", frame.prefix, frame.suffix);
    let list = numbers.iter().map(name).collect::<Vec<_>>().join(", ");
    let first = numbers.first().map(name).unwrap_or_default();
    let runs = runs(&numbers);
    if list.len() <= SHORT_LIST || runs.iter().all(|(a, b)| b - a + 1 < SHORT_RUN as u64) {
        return (first, list);
    }
    let ranges: Vec<String> = runs
        .into_iter()
        .map(|(a, b)| {
            if a == b {
                format!("{a:0width$}")
            } else {
                format!("{a:0width$}-{b:0width$}")
            }
        })
        .collect();
    (first, format!("{}[{}]{}", frame.prefix, ranges.join(","), frame.suffix))
}

/// Neighbours, as first and last.
fn runs(numbers: &[u64]) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for &number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    runs
}

/// `w2` before `w10`.
pub fn natural_order(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    while !left.is_empty() && !right.is_empty() {
        let (head, other) = (chunk(left), chunk(right));
        let order = if is_number(head.0) && is_number(other.0) {
            cmp_digits(head.0, other.0)
        } else {
            head.0.cmp(other.0)
        };
        if order != Ordering::Equal {
            return order;
        }
        (left, right) = (head.1, other.1);
    }
    left.len().cmp(&right.len()).then_with(|| a.cmp(b))
}

fn is_number(chunk: &str) -> bool {
    chunk.starts_with(|c: char| c.is_ascii_digit())
}

/// By value, however long.
fn cmp_digits(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Leading digits, or everything up to the next digit.
fn chunk(text: &str) -> (&str, &str) {
    let digit = text.starts_with(|c: char| c.is_ascii_digit());
    let end = text.find(|c: char| c.is_ascii_digit() != digit).unwrap_or(text.len());
    text.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hosts(names: &[&str]) -> Vec<HostName> {
        names.iter().map(|n| HostName::from(*n)).collect()
    }

    /// The reading half, for the property.
    fn expand(text: &str) -> BTreeSet<String> {
        text.split(", ")
            .filter(|t| !t.is_empty())
            .flat_map(expand_one)
            .collect()
    }

    fn expand_one(item: &str) -> Vec<String> {
        let Some((prefix, rest)) = item.split_once('[') else {
            return vec![item.to_owned()];
        };
        let (ranges, suffix) = rest.split_once(']').unwrap();
        let mut names = Vec::new();
        for range in ranges.split(',') {
            let (a, b) = range.split_once('-').unwrap_or((range, range));
            let width = if a.starts_with('0') { a.len() } else { 0 };
            for n in a.parse::<u64>().unwrap()..=b.parse::<u64>().unwrap() {
                names.push(format!("{prefix}{n:0width$}{suffix}"));
            }
        }
        names
    }

    #[test]
    fn ranges_keep_their_zeros_and_short_lists_their_names() {
        for (names, folded) in [
            (
                vec!["worker01", "worker02", "worker03", "worker04", "worker05"],
                "worker[01-05]",
            ),
            (vec!["m3", "m1", "m2"], "m1, m2, m3"),
            (vec!["w8", "w9", "w10", "w11", "w2"], "w[2,8-11]"),
            (vec!["node08.b.c", "node09.b.c", "node10.b.c"], "node[08-10].b.c"),
            (vec!["10.0.0.1", "10.0.0.2", "10.0.0.3"], "10.0.0.[1-3]"),
            (vec!["bastion", "alpha"], "alpha, bastion"),
            (vec!["worker01", "worker03", "worker05"], "worker01, worker03, worker05"),
            (vec![], ""),
        ] {
            assert_eq!(fold_hosts(&hosts(&names)), folded);
        }
        assert_eq!(hosts_and_count(&hosts(&["m1", "m2", "m3"])), "m1, m2, m3");
        assert_eq!(hosts_and_count(&hosts(&["wörk1", "wörk2", "wörk3"])), "wörk[1-3] (3)");
    }

    proptest! {
        #[test]
        fn folding_loses_and_invents_nobody(names in proptest::collection::vec(
            prop_oneof!["[ab]{1,3}[0-9]{0,3}", "[0-9]{1,2}", "ü?w[0-1][0-9](\\.[a-z][0-9])?", "10\\.0\\.0\\.[1-9][0-9]?"], 0..40))
        {
            let all: Vec<HostName> = names.iter().map(|n| HostName::from(n.as_str())).collect();
            let want: BTreeSet<String> = names.into_iter().collect();
            prop_assert_eq!(expand(&fold_hosts(&all)), want);
        }

        #[test]
        fn natural_order_is_an_order(a in "[a-b0-9-]{0,6}", b in "[a-b0-9-]{0,6}", c in "[a-b0-9-]{0,24}") {
            prop_assert_eq!(natural_order(&a, &b), natural_order(&b, &a).reverse());
            if natural_order(&a, &b).is_le() && natural_order(&b, &c).is_le() {
                prop_assert!(natural_order(&a, &c).is_le());
            }
        }
    }
}
