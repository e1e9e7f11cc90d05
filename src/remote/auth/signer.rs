//! Signs with a key in memory for a certificate: russh itself offers RSA certificates with SHA-1 only, which sshd refuses.

use std::sync::Arc;

use russh::keys::agent::AgentIdentity;
use russh::keys::signature::Signer as _;
use russh::keys::{HashAlg, PrivateKey};
use russh::{AgentAuthError, Signer};

/// A private key as russh's signer. RSA signs with SHA-512, the only hash that is asked of it.
#[derive(Debug)]
pub(super) struct MemorySigner(pub(super) Arc<PrivateKey>);

impl Signer for MemorySigner {
    type Error = AgentAuthError;

    async fn auth_sign(
        &mut self,
        _: &AgentIdentity,
        _: Option<HashAlg>,
        mut to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, Self::Error> {
        let broken = |_| AgentAuthError::Key(russh::keys::Error::InvalidSignature);
        let signature = self.0.try_sign(&to_sign).map_err(broken)?;
        let algorithm = signature.algorithm();
        let (name, bytes) = (algorithm.as_str().as_bytes(), signature.as_bytes());
        let mut blob = Vec::with_capacity(name.len() + bytes.len() + 8);
        put_string(&mut blob, name);
        put_string(&mut blob, bytes);
        put_string(&mut to_sign, &blob);
        Ok(to_sign)
    }
}

/// SSH's `string`: length, then bytes (RFC 4251, 5). A signature is far below 4 GiB.
fn put_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}
