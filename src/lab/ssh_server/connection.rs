//! One client of one host: login and channel requests.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use russh::keys::ssh_key::PublicKey;
use russh::server::{Auth, ChannelOpenHandle, Handle, Handler, Msg, PublicKeyOffer, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelOpenFailure, Disconnect, Pty};
use secrecy::ExposeSecret;
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::command::{self, Work};
use super::server::Door;
use super::severable::Severable;
use super::tunnel;

/// A client that says nothing is dropped after this time.
const BANNER_DEADLINE: Duration = Duration::from_secs(10);
/// Between the goodbye and the cut, when the server ends.
const GOODBYE: Duration = Duration::from_millis(200);

/// Serves one TCP connection to its end.
pub(super) async fn serve(socket: TcpStream, door: Arc<Door>) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "no TCP_NODELAY");
    }
    let cut = door.enter();
    let stream = Severable::new(socket, cut.clone());
    let client = Connection::new(Arc::clone(&door), cut.clone());
    let starting = russh::server::run_stream(Arc::clone(&door.config), stream, client);
    if let Ok(Ok(mut session)) = tokio::time::timeout(BANNER_DEADLINE, starting).await {
        let handle = session.handle();
        tokio::select! {
            ended = &mut session => trace_end(&door, ended),
            () = door.stop.cancelled() => {
                goodbye(&handle).await;
                let _ = tokio::time::timeout(GOODBYE, session).await;
            }
        }
    }
    cut.cancel();
}

fn trace_end(door: &Door, ended: Result<(), russh::Error>) {
    if let Err(error) = ended {
        tracing::debug!(host = %door.host, %error, "a connection ended");
    }
}

async fn goodbye(session: &Handle) {
    let text = "the lab is shutting down".to_owned();
    let saying = session.disconnect(Disconnect::ByApplication, text, String::new());
    let _ = tokio::time::timeout(GOODBYE, saying).await;
}

/// A session channel before its exec or shell request.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) channel: Channel<Msg>,
    /// One of the connection's `max_sessions`.
    pub(super) slot: OwnedSemaphorePermit,
    /// A pty was asked for.
    pub(super) terminal: bool,
}

/// Who runs commands, and where.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub(super) door: Arc<Door>,
    pub(super) user: String,
    /// Cancelled when the connection has ended, or must.
    pub(super) cut: CancellationToken,
}

#[derive(Debug)]
struct Connection {
    login: Login,
    slots: Arc<Semaphore>,
    opened: HashMap<ChannelId, Opened>,
}

impl Connection {
    fn new(door: Arc<Door>, cut: CancellationToken) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(door.options.max_sessions)),
            login: Login {
                door,
                user: String::new(),
                cut,
            },
            opened: HashMap::new(),
        }
    }

    fn knows(&self, user: &str, key: &PublicKey) -> bool {
        matches!(user, "ops" | "root") && key.key_data() == self.login.door.options.authorized.key_data()
    }

    fn knows_password(&self, user: &str, password: &str) -> bool {
        let expected = self.login.door.options.password.as_ref();
        user == "ops" && expected.is_some_and(|p| p.expose_secret() == password)
    }

    fn answer(&mut self, user: &str, known: bool) -> Auth {
        if !known {
            return Auth::reject();
        }
        user.clone_into(&mut self.login.user);
        Auth::Accept
    }

    /// Gives the channel away to a task: a handler that waits would stop the whole connection.
    fn begin(&mut self, id: ChannelId, work: Work, session: &mut Session) -> Result<(), russh::Error> {
        let Some(opened) = self.opened.remove(&id) else {
            return session.channel_failure(id);
        };
        session.channel_success(id)?;
        let serving = command::serve(self.login.clone(), opened, session.handle(), work);
        self.login.door.tasks.spawn(serving);
        Ok(())
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey_offered(&mut self, user: &str, offer: PublicKeyOffer<'_>) -> Result<Auth, Self::Error> {
        let known = self.knows(user, offer.public_key);
        Ok(if known { Auth::Accept } else { Auth::reject() })
    }

    async fn auth_publickey(&mut self, user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        let known = self.knows(user, key.public_key);
        Ok(self.answer(user, known))
    }

    async fn auth_password(&mut self, user: &str, password: &str) -> Result<Auth, Self::Error> {
        let known = self.knows_password(user, password);
        Ok(self.answer(user, known))
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        // What OpenSSH answers beyond MaxSessions.
        let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() else {
            reply.reject(ChannelOpenFailure::ConnectFailed).await;
            return Ok(());
        };
        let opened = Opened {
            channel,
            slot,
            terminal: false,
        };
        self.opened.insert(opened.channel.id(), opened);
        reply.accept().await;
        Ok(())
    }

    async fn channel_open_direct_tcpip(
        &mut self,
        channel: Channel<Msg>,
        address: &str,
        port: u32,
        _originator_address: &str,
        _originator_port: u32,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        let target = (address.to_owned(), port);
        let serving = tunnel::serve(self.login.clone(), channel, reply, target);
        self.login.door.tasks.spawn(serving);
        Ok(())
    }

    async fn channel_close(&mut self, channel: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        self.opened.remove(&channel);
        Ok(())
    }

    async fn pty_request(
        &mut self,
        channel: ChannelId,
        _term: &str,
        _columns: u32,
        _rows: u32,
        _pixel_width: u32,
        _pixel_height: u32,
        _modes: &[(Pty, u32)],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let Some(opened) = self.opened.get_mut(&channel) else {
            return session.channel_failure(channel);
        };
        opened.terminal = true;
        session.channel_success(channel)
    }

    /// Accepted and ignored: `ssh` sends LANG, and a refusal would only be noise.
    async fn env_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        _value: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn window_change_request(
        &mut self,
        channel: ChannelId,
        _columns: u32,
        _rows: u32,
        _pixel_width: u32,
        _pixel_height: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_success(channel)
    }

    async fn exec_request(
        &mut self,
        channel: ChannelId,
        data: &[u8],
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        let line = String::from_utf8_lossy(data).into_owned();
        self.begin(channel, Work::Exec(line), session)
    }

    async fn shell_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        self.begin(channel, Work::Shell, session)
    }

    async fn subsystem_request(
        &mut self,
        channel: ChannelId,
        _name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }

    async fn agent_request(&mut self, channel: ChannelId, session: &mut Session) -> Result<bool, Self::Error> {
        session.channel_failure(channel)?;
        Ok(false)
    }

    async fn x11_request(
        &mut self,
        channel: ChannelId,
        _single_connection: bool,
        _protocol: &str,
        _cookie: &str,
        _screen: u32,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(channel)
    }
}
