//! One pass over a message: which needles of all tables occur in it, as a bit set; rows are then bit tests.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::RegexSet;

use super::causes::CAUSES;
use super::phrases::PHRASES;
use super::scopes::SCOPES;

const WORDS: usize = 8;

/// A set of needles.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mask([u64; WORDS]);

impl Mask {
    fn set(&mut self, bit: usize) {
        if let Some(word) = self.0.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }

    fn has_all(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(have, want)| have & want == *want)
    }

    fn has_any(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(have, want)| have & want != 0)
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}

/// The text condition of a row: literal strings, or a regular expression after the prefix `re:`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text {
    /// All of these occur.
    pub(super) all: &'static [&'static str],
    /// At least one of these occurs (no condition when empty).
    pub(super) any: &'static [&'static str],
    /// None of these occurs.
    pub(super) not: &'static [&'static str],
}

impl Text {
    pub(super) const fn all(all: &'static [&'static str]) -> Self {
        Self { all, any: &[], not: &[] }
    }

    pub(super) const fn any(any: &'static [&'static str]) -> Self {
        Self { all: &[], any, not: &[] }
    }

    pub(super) const fn and_any(self, any: &'static [&'static str]) -> Self {
        Self { any, ..self }
    }

    pub(super) const fn not(self, not: &'static [&'static str]) -> Self {
        Self { not, ..self }
    }
}

/// A [`Text`] as bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bits {
    all: Mask,
    any: Mask,
    not: Mask,
}

impl Bits {
    pub(super) fn hold(&self, facts: &Mask) -> bool {
        facts.has_all(&self.all) && (self.any.is_empty() || facts.has_any(&self.any)) && !facts.has_any(&self.not)
    }
}

/// All needles compiled, and the rows of each table as bits (same order as the table).
#[derive(Debug)]
pub(super) struct Facts {
    set: RegexSet,
    pub(super) phrases: Vec<Bits>,
    pub(super) scopes: Vec<Bits>,
    pub(super) causes: Vec<Bits>,
}

pub(super) static FACTS: LazyLock<Facts> = LazyLock::new(Facts::compile);

impl Facts {
    /// The needles that occur in `text`.
    pub(super) fn of(&self, text: &str) -> Mask {
        let mut mask = Mask::default();
        for bit in &self.set.matches(text) {
            mask.set(bit);
        }
        mask
    }

    fn compile() -> Self {
        let mut needles = Needles::default();
        let phrases = PHRASES.iter().map(|row| needles.bits(&row.text)).collect();
        let scopes = SCOPES.iter().map(|row| needles.bits(&row.text)).collect();
        let causes = CAUSES.iter().map(|row| needles.bits(&row.text)).collect();
        let set = regex::RegexSetBuilder::new(&needles.patterns)
            .dfa_size_limit(32 << 20)
            .build()
            .unwrap_or_else(|_| RegexSet::empty());
        Self { set, phrases, scopes, causes }
    }

    /// How many needles there are, and how many fit the mask (for the table's own test).
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        (self.set.len(), WORDS * 64)
    }
}

#[derive(Default)]
struct Needles {
    patterns: Vec<String>,
    index: HashMap<&'static str, usize>,
}

impl Needles {
    fn bits(&mut self, text: &Text) -> Bits {
        Bits { all: self.mask(text.all), any: self.mask(text.any), not: self.mask(text.not) }
    }

    fn mask(&mut self, needles: &[&'static str]) -> Mask {
        let mut mask = Mask::default();
        for needle in needles {
            mask.set(self.bit(needle));
        }
        mask
    }

    fn bit(&mut self, needle: &'static str) -> usize {
        if let Some(bit) = self.index.get(needle) {
            return *bit;
        }
        let bit = self.patterns.len();
        let pattern = needle.strip_prefix("re:").map_or_else(|| regex::escape(needle), str::to_owned);
        self.patterns.push(pattern);
        self.index.insert(needle, bit);
        bit
    }
}
