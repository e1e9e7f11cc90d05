//! Which keys are offered, in which order, and offering one.

use std::path::PathBuf;
use std::sync::Arc;

use russh::client::{AuthResult, Handle, Handler};
use russh::keys::agent::AgentIdentity;
use russh::keys::{Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKey, load_openssh_certificate};

use crate::remote::error::RemoteError;
use crate::remote::ssh::Target;

use super::keys::KeyFile;
use super::signer::MemorySigner;
use super::{Attempt, Authenticator, exchange};

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
                Some(file) => files.push(file),
                None => offers.notes.push(format!("{} (no such file)", path.display())),
            }
        }
        if target.identities.is_empty() && !target.identities_only {
            offers.list.extend(held.iter().map(&agent));
            let usual = self.keys.usual().into_iter().filter_map(|p| self.keys.file(&p));
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
                let name = format!("agent key {}", identity.comment());
                let hash = hash_for(handle, target, &identity.public_key()).await?;
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
        if let Some(certificate) = file.certificate {
            let result = with_certificate(handle, target, &key, certificate).await?;
            if attempt.note(format!("{name} with its certificate"), result) {
                return Ok(true);
            }
        }
        let hash = hash_for(handle, target, key.public_key()).await?;
        let result = plain(handle, target, &key, hash).await?;
        if attempt.note(name.clone(), result) {
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

/// The best RSA hash of the server; SHA-1 only as a chosen legacy. russh waits up to 1 s for servers before 7.2.
async fn hash_for<H: Handler>(
    handle: &Handle<H>,
    target: &Target,
    key: &PublicKey,
) -> Result<Option<HashAlg>, RemoteError> {
    if !key.algorithm().is_rsa() {
        return Ok(None);
    }
    let best = exchange(target, handle.best_supported_rsa_hash()).await?.flatten();
    Ok(if target.legacy_algorithms {
        best
    } else {
        best.or(Some(HashAlg::Sha512))
    })
}

fn same(file: &KeyFile, identity: &AgentIdentity) -> bool {
    let held = identity.public_key();
    file.public.as_ref().is_some_and(|p| p.key_data() == held.key_data())
}

/// `CertificateFile` of ssh_config, when it certifies this key.
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
