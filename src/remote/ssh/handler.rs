//! russh's callbacks: the host key is checked, and every channel that a server wants to open is refused.

use std::sync::{Arc, Mutex, PoisonError};

use russh::client::{self, ChannelOpenHandle, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use russh::{Channel, ChannelOpenFailure};

use crate::remote::error::RemoteError;
use crate::remote::known_hosts::{HostId, KnownHosts};

/// What became of the host key; shared with whoever opens the connection, since russh only knows yes and no.
#[derive(Debug, Default)]
pub(super) struct Greeting {
    /// The server spoke SSH and showed a key.
    pub key_seen: bool,
    pub refusal: Option<RemoteError>,
}

/// One connection's callbacks.
#[derive(Debug)]
pub(super) struct Handler {
    pub known_hosts: Arc<KnownHosts>,
    pub id: HostId,
    pub greeting: Arc<Mutex<Greeting>>,
}

impl Handler {
    fn judge(&self, shown: &PublicKeyOrCertificate) -> bool {
        let verdict = self.known_hosts.check(&self.id, shown);
        let mut greeting = self.greeting.lock().unwrap_or_else(PoisonError::into_inner);
        greeting.key_seen = true;
        greeting.refusal = verdict.err();
        greeting.refusal.is_none()
    }
}

const NO: ChannelOpenFailure = ChannelOpenFailure::AdministrativelyProhibited;

/// russh accepts these by default; a compromised host must not reach our agent or network.
impl client::Handler for Handler {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, russh::Error> {
        Ok(self.judge(shown))
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.reject(NO).await;
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.reject(NO).await;
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.reject(NO).await;
        Ok(())
    }

    async fn server_channel_open_session(
        &mut self,
        _: Channel<Msg>,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.reject(NO).await;
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.reject(NO).await;
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.reject(NO).await;
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _: Channel<Msg>,
        _: &str,
        _: u32,
        reply: ChannelOpenHandle,
        _: &mut Session,
    ) -> Result<(), russh::Error> {
        reply.reject(NO).await;
        Ok(())
    }
}
