//! Small deterministic randomness (splitmix64): names and ids that depend on the seed alone.

/// A stream of numbers.
#[derive(Debug, Clone)]
pub(super) struct Rng(u64);

impl Rng {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Lower-case hex of any length.
    pub(super) fn hex(&mut self, digits: usize) -> String {
        let mut text = String::with_capacity(digits + 16);
        while text.len() < digits {
            let word = format!("{:016x}", self.next());
            text += &word;
        }
        text.truncate(digits);
        text
    }

    /// A pod name suffix from the alphabet of Kubernetes (no vowels, no look-alikes).
    pub(super) fn suffix(&mut self, length: usize) -> String {
        const ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let pick = |n: u64| char::from(ALPHABET[usize::try_from(n % ALPHABET.len() as u64).unwrap_or(0)]);
        (0..length).map(|_| pick(self.next())).collect()
    }
}
