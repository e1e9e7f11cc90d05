//! When a connection is tried again: full jitter, bounded, and only before any credential was sent.

use std::time::Duration;

use tokio_rustls::rustls::crypto::ring::default_provider;

/// How failed attempts are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Upper bound of the first pause; doubles each time.
    pub first: Duration,
    /// Upper bound of any pause.
    pub longest: Duration,
    /// Attempts in all.
    pub tries: u32,
    /// Attempts when nothing listens on the port: sshd restarting, or simply not there.
    pub refused_tries: u32,
    /// The pause after a host said that it penalises us; sshd's `PerSourcePenalties` last 15 s at least.
    pub penalised: Duration,
    /// All attempts together; sshd's own `LoginGraceTime`.
    pub total: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            longest: Duration::from_secs(5),
            tries: 8,
            refused_tries: 3,
            penalised: Duration::from_secs(16),
            total: Duration::from_secs(120),
        }
    }
}

impl Backoff {
    /// The pause after attempt number `attempt` (from 1): uniform between zero and the bound.
    pub(super) fn pause(&self, attempt: u32) -> Duration {
        let doubled = self
            .first
            .saturating_mul(2_u32.saturating_pow(attempt.saturating_sub(1)));
        doubled.min(self.longest).mul_f64(fraction())
    }
}

fn fraction() -> f64 {
    let [a, b, c, d, ..] = random();
    f64::from(u32::from_le_bytes([a, b, c, d])) / f64::from(u32::MAX)
}

fn random() -> [u8; 16] {
    let mut bytes = [0; 16];
    // ring's generator fails only where the system has none; then marks repeat and pauses are short, nothing worse.
    let _ = default_provider().secure_random.fill(&mut bytes);
    bytes
}

/// 32 random hex digits: a marker or a prompt that nobody else prints.
pub(super) fn token() -> String {
    use std::fmt::Write;
    random().iter().fold(String::with_capacity(32), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_bound_and_are_spread() {
        let backoff = Backoff::default();
        for attempt in 1..20 {
            assert!(backoff.pause(attempt) <= backoff.longest);
        }
        assert!(backoff.pause(1) <= backoff.first);
        let differ = (0..8)
            .map(|_| backoff.pause(9))
            .collect::<std::collections::HashSet<_>>();
        assert!(differ.len() > 1, "full jitter");
    }

    #[test]
    fn tokens_differ() {
        assert_eq!(token().len(), 32);
        assert_ne!(token(), token());
    }
}
