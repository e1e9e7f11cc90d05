//! Names back to ranges, and the order in which people expect names.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::{MAX_DIGITS, padded};

/// Names as a person writes them: `m1,worker[01-05,07]`, in natural order, each name once. [`super::expand`] reads every
/// part back, as long as no name holds brackets or commas.
pub fn fold<S: AsRef<str>>(names: &[S]) -> String {
    let unique: BTreeSet<&str> = names.iter().map(AsRef::as_ref).collect();
    let mut shapes: BTreeMap<Vec<&str>, Vec<Vec<&str>>> = BTreeMap::new();
    for name in unique {
        let (texts, digits) = split_digits(name);
        shapes.entry(texts).or_default().push(digits);
    }
    let mut folded: Vec<(String, String)> = shapes
        .iter()
        .flat_map(|(texts, rows)| fold_shape(texts, rows))
        .collect();
    folded.sort_by(|a, b| natural_cmp(&a.0, &b.0));
    folded.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",")
}

/// `a1b22c` is the texts a, b, c and the digits 1, 22. Numbers too long to count are text.
fn split_digits(name: &str) -> (Vec<&str>, Vec<&str>) {
    let (mut texts, mut digits) = (Vec::new(), Vec::new());
    let (mut from, mut at) = (0, 0);
    while at < name.len() {
        let rest = &name[at..];
        let run = rest.bytes().take_while(u8::is_ascii_digit).count();
        if run == 0 {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        }
        if run <= MAX_DIGITS {
            texts.push(&name[from..at]);
            digits.push(&rest[..run]);
            from = at + run;
        }
        at += run;
    }
    texts.push(&name[from..]);
    (texts, digits)
}

/// Names that differ in their numbers only: folded on the last number that varies. Returns (first name, folded).
fn fold_shape(texts: &[&str], rows: &[Vec<&str>]) -> Vec<(String, String)> {
    let columns = texts.len() - 1;
    let varies = |column: &usize| rows.iter().any(|row| row[*column] != rows[0][*column]);
    let Some(column) = (0..columns).rev().find(varies) else {
        return rows.iter().map(|row| (weave(texts, row), weave(texts, row))).collect();
    };
    let mut groups: BTreeMap<Vec<&str>, Vec<&str>> = BTreeMap::new();
    for row in rows {
        let mut others = row.clone();
        others[column] = "";
        groups.entry(others).or_default().push(row[column]);
    }
    groups
        .into_iter()
        .map(|(row, mut numbers)| {
            numbers.sort_by(|a, b| cmp_digits(a, b));
            let first = weave(texts, &replaced(&row, column, numbers[0]));
            let range = bracket(&numbers);
            let text = weave(texts, &replaced(&row, column, &range));
            (first, text)
        })
        .collect()
}

fn replaced<'a>(row: &[&'a str], column: usize, with: &'a str) -> Vec<&'a str> {
    let mut row = row.to_vec();
    row[column] = with;
    row
}

fn weave(texts: &[&str], digits: &[&str]) -> String {
    let mut out = String::new();
    for (i, text) in texts.iter().enumerate() {
        out.push_str(text);
        out.push_str(digits.get(i).unwrap_or(&""));
    }
    out
}

/// Sorted digits to `[01-03,07]`; a single number stays bare.
fn bracket(numbers: &[&str]) -> String {
    if let [one] = numbers {
        return (*one).to_owned();
    }
    let mut runs: Vec<(&str, &str)> = Vec::new();
    for digits in numbers {
        match runs.last_mut() {
            Some((first, last)) if follows(first, last, digits) => *last = digits,
            _ => runs.push((digits, digits)),
        }
    }
    let shown: Vec<String> = runs
        .iter()
        .map(|(a, b)| if a == b { (*a).to_owned() } else { format!("{a}-{b}") })
        .collect();
    format!("[{}]", shown.join(","))
}

/// Whether `next` continues the run `first-last` in a way that [`super::expand`] writes back the same.
fn follows(first: &str, last: &str, next: &str) -> bool {
    let value = |digits: &str| digits.parse::<u64>().unwrap_or(u64::MAX - 1);
    let same_padding = if padded(first) {
        first.len() == next.len()
    } else {
        !padded(next)
    };
    same_padding && value(last) + 1 == value(next)
}

fn cmp_digits(a: &str, b: &str) -> Ordering {
    let bare = |digits: &str| digits.trim_start_matches('0').to_owned();
    let (x, y) = (bare(a), bare(b));
    x.len()
        .cmp(&y.len())
        .then_with(|| x.cmp(&y))
        .then_with(|| a.len().cmp(&b.len()))
}

/// The order a person expects: `m2` before `m10`.
pub fn natural_cmp(a: &str, b: &str) -> Ordering {
    let ((texts_a, digits_a), (texts_b, digits_b)) = (split_digits(a), split_digits(b));
    for i in 0..texts_a.len().min(texts_b.len()) {
        let by_text = texts_a[i].cmp(texts_b[i]);
        let by_number = match (digits_a.get(i), digits_b.get(i)) {
            (Some(x), Some(y)) => cmp_digits(x, y),
            (x, y) => x.is_some().cmp(&y.is_some()),
        };
        if by_text.then(by_number) != Ordering::Equal {
            return by_text.then(by_number);
        }
    }
    a.cmp(b)
}
