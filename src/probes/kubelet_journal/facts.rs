//! One pass over a message: which needles of all tables occur in it, as a bit set; rows are then bit tests, and only
//! those rows are tested that have one of the needles found.
//!
//! Needles are plain text, compared without regard to ASCII case (klog messages began in lower case until structured
//! logging made them sentences), except [`EXACT`].

use std::collections::HashMap;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Match};

use super::causes::{CAUSES, Cause};
use super::mask::Mask;
use super::phrases::{Phrase, phrases};
use super::scopes::{Scope, ScopeRow, scopes};

/// The one needle whose case counts: the API server writes it so, while pods, secrets and pages are named in lower case.
const EXACT: &str = "Unauthorized";

/// The text condition of a row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    /// All of these occur.
    all: &'static [&'static str],
    /// At least one of these occurs (no condition when empty).
    any: &'static [&'static str],
    /// And at least one of these (no condition when empty).
    one_of: &'static [&'static str],
    /// None of these occurs.
    not: &'static [&'static str],
}

impl Text {
    const ALWAYS: Self = Self {
        all: &[],
        any: &[],
        one_of: &[],
        not: &[],
    };

    pub(super) const fn all(all: &'static [&'static str]) -> Self {
        Self { all, ..Self::ALWAYS }
    }

    pub(super) const fn any(any: &'static [&'static str]) -> Self {
        Self { any, ..Self::ALWAYS }
    }

    pub(super) const fn and_any(self, any: &'static [&'static str]) -> Self {
        Self { any, ..self }
    }

    pub(super) const fn and_all(self, all: &'static [&'static str]) -> Self {
        Self { all, ..self }
    }

    pub(super) const fn and_one_of(self, one_of: &'static [&'static str]) -> Self {
        Self { one_of, ..self }
    }

    pub(super) const fn not(self, not: &'static [&'static str]) -> Self {
        Self { not, ..self }
    }
}

/// A [`Text`] as bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bits {
    all: Mask,
    any: Option<Mask>,
    one_of: Option<Mask>,
    not: Mask,
}

impl Bits {
    /// Needles of which a text that fits has at least one.
    fn positive(&self) -> Mask {
        let mut mask = self.all;
        for any in [self.any, self.one_of].into_iter().flatten() {
            mask.add(&any);
        }
        mask
    }

    fn hold(&self, facts: &Mask) -> bool {
        facts.has_all(&self.all)
            && self.any.is_none_or(|any| facts.has_any(&any))
            && self.one_of.is_none_or(|any| facts.has_any(&any))
            && !facts.has_any(&self.not)
    }
}

/// Rows of the three tables, one bit a row.
#[derive(Debug, Clone, Copy, Default)]
struct Rows {
    phrases: u128,
    scopes: u128,
    causes: u128,
}

/// Most rows that a table may have: the bits of [`Rows`].
#[cfg(test)]
pub(super) const MOST_ROWS: usize = 128;

/// The needles of one text, and the rows that have one of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Found {
    mask: Mask,
    rows: Rows,
}

/// All needles compiled, and the rows of each table as bits (same order as the table).
#[derive(Debug)]
pub(super) struct Facts {
    needles: Option<AhoCorasick>,
    /// Which needle is [`EXACT`].
    exact: Option<usize>,
    /// By needle.
    rows_of: Vec<Rows>,
    phrases: Vec<(&'static Phrase, Bits)>,
    scopes: Vec<(&'static ScopeRow, Bits)>,
    /// By klog source file: the first row of `scopes` that names it.
    scope_of_file: HashMap<&'static str, usize>,
    causes: Vec<(&'static Cause, Bits)>,
}

pub(super) static FACTS: LazyLock<Facts> = LazyLock::new(Facts::compile);

impl Facts {
    /// The needles that occur in `text`.
    pub(super) fn of(&self, text: &str) -> Found {
        let mut found = Found::default();
        let hits = self.needles.iter().flat_map(|n| n.find_overlapping_iter(text));
        let meant = |hit: &Match| Some(hit.pattern().as_usize()) != self.exact || text.get(hit.range()) == Some(EXACT);
        for needle in hits.filter(meant).map(|hit| hit.pattern().as_usize()) {
            found.mask.set(needle);
            if let Some(rows) = self.rows_of.get(needle) {
                found.rows.phrases |= rows.phrases;
                found.rows.scopes |= rows.scopes;
                found.rows.causes |= rows.causes;
            }
        }
        found
    }

    /// The statements that hold, first in the table first.
    pub(super) fn phrases<'a>(&'a self, found: &'a Found) -> impl Iterator<Item = &'static Phrase> + 'a {
        holding(&self.phrases, found.rows.phrases, &found.mask).map(|(_, row)| row)
    }

    /// The first scope that holds, by text or by source file.
    pub(super) fn scope(&self, found: &Found, file: &str) -> Option<&'static ScopeRow> {
        let by_text = holding(&self.scopes, found.rows.scopes, &found.mask)
            .map(|(at, _)| at)
            .next();
        let by_file = self.scope_of_file.get(file).copied();
        let first = by_text.into_iter().chain(by_file).min()?;
        self.scopes.get(first).map(|(row, _)| *row)
    }

    /// The scope that a klog source file decides.
    pub(super) fn scope_of_file(&self, file: &str) -> Option<Scope> {
        let at = self.scope_of_file.get(file)?;
        self.scopes.get(*at).map(|(row, _)| row.scope)
    }

    /// Whether the row `rule` is among the scopes that hold by text.
    pub(super) fn has_scope(&self, found: &Found, rule: &str) -> bool {
        holding(&self.scopes, found.rows.scopes, &found.mask).any(|(_, row)| row.rule == rule)
    }

    /// The first cause that holds.
    pub(super) fn cause(&self, found: &Found) -> Option<&'static Cause> {
        holding(&self.causes, found.rows.causes, &found.mask)
            .map(|(_, row)| row)
            .next()
    }

    fn compile() -> Self {
        let mut needles = Needles::default();
        let phrases: Vec<_> = phrases().map(|row| (row, needles.bits(&row.text))).collect();
        let scopes: Vec<_> = scopes().map(|row| (row, needles.bits(&row.text))).collect();
        let causes: Vec<_> = CAUSES.iter().map(|row| (row, needles.bits(&row.text))).collect();
        let mut rows_of = vec![Rows::default(); needles.patterns.len()];
        touch(&mut rows_of, &phrases, |rows| &mut rows.phrases);
        touch(&mut rows_of, &scopes, |rows| &mut rows.scopes);
        touch(&mut rows_of, &causes, |rows| &mut rows.causes);
        let mut scope_of_file = HashMap::new();
        for (at, (row, _)) in scopes.iter().enumerate() {
            for file in row.files {
                scope_of_file.entry(*file).or_insert(at);
            }
        }
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&needles.patterns);
        Self {
            needles: automaton.ok(),
            exact: needles.index.get(EXACT).copied(),
            rows_of,
            phrases,
            scopes,
            scope_of_file,
            causes,
        }
    }

    /// How many needles there are, and how many fit the mask (for the table's own test).
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        (self.needles.as_ref().map_or(0, AhoCorasick::patterns_len), Mask::BITS)
    }

    /// The length of the longest table (for the table's own test).
    #[cfg(test)]
    pub(super) fn longest(&self) -> usize {
        self.phrases.len().max(self.scopes.len()).max(self.causes.len())
    }
}

/// Marks in each needle the rows that want it.
fn touch<R>(rows_of: &mut [Rows], table: &[(R, Bits)], field: impl Fn(&mut Rows) -> &mut u128) {
    for (at, (_, bits)) in table.iter().enumerate() {
        for needle in bits.positive().bits() {
            if let Some(rows) = rows_of.get_mut(needle) {
                *field(rows) |= 1 << at;
            }
        }
    }
}

/// Index and row of each candidate that holds, in order.
fn holding<'a, R: Copy>(
    table: &'a [(R, Bits)],
    mut candidates: u128,
    mask: &'a Mask,
) -> impl Iterator<Item = (usize, R)> + 'a {
    std::iter::from_fn(move || {
        while candidates != 0 {
            let at = candidates.trailing_zeros() as usize;
            candidates &= candidates - 1;
            match table.get(at) {
                Some((row, bits)) if bits.hold(mask) => return Some((at, *row)),
                _ => {}
            }
        }
        None
    })
}

#[derive(Default)]
struct Needles {
    patterns: Vec<&'static str>,
    index: HashMap<&'static str, usize>,
}

impl Needles {
    fn bits(&mut self, text: &Text) -> Bits {
        Bits {
            all: self.mask(text.all),
            any: Some(self.mask(text.any)).filter(|mask| !mask.is_empty()),
            one_of: Some(self.mask(text.one_of)).filter(|mask| !mask.is_empty()),
            not: self.mask(text.not),
        }
    }

    fn mask(&mut self, needles: &[&'static str]) -> Mask {
        let mut mask = Mask::default();
        for needle in needles {
            mask.set(self.bit(needle));
        }
        mask
    }

    fn bit(&mut self, needle: &'static str) -> usize {
        let next = self.patterns.len();
        let bit = *self.index.entry(needle).or_insert(next);
        if bit == next {
            self.patterns.push(needle);
        }
        bit
    }
}
