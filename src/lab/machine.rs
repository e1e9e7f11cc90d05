//! The seam between what a host does (`lab::node`, `lab::cluster`) and the ways in (`lab::memory`, `lab::ssh_server`).

use std::fmt;

use futures::future::BoxFuture;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::model::{ExitStatus, HostName};
use crate::remote::Duplex;
use crate::remote::error::TunnelRefusal;

use super::faults::Fault;

/// Standard streams of one command. A closed `stdout` receiver means that the caller went away: end the command.
#[derive(Debug)]
pub struct ExecIo {
    pub stdin: UnboundedReceiver<Vec<u8>>,
    pub stdout: UnboundedSender<Vec<u8>>,
    pub stderr: UnboundedSender<Vec<u8>>,
}

/// A fleet of machines as sshd sees them.
pub trait Machine: Send + Sync + fmt::Debug {
    /// Runs the line of an SSH exec request for a login user (`ops`, or `root`), to its end.
    fn exec<'a>(&'a self, host: &'a HostName, user: &'a str, line: String, io: ExecIo) -> BoxFuture<'a, ExitStatus>;

    /// Whether a new connection is to be refused now (sshd's `MaxStartups`). Asking uses the refusal up.
    fn refuses_connection(&self, _host: &HostName) -> bool {
        false
    }

    /// The fault of the wire that strikes this line now. Asking uses it up.
    fn take_fault(&self, _host: &HostName, _line: &str) -> Option<Fault> {
        None
    }

    /// Connects to a port as seen from the host.
    fn dial<'a>(
        &'a self,
        host: &'a HostName,
        address: &'a str,
        port: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Duplex>, TunnelRefusal>>;
}
