//! A set of needles as bits.

const WORDS: usize = 8;

/// A set of needles.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mask([u64; WORDS]);

impl Mask {
    /// How many needles there can be.
    #[cfg(test)]
    pub(super) const BITS: usize = WORDS * 64;

    pub(super) fn set(&mut self, bit: usize) {
        if let Some(word) = self.0.get_mut(bit / 64) {
            *word |= 1 << (bit % 64);
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(word, more)| *word |= more);
    }

    pub(super) fn bits(&self) -> impl Iterator<Item = usize> + '_ {
        (0..WORDS * 64).filter(|bit| self.0.get(bit / 64).is_some_and(|word| word & (1 << (bit % 64)) != 0))
    }

    pub(super) fn has_all(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).all(|(have, want)| have & want == *want)
    }

    pub(super) fn has_any(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).any(|(have, want)| have & want != 0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }
}
