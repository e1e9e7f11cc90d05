//! direct-tcpip: a TCP connection from the host, as `ssh -L`, `-W` and `-J` ask for.

use russh::server::{ChannelOpenHandle, Msg};
use russh::{Channel, ChannelOpenFailure};

use crate::remote::Duplex;
use crate::remote::error::TunnelRefusal;

use super::connection::Login;

/// Dials, answers the client, and copies both ways until both ends are done or the connection is.
pub(super) async fn serve(login: Login, channel: Channel<Msg>, reply: ChannelOpenHandle, target: (String, u32)) {
    let (address, port) = target;
    let Some(dialed) = login.cut.run_until_cancelled(dial(&login, &address, port)).await else {
        return;
    };
    match dialed {
        Ok(stream) => {
            reply.accept().await;
            let copying = login.door.stop.run_until_cancelled(copy(channel, stream));
            login.cut.run_until_cancelled(copying).await;
        }
        Err(refusal) => reply.reject(failure(&refusal)).await,
    }
}

async fn dial(login: &Login, address: &str, port: u32) -> Result<Box<dyn Duplex>, TunnelRefusal> {
    let door = &login.door;
    match u16::try_from(port) {
        Ok(port) => door.machine.dial(&door.host, address, port).await,
        Err(_) => Err(TunnelRefusal::Closed),
    }
}

async fn copy(channel: Channel<Msg>, mut stream: Box<dyn Duplex>) {
    let mut client = channel.into_stream();
    if let Err(error) = tokio::io::copy_bidirectional(&mut client, &mut stream).await {
        tracing::debug!(%error, "a tunnel broke");
    }
}

/// The reasons that sshd gives (RFC 4254, 5.1).
fn failure(refusal: &TunnelRefusal) -> ChannelOpenFailure {
    match refusal {
        TunnelRefusal::Closed => ChannelOpenFailure::ConnectFailed,
        TunnelRefusal::Forbidden => ChannelOpenFailure::AdministrativelyProhibited,
    }
}
