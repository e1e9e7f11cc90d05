//! Host ranges: `worker[01-05]` to five names, and five names back to `worker[01-05]`.
//!
//! Here and not in `config`, because reports fold names and may not import `config`.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Most names that one pattern may stand for: a typing error must not become a fleet of millions.
pub const MAX_NAMES: usize = 10_000;

/// Longest number inside brackets; 18 digits always fit into 64 bits.
const MAX_DIGITS: usize = 18;

/// Why a pattern is not a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RangeError {
    /// `worker[01-05`
    Unclosed,
    /// `worker01-05]`
    Unopened,
    /// `worker[[1-2]]`
    Nested,
    /// `worker[]`, `worker[1,,2]`, `worker[-3]`
    Empty,
    /// `worker[a-c]`: the item.
    NotANumber(String),
    /// `worker[9-1]`: the item.
    Reversed(String),
    /// `worker[01-100]`, `worker[1-05]`: the item.
    Padding(String),
    /// How many names it would be (capped at the largest number).
    TooMany(usize),
}

impl fmt::Display for RangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclosed => f.write_str("`[` is not closed"),
            Self::Unopened => f.write_str("`]` without `[`"),
            Self::Nested => f.write_str("`[` inside a range"),
            Self::Empty => f.write_str("a range has an empty part"),
            Self::NotANumber(item) => write!(f, "`{item}` in a range is not a number"),
            Self::Reversed(item) => write!(f, "range `{item}` counts backwards"),
            Self::Padding(item) => write!(f, "the ends of range `{item}` are padded differently"),
            Self::TooMany(usize::MAX) => f.write_str("range stands for an astronomic number of hosts"),
            Self::TooMany(count) => write!(f, "range stands for {count} hosts"),
        }
    }
}

impl std::error::Error for RangeError {}

impl RangeError {
    /// What to write instead.
    pub fn hint(&self) -> String {
        match self {
            Self::Unclosed | Self::Unopened => {
                "a range is written `worker[01-40]`, and quoted in a YAML list: \"worker[01-40]\"".to_owned()
            }
            Self::Nested => "several ranges stand side by side: `rack[1-2]-node[01-20]`".to_owned(),
            Self::Empty => "write numbers and ranges with commas between them: `node[1-3,7]`".to_owned(),
            Self::NotANumber(_) => "only numbers can be counted: `node[1-3,7]`; list other names one by one".to_owned(),
            Self::Reversed(item) => {
                let (from, to) = item.split_once('-').unwrap_or((item, item));
                format!("write `{to}-{from}`")
            }
            Self::Padding(_) => {
                "give both ends the same number of digits, `01-40` or `001-100`, or no zeros at all, `1-100`".to_owned()
            }
            Self::TooMany(_) => format!("at most {MAX_NAMES} hosts; is a digit too many in the range?"),
        }
    }
}

/// One item between brackets.
#[derive(Debug, Clone, Copy)]
struct Span {
    from: u64,
    to: u64,
    /// Digits to pad to; 0 = none.
    width: usize,
}

impl Span {
    fn len(self) -> usize {
        usize::try_from(self.to - self.from).map_or(usize::MAX, |n| n.saturating_add(1))
    }

    fn texts(self) -> impl Iterator<Item = String> {
        (self.from..=self.to).map(move |n| format!("{n:0width$}", width = self.width))
    }
}

#[derive(Debug)]
enum Part<'a> {
    Text(&'a str),
    Range(Vec<Span>),
}

/// The names a pattern stands for, the leftmost bracket counting slowest; a name without brackets stands for itself.
///
/// # Errors
/// What is wrong with the pattern; more than [`MAX_NAMES`] names is an error.
pub fn expand(pattern: &str) -> Result<Vec<String>, RangeError> {
    let parts = parse(pattern)?;
    let total = parts.iter().fold(1_usize, |n, part| n.saturating_mul(part_len(part)));
    if total > MAX_NAMES {
        return Err(RangeError::TooMany(total));
    }
    let start = vec![String::new()];
    Ok(parts.iter().fold(start, |names, part| append(&names, part)))
}

fn part_len(part: &Part<'_>) -> usize {
    match part {
        Part::Text(_) => 1,
        Part::Range(spans) => spans.iter().fold(0, |n, s| n.saturating_add(s.len())),
    }
}

fn append(names: &[String], part: &Part<'_>) -> Vec<String> {
    match part {
        Part::Text(text) => names.iter().map(|n| format!("{n}{text}")).collect(),
        Part::Range(spans) => names
            .iter()
            .flat_map(|n| {
                spans
                    .iter()
                    .flat_map(|s| s.texts())
                    .map(move |digits| format!("{n}{digits}"))
            })
            .collect(),
    }
}

fn parse(pattern: &str) -> Result<Vec<Part<'_>>, RangeError> {
    let mut parts = Vec::new();
    let mut rest = pattern;
    while let Some(open) = rest.find('[') {
        parts.push(plain(&rest[..open])?);
        let inside = &rest[open + 1..];
        let close = inside.find(']').ok_or(RangeError::Unclosed)?;
        parts.push(Part::Range(parse_items(&inside[..close])?));
        rest = &inside[close + 1..];
    }
    parts.push(plain(rest)?);
    Ok(parts)
}

fn plain(text: &str) -> Result<Part<'_>, RangeError> {
    if text.contains(']') {
        return Err(RangeError::Unopened);
    }
    Ok(Part::Text(text))
}

fn parse_items(inside: &str) -> Result<Vec<Span>, RangeError> {
    if inside.contains('[') {
        return Err(RangeError::Nested);
    }
    inside.split(',').map(|item| parse_item(item.trim())).collect()
}

fn parse_item(item: &str) -> Result<Span, RangeError> {
    let (from, to) = item.split_once('-').unwrap_or((item, item));
    let (first, last) = (number(from, item)?, number(to, item)?);
    if first > last {
        return Err(RangeError::Reversed(item.to_owned()));
    }
    if padded(from) && from.len() != to.len() || !padded(from) && padded(to) {
        return Err(RangeError::Padding(item.to_owned()));
    }
    let width = if padded(from) { from.len() } else { 0 };
    Ok(Span {
        from: first,
        to: last,
        width,
    })
}

fn padded(digits: &str) -> bool {
    digits.len() > 1 && digits.starts_with('0')
}

fn number(digits: &str, item: &str) -> Result<u64, RangeError> {
    if digits.is_empty() {
        return Err(RangeError::Empty);
    }
    let countable = digits.len() <= MAX_DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    let value = countable.then(|| digits.parse().ok()).flatten();
    value.ok_or_else(|| RangeError::NotANumber(item.to_owned()))
}

/// Names as a person writes them: `m1,worker[01-05,07]`, in natural order, each name once. [`expand`] reads every
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

/// Whether `next` continues the run `first-last` in a way that [`expand`] writes back the same.
fn follows(first: &str, last: &str, next: &str) -> bool {
    let value = |digits: &str| digits.parse::<u64>().unwrap_or(u64::MAX - 1);
    let same_padding = if padded(first) { first.len() == next.len() } else { !padded(next) };
    same_padding && value(last) + 1 == value(next)
}

fn cmp_digits(a: &str, b: &str) -> Ordering {
    let bare = |digits: &str| digits.trim_start_matches('0').to_owned();
    let (x, y) = (bare(a), bare(b));
    x.len().cmp(&y.len()).then_with(|| x.cmp(&y)).then_with(|| a.len().cmp(&b.len()))
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

#[cfg(test)]
#[path = "ranges_tests.rs"]
mod tests;
