//! One pass over a message: which needles of all tables occur in it, as a bit set; rows are then bit tests.
//!
//! Needles are plain text, compared without regard to ASCII case (klog messages began in lower case until structured
//! logging made them sentences).

use std::collections::HashMap;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::causes::CAUSES;
use super::phrases::phrases;
use super::scopes::scopes;

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
    pub(super) fn hold(&self, facts: &Mask) -> bool {
        facts.has_all(&self.all)
            && self.any.is_none_or(|any| facts.has_any(&any))
            && self.one_of.is_none_or(|any| facts.has_any(&any))
            && !facts.has_any(&self.not)
    }
}

/// All needles compiled, and the rows of each table as bits (same order as the table).
#[derive(Debug)]
pub(super) struct Facts {
    needles: Option<AhoCorasick>,
    pub(super) phrases: Vec<Bits>,
    pub(super) scopes: Vec<Bits>,
    pub(super) causes: Vec<Bits>,
}

pub(super) static FACTS: LazyLock<Facts> = LazyLock::new(Facts::compile);

impl Facts {
    /// The needles that occur in `text`.
    pub(super) fn of(&self, text: &str) -> Mask {
        let mut mask = Mask::default();
        for found in self
            .needles
            .iter()
            .flat_map(|needles| needles.find_overlapping_iter(text))
        {
            mask.set(found.pattern().as_usize());
        }
        mask
    }

    fn compile() -> Self {
        let mut needles = Needles::default();
        let phrases = phrases().map(|row| needles.bits(&row.text)).collect();
        let scopes = scopes().map(|row| needles.bits(&row.text)).collect();
        let causes = CAUSES.iter().map(|row| needles.bits(&row.text)).collect();
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::DFA))
            .build(&needles.patterns);
        Self {
            needles: automaton.ok(),
            phrases,
            scopes,
            causes,
        }
    }

    /// How many needles there are, and how many fit the mask (for the table's own test).
    #[cfg(test)]
    pub(super) fn size(&self) -> (usize, usize) {
        (self.needles.as_ref().map_or(0, AhoCorasick::patterns_len), WORDS * 64)
    }
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
