//! Host ranges: `worker[01-05]` to five names, and many names on one line as people are shown them.
//!
//! Here and not in `config`, because diagnoses and reports fold names and may not import `config`.

mod hosts;

use std::fmt;

pub use hosts::{fold_hosts, hosts_and_count, natural_order};

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

#[cfg(test)]
mod tests;
