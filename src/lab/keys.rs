//! Keys of the lab: new ones at each start, ed25519 only.

use russh::keys::ssh_key::{self, Algorithm, PrivateKey};

/// A new ed25519 key, for a host or for the login.
pub fn generate() -> Result<PrivateKey, ssh_key::Error> {
    PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519)
}
