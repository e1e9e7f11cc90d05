//! Which keys are offered, in which order, and offering one.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use russh::client::{AuthResult, Handle, Handler};
use russh::keys::agent::AgentIdentity;
use russh::keys::{Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, load_openssh_certificate};

use crate::remote::error::RemoteError;
use crate::remote::ssh::Target;

use super::keys::KeyFile;
use super::signer::MemorySigner;
use super::{Attempt, Authenticator, exchange, still_there};

/// One thing to offer.
#[derive(Debug)]
pub(super) enum Offer {
    File(KeyFile),
    Agent { socket: PathBuf, identity: AgentIdentity },
}

/// What to offer, and why some named keys are not among it.
#[derive(Debug, Default)]
pub(super) struct Offers {
    pub list: Vec<Offer>,
    pub notes: Vec<String>,
}

impl Authenticator {
    pub(super) async fn offers(&self, target: &Target) -> Offers {
        let mut offers = Offers::default();
        let socket = self.agent.socket(target.agent.as_deref());
        let held = match &socket {
            Some(socket) => self.agent.identities(socket).await,
            None => Arc::default(),
        };
        let agent = |identity: &AgentIdentity| Offer::Agent {
            socket: socket.clone().unwrap_or_default(),
            identity: identity.clone(),
        };
        let mut files: Vec<KeyFile> = Vec::new();
        for path in &target.identities {
            match self.keys.file(path) {
                Ok(file) => files.push(file),
                Err(why) => offers.notes.push(format!("{} ({why})", path.display())),
            }
        }
        if target.identities.is_empty() && !target.identities_only {
            offers.list.extend(held.iter().map(&agent));
            let usual = self.keys.usual().into_iter().filter_map(|p| self.keys.file(&p).ok());
            files.extend(usual.filter(|f| !held.iter().any(|i| same(f, i))));
        }
        for mut file in files {
            attach_certificate(&mut file, target);
            let in_agent = held.iter().filter(|i| same(&file, i) && file.private.is_none());
            let in_agent: Vec<Offer> = in_agent.map(&agent).collect();
            if in_agent.is_empty() {
                offers.list.push(Offer::File(file));
            }
            offers.list.extend(in_agent);
        }
        offers
    }

    /// Offers one key; `true` when we are in.
    pub(super) async fn try_offer<H: Handler>(
        &self,
        handle: &mut Handle<H>,
        target: &Target,
        offer: Offer,
        attempt: &mut Attempt,
    ) -> Result<bool, RemoteError> {
        match offer {
            Offer::File(file) => self.try_file(handle, target, file, attempt).await,
            Offer::Agent { socket, identity } => {
                let (hash, only_sha1) = hash_for(handle, target, &identity.public_key()).await?;
                let name = with_hint(format!("agent key {}", identity.comment()), only_sha1);
                let login = self.agent.log_in(&socket, handle, &target.user, &identity, hash);
                let result = exchange(target, async { Ok::<_, String>(login.await) }).await?;
                match result {
                    Ok(result) => Ok(attempt.note(name, result)),
                    Err(why) => {
                        attempt.tried.push(format!("{name} ({why})"));
                        Ok(false)
                    }
                }
            }
        }
    }

    async fn try_file<H: Handler>(
        &self,
        handle: &mut Handle<H>,
        target: &Target,
        file: KeyFile,
        attempt: &mut Attempt,
    ) -> Result<bool, RemoteError> {
        let name = file.path.display().to_string();
        if file.private.is_none() && !file.encrypted {
            attempt
                .tried
                .push(format!("{name} (not readable as a private key, and not in the agent)"));
            return Ok(false);
        }
        let key = self.keys.unlock(&file).await?;
        still_there(handle)?;
        if let Some(certificate) = file.certificate {
            let hint = objection(&certificate, &target.user).unwrap_or_default();
            let result = with_certificate(handle, target, &key, certificate).await?;
            if attempt.note(format!("{name} with its certificate{hint}"), result) {
                return Ok(true);
            }
        }
        let (hash, only_sha1) = hash_for(handle, target, key.public_key()).await?;
        let result = plain(handle, target, &key, hash).await?;
        if attempt.note(with_hint(name.clone(), only_sha1), result) {
            return Ok(true);
        }
        if target.legacy_algorithms && key.algorithm().is_rsa() && hash.is_some() && !handle.is_closed() {
            let result = plain(handle, target, &key, None).await?;
            return Ok(attempt.note(format!("{name} with SHA-1"), result));
        }
        Ok(false)
    }
}

async fn plain<H: Handler>(
    handle: &mut Handle<H>,
    target: &Target,
    key: &Arc<PrivateKey>,
    hash: Option<HashAlg>,
) -> Result<AuthResult, RemoteError> {
    let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
    exchange(target, handle.authenticate_publickey(&target.user, key)).await
}

async fn with_certificate<H: Handler>(
    handle: &mut Handle<H>,
    target: &Target,
    key: &Arc<PrivateKey>,
    certificate: Certificate,
) -> Result<AuthResult, RemoteError> {
    let hash = key.algorithm().is_rsa().then_some(HashAlg::Sha512);
    let mut signer = MemorySigner(Arc::clone(key));
    let login = handle.authenticate_certificate_with(&target.user, certificate, hash, &mut signer);
    exchange(target, login).await
}

/// The best RSA hash of the server, and whether it takes SHA-1 only, which needs a person's consent. russh waits up to
/// 1 s for servers before 7.2, which do not say.
async fn hash_for<H: Handler>(
    handle: &Handle<H>,
    target: &Target,
    key: &PublicKey,
) -> Result<(Option<HashAlg>, bool), RemoteError> {
    if !key.algorithm().is_rsa() {
        return Ok((None, false));
    }
    let best = exchange(target, handle.best_supported_rsa_hash()).await?.flatten();
    Ok(if target.legacy_algorithms {
        (best, false)
    } else {
        (best.or(Some(HashAlg::Sha512)), best.is_none())
    })
}

/// Why sshd will have refused a certificate: it does not say.
fn objection(certificate: &Certificate, user: &str) -> Option<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let principals = certificate.valid_principals();
    if now < certificate.valid_after() {
        Some(" (the certificate is not valid yet: compare the clocks)".to_owned())
    } else if now >= certificate.valid_before() {
        Some(" (the certificate is no longer valid: have it issued again)".to_owned())
    } else if !principals.is_empty() && !principals.iter().any(|p| p == user) {
        Some(format!(
            " (the certificate is for {}, not for {user})",
            principals.join(", ")
        ))
    } else {
        None
    }
}

fn with_hint(name: String, only_sha1: bool) -> String {
    if only_sha1 {
        format!(
            "{name} (the sshd does not say that it takes RSA keys with SHA-2, so it is old or takes none: use an ed25519 key, or set `legacy-algorithms: true`)"
        )
    } else {
        name
    }
}

fn same(file: &KeyFile, identity: &AgentIdentity) -> bool {
    let held = identity.public_key();
    file.public.as_ref().is_some_and(|p| p.key_data() == held.key_data())
}

/// `CertificateFile` of `ssh_config`, when it certifies this key.
fn attach_certificate(file: &mut KeyFile, target: &Target) {
    if file.certificate.is_some() {
        return;
    }
    let listed = target
        .certificates
        .iter()
        .filter_map(|p| load_openssh_certificate(p).ok());
    let public = file.public.as_ref().map(PublicKey::key_data);
    file.certificate = listed.into_iter().find(|c| Some(c.public_key()) == public);
}
