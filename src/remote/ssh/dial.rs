//! `dial`: a TCP connection from the host, tunnelled.

use russh::ChannelOpenFailure;
use tokio::time::timeout;

use crate::remote::error::{RemoteError, TunnelRefusal};
use crate::remote::transport::Duplex;

use super::connection::Connection;
use super::fleet::Shared;
use super::slot::Slot;

impl Slot {
    /// Opens the tunnel; a connection that turns out to be lost is opened once more.
    pub(super) async fn dial(&self, shared: &Shared, address: &str, port: u16) -> Result<Box<dyn Duplex>, RemoteError> {
        let connection = self.connection(shared).await?;
        match open(&connection, address, port).await {
            Err(RemoteError::Lost { .. }) => open(&*self.connection(shared).await?, address, port).await,
            result => result,
        }
    }
}

async fn open(connection: &Connection, address: &str, port: u16) -> Result<Box<dyn Duplex>, RemoteError> {
    let channel = connection
        .handle
        .channel_open_direct_tcpip(address, u32::from(port), "127.0.0.1", 0);
    let target = format!("{address}:{port}");
    match timeout(connection.deadline, channel).await {
        Ok(Ok(channel)) => Ok(Box::new(channel.into_stream())),
        Ok(Err(russh::Error::ChannelOpenFailure(why))) => Err(refusal(target, &why)),
        Ok(Err(_)) => Err(RemoteError::Lost { sent: false }),
        Err(_) => Err(RemoteError::ConnectTimeout {
            address: target,
            stage: "the tunnel",
            after: connection.deadline,
        }),
    }
}

fn refusal(target: String, why: &ChannelOpenFailure) -> RemoteError {
    match why {
        ChannelOpenFailure::ConnectFailed => RemoteError::TunnelRefused {
            target,
            reason: TunnelRefusal::Closed,
        },
        ChannelOpenFailure::AdministrativelyProhibited => RemoteError::TunnelRefused {
            target,
            reason: TunnelRefusal::Forbidden,
        },
        other => RemoteError::ChannelRefused {
            what: "the tunnel",
            reason: format!("{other:?}"),
        },
    }
}
